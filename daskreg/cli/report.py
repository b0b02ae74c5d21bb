"""``daskreg report``: a model file as a page of HTML."""

from __future__ import annotations

from pathlib import Path

import click

from daskreg.exceptions import DataError

from ._errors import debug_option
from ._report import require_writable, say


@click.command()
@click.argument("model_file", metavar="MODEL", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="The page; default: beside MODEL, ending in .html.",
)
@debug_option
def report(model_file: Path, out: Path | None) -> None:
    """Write a page of HTML on MODEL: how the fit went, plots of it, the largest coefficients.

    The page needs no network. Drawing needs matplotlib: pip install "daskreg[plot]".
    """
    from daskreg import load

    out = default_page(model_file) if out is None else out
    require_writable(out)
    model = load(model_file)
    try:
        from daskreg.plotting import report_html

        page = report_html(model)
    except ImportError as error:
        raise DataError(f'plots need matplotlib: pip install "daskreg[plot]" ({error})') from error
    except ValueError as error:
        raise DataError(f"{model_file}: {error}") from error
    out.write_text(page, encoding="utf-8")
    say(f"saved      {out}")


def default_page(model_file: Path) -> Path:
    """Return the place of a page beside its model.

    Examples
    --------
    >>> default_page(Path("a/model.zarr.zip")).name
    'model.html'
    """
    name = model_file.name
    for suffix in (".zip", ".zarr"):
        name = name.removesuffix(suffix)
    return model_file.with_name(f"{name}.html")
