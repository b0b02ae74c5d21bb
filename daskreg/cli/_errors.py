"""Errors as one message and an exit status."""

from __future__ import annotations

import errno
import sys
import traceback
import warnings
from typing import Any

import click

from daskreg.exceptions import DaskregError

from ._report import note

BAD_INPUT = 2
NOT_CONVERGED = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
INTERNAL = 70  # EX_SOFTWARE

_DEBUG = "daskreg.debug"


def _remember(context: click.Context, option: click.Parameter, value: bool) -> None:
    context.find_root().meta[_DEBUG] = value


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_remember,
    help="Show the traceback of an error.",
)


class Commands(click.Group):
    """A group whose commands fail with one message; the same under ``daskreg`` and ``dask reg``."""

    def invoke(self, ctx: click.Context) -> Any:
        with warnings.catch_warnings():
            # What is meant for users; what is meant for developers is for the tests.
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except KeyboardInterrupt:
                note("\nStopped." if sys.stderr.isatty() else "Stopped.")  # the terminal echoes ^C
                ctx.exit(INTERRUPTED)
            except BrokenPipeError:
                raise  # click ends quietly when the reader of a pipe has gone
            except Exception as error:
                if ctx.find_root().meta.get(_DEBUG):
                    traceback.print_exc()
                message, status = _explain(error)
                note(f"Error: {message}", len("Error: "))
                ctx.exit(status)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    note(f"Warning: {message}", len("Warning: "))


def _explain(error: Exception) -> tuple[str, int]:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = f" while writing {error.filename}" if error.filename else ""
        return f"the disk is full{where}; free some space or choose another folder", BAD_INPUT
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}", BAD_INPUT
    if isinstance(error, DaskregError | OSError | ValueError | MemoryError):
        return str(error) or type(error).__name__, BAD_INPUT
    if isinstance(error, ImportError):
        return f"a library is missing: {error}", BAD_INPUT
    return (
        f"unexpected {type(error).__name__}: {error}. Run again with --debug and report it",
        INTERNAL,
    )
