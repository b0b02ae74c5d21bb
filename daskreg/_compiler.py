"""numba's compiler with its cache, and without it where no folder of the cache can be written."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ._callers import outside

_warned = False


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function that is compiled at its first call, and kept for other processes.

    It holds no lock of Python's, and divides as numpy does.  What is compiled is kept beside the
    code, in the cache of the user or in NUMBA_CACHE_DIR.  Where none of them can be written every
    process compiles anew, and is warned of it once.

    Parameters
    ----------
    **options
        Of ``numba.njit``.
    """
    import numba

    options = {"nogil": True, "error_model": "numpy"} | options

    def decorated(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder
            _warn()
            return numba.njit(**options)(function)

    return decorated


def _warn() -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "compiled loops cannot be kept: neither the folder of the package nor the cache of "
            "the user can be written, so that every new process compiles for some seconds; set "
            "NUMBA_CACHE_DIR to a folder that can be written, and run `daskreg warm-up` once",
            RuntimeWarning,
            stacklevel=outside(),
        )
