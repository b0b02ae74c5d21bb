"""From whatever holds rows to ``Rows`` or a ``Table``: a chain of small recognisers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daskreg.design.sources.base import Rows, Table
from daskreg.exceptions import DataError

from .arrays import of_array
from .libraries import of_dask, of_frame, of_sparse, of_xarray, of_zarr
from .paths import of_path
from .request import ACCEPTED, Opened, Recogniser, Request

__all__ = ["ACCEPTED", "open_rows"]


def open_rows(
    obj: Any,
    *,
    missing_chunks: str = "raise",
    sample_dim: str | Sequence[str] | None = None,
    role: str = "X",
) -> Opened:
    """Look at data where it lies, without reading it.

    Parameters
    ----------
    obj : array, matrix, data frame, labelled array, collection or path
        Paths may be inside a zarr store, as in ``data.zarr/X``.
    missing_chunks : {'raise', 'fill'}
        What to do about chunks that a zarr store lacks.
    sample_dim : str, sequence of str or None
        Dimension(s) of labelled arrays that become rows, outermost first; None: the first one.
    role : {'X', 'y', 'sample_weight', 'offset', 'groups'}
        For messages; X must have two dimensions, the others may have one, and y and groups may
        hold labels.

    Returns
    -------
    Rows or Table
        A Table where columns are still to be chosen by name.

    Raises
    ------
    DataError
        What came cannot be rows; the message says what to change.
    MissingChunksError
        Chunks are absent and ``missing_chunks`` is 'raise'.
    MissingDependencyError
        An optional library is needed.

    Examples
    --------
    >>> import numpy as np
    >>> rows = open_rows(np.eye(3))
    >>> rows.n_rows, rows.n_columns, rows.dtype
    (3, 3, dtype('float64'))
    >>> open_rows(np.arange(3.0))
    Traceback (most recent call last):
    ...
    daskreg.exceptions.DataError: X has 1 dimension, shape (3,); expected rows and columns: ...
    """
    if missing_chunks not in ("raise", "fill"):
        raise DataError(f"missing_chunks must be 'raise' or 'fill', not {missing_chunks!r}")
    request = Request(role, missing_chunks, sample_dim)
    for recognise in RECOGNISERS:
        found = recognise(obj, request)
        if found is not None:
            return found
    kind = f"{type(obj).__module__}.{type(obj).__qualname__}"
    raise DataError(f"{role} is a {kind}, which cannot be read; expected {ACCEPTED}")


def _rows(obj: Any, request: Request) -> Opened | None:
    return obj if isinstance(obj, (Rows, Table)) else None


#: Asked in this order; the first that knows the object answers.
RECOGNISERS: tuple[Recogniser, ...] = (
    _rows,
    of_path,
    of_array,
    of_sparse,
    of_dask,
    of_zarr,
    of_xarray,
    of_frame,
)
