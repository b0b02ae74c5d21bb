"""What a collection's chunk is (ndarray, CSR, data frame ...) made into a matrix of rows."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Matrix
from daskreg.design.sources.checks import joint_dtype
from daskreg.design.sources.csr import canonical
from daskreg.exceptions import DataError


@dataclass(frozen=True)
class Convert:
    """Makes a C-contiguous ndarray or a ``csr_array`` of a chunk; picklable.

    Attributes
    ----------
    n_columns : int
    dtype : numpy.dtype
        ``U`` without a length stands for labels of any length.
    sparse : bool
        Chunks are sparse and become CSR.
    columns : tuple of str or None
        Columns to take, in this order, where chunks are data frames.
    describe : str
        For messages.
    """

    n_columns: int
    dtype: np.dtype[Any]
    sparse: bool = False
    columns: tuple[Any, ...] | None = None
    describe: str = "dask array"

    def __call__(self, chunk: Any, first: int | None = None) -> Matrix:
        """The matrix; ``first`` is the number of its first row, where that is known."""
        matrix = self._matrix(chunk, first)
        if matrix.ndim == 1:
            matrix = matrix.reshape(-1, 1)
        if matrix.shape[1] != self.n_columns:
            raise DataError(
                f"a chunk of the {self.describe} has {matrix.shape[1]} columns where "
                f"{self.n_columns} are declared"
            )
        return matrix

    def _matrix(self, chunk: Any, first: int | None) -> Matrix:
        if self.columns is not None:
            return self._of_frame(chunk, first)
        found = as_csr(chunk, self.dtype)
        if found is not None:
            if not self.sparse:
                raise DataError(
                    f"the {self.describe} says that its chunks are dense, but one is "
                    f"{type(chunk).__name__}: give map_blocks(..., meta=...) of the sparse type"
                )
            return found
        if self.sparse:
            raise DataError(
                f"the {self.describe} says that its chunks are sparse, but one is "
                f"{type(chunk).__name__}: give map_blocks(..., meta=...) of the dense type"
            )
        if isinstance(chunk, np.ma.MaskedArray) and np.ma.getmaskarray(chunk).any():
            raise DataError(f"the {self.describe} has masked values: fill or drop them first")
        if hasattr(chunk, "get") and hasattr(chunk, "__cuda_array_interface__"):
            chunk = chunk.get()
        array = np.asarray(chunk)
        if array.dtype.hasobject:
            return self._labels(array, first)
        return np.ascontiguousarray(array.astype(self.dtype, copy=False))

    def _of_frame(self, frame: Any, first: int | None) -> AnyArray:
        if frame.ndim == 2:
            frame = frame[list(self.columns or ())]
        if self.dtype.kind == "U":
            return self._labels(np.asarray(frame, dtype=object), first)
        if self.dtype.kind == "f":
            values = frame.to_numpy(dtype=self.dtype, na_value=np.nan)
        else:
            values = frame.to_numpy(dtype=self.dtype)
        return np.ascontiguousarray(values)

    def _labels(self, array: AnyArray, first: int | None) -> AnyArray:
        if self.dtype.kind != "U":
            raise DataError(
                f"the {self.describe} has dtype object; convert it to numbers, or to strings "
                "where they are labels"
            )
        flat = array.reshape(-1)
        for i, label in enumerate(flat):
            # pandas' NA compares as NA, NaN is not itself.
            if label is None or label is _pandas_na() or label != label:
                row = f"row {i} of a part" if first is None else f"row {first + i}"
                raise DataError(
                    f"the {self.describe} has a missing label at {row}: drop these rows or name "
                    "them"
                )
        return np.ascontiguousarray(array.astype(str))


def _pandas_na() -> Any:
    pandas = sys.modules.get("pandas")
    return pandas.NA if pandas is not None else ...


def as_csr(chunk: Any, dtype: np.dtype[Any]) -> Any:
    """A sparse chunk as canonical ``csr_array`` of a type; None where it is not sparse."""
    if isinstance(chunk, np.ndarray):
        return None
    import scipy.sparse as sp

    if hasattr(chunk, "to_scipy_sparse"):
        chunk = chunk.to_scipy_sparse()
    if not sp.issparse(chunk):
        return None
    return canonical(sp.csr_array(chunk), dtype)


def is_sparse_meta(meta: Any) -> bool:
    """Whether chunks with this meta are sparse."""
    import scipy.sparse as sp

    return sp.issparse(meta) or hasattr(meta, "to_scipy_sparse")


def frame_dtype(dtypes: dict[Any, Any], describe: str) -> np.dtype[Any]:
    """The type that holds these columns of a data frame; labels only alone.

    Raises
    ------
    DataError
        Names the columns that are not numbers, where there are several.
    """
    import pandas as pd

    wrong = [k for k, dtype in dtypes.items() if not pd.api.types.is_numeric_dtype(dtype)]
    if wrong and len(dtypes) > 1:
        shown = ", ".join(f"{k!r} ({dtypes[k]})" for k in wrong[:5])
        raise DataError(
            f"{describe}: columns {shown} are not numbers; encode them (one-hot, codes) or choose "
            "other columns"
        )
    if wrong:
        return np.dtype("U")
    plain = [d if isinstance(d, np.dtype) else np.dtype(np.float64) for d in dtypes.values()]
    return joint_dtype(plain, list(dtypes), describe) if plain else np.dtype(np.float64)
