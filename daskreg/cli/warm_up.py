"""``daskreg warm-up``: compile now what the first fits of an installation would compile."""

from __future__ import annotations

import click
import numpy as np

from ._errors import debug_option
from ._report import say

#: Rows: enough that solvers do what they do with large data.
ROWS = 2**16
#: Columns of dense rows.
COLUMNS = 257
#: Columns of sparse rows, of as many stored numbers as keep their fits short.
SPARSE_COLUMNS, SPARSE_ENTRIES = 2**9, 16
DTYPES = ("float32", "float64")


@click.command("warm-up")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice([*DTYPES, "int8", "uint8", "float16"]),
    default=DTYPES,
    help="Type of the data to come; several times for several types.",
)
@debug_option
def warm_up(dtypes: tuple[str, ...]) -> None:
    """Compile the loops of common fits, so that no fit has to wait for it.

    Once for an installation and kind of processor.  What is compiled is kept beside the code, or
    where that cannot be written in the cache of the user; DASKREG_CACHE_DIR names another folder,
    which must be writable for the fits as well.
    """
    from daskreg.datafit.kernels.fused import compiled_whatever_the_size
    from daskreg.solvers.sweeps import compiled_at_once

    folder = kept_in()
    with compiled_whatever_the_size(), compiled_at_once():
        for dtype in dtypes:
            _fits(dtype)
            say(f"compiled   lasso, FISTA, logistic regression and cross-validation on {dtype}")
        _sparse_fits()
        say("compiled   lasso and logistic regression on sparse rows")
    say(f"kept in    {folder}")


def kept_in() -> str:
    """The folder of compiled loops.

    Raises
    ------
    ClickException
        Where there is none: what is compiled would be lost.
    """
    from daskreg.compiled.kept import folder

    kept = folder()
    if kept is None:
        raise click.ClickException(
            "neither the folder of the package nor the cache of the user can be written: set "
            "DASKREG_CACHE_DIR to a folder that can be, now and for the fits to come"
        )
    return str(kept)


def _fits(dtype: str) -> None:
    from daskreg.linear_model import Lasso, LassoCV, LogisticRegression

    shape = ROWS, COLUMNS
    random = np.random.default_rng(0)
    X = (8 * random.standard_normal(shape, dtype=np.float32)).clip(0, 100).astype(dtype)
    y = X[:, 0] - X[:, 1] + random.standard_normal(len(X))
    for model in (Lasso(alpha=0.1), Lasso(alpha=0.1, solver="fista"), LassoCV(alphas=3, cv=3)):
        model.fit(X, y)
    LogisticRegression(C=10.0 / len(X), l1_ratio=1.0).fit(X, y > 0)


def _sparse_fits() -> None:
    import scipy.sparse as sp

    from daskreg.linear_model import Lasso, LogisticRegression

    random = np.random.default_rng(0)
    n, p, entries = ROWS, SPARSE_COLUMNS, SPARSE_ENTRIES
    columns = np.sort(random.integers(0, p, (n, entries)), axis=1).ravel().astype(np.int32)
    places = np.arange(0, n * entries + 1, entries, dtype=np.int32)
    for dtype in DTYPES:
        values = random.standard_normal(n * entries).astype(dtype)
        X = sp.csr_array((values, columns, places), shape=(n, p))
        X.sum_duplicates()
        y = X[:, [0]].toarray()[:, 0] + 0.1 * random.standard_normal(n)
        Lasso(alpha=0.01).fit(X, y)
        LogisticRegression(C=10.0 / n, l1_ratio=1.0).fit(X, y > 0)
