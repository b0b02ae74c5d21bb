"""CSR as every block holds it."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._array import csr_of
from daskreg._typing import AnyArray
from daskreg.compiled import entries_before, gather, in_use
from daskreg.exceptions import DataError

#: Entries from which compiled loops are taken, where they are loaded anyway.
MANY = 2**16


def canonical(block: Any, dtype: np.dtype[Any], known: bool = False) -> Any:
    """CSR with sorted, unique, smallest indices and native values; copies only what differs.

    ``known`` indices are sorted and unique: nobody needs to look.

    Raises
    ------
    DataError
        Where an entry lies in no column: loops over compressed rows would write elsewhere.
    """
    from scipy.sparse import csr_array

    n_entries = int(block.indptr[-1])
    if not known and n_entries:
        own = block.indices[:n_entries]
        lowest, highest = int(own.min()), int(own.max())
        if lowest < 0 or highest >= block.shape[1]:
            wrong = lowest if lowest < 0 else highest
            raise DataError(
                f"a sparse matrix of {block.shape[1]:,} columns has an entry in column {wrong:,} "
                f"(expected 0 to {block.shape[1] - 1:,}, counted from 0): correct its indices"
            )
    small = max(block.nnz, *block.shape) < 2**31
    index = np.dtype(np.int32 if small else np.int64)
    parts = (
        block.data[:n_entries].astype(dtype, copy=False),
        block.indices[:n_entries].astype(index, copy=False),
        block.indptr.astype(index, copy=False),
    )
    result: Any = csr_of(csr_array, *parts, block.shape[1])
    if known:
        result.has_canonical_format = True
    elif not result.has_canonical_format:
        result = result.copy()
        result.sum_duplicates()
    return result


def columns_of(block: Any, columns: AnyArray) -> Any:
    """Return ascending columns of canonical CSR as canonical CSR.

    The numbers are the same with the compiler and without it, which is loaded for this by nobody.
    """
    if block.nnz < MANY or not in_use() or block.dtype.itemsize > 8:
        return canonical(block[:, columns], block.dtype, known=True)
    place = np.full(block.shape[1], -1, dtype=np.int32)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    indptr = np.empty_like(block.indptr)
    data, indices = block.data.view(f"u{block.dtype.itemsize}"), block.indices
    entries_before(indices, block.indptr, place, indptr)
    values, places = np.empty(indptr[-1] + 1, data.dtype), np.empty(indptr[-1] + 1, indices.dtype)
    gather(data, indices, place, values, places)
    parts = values[:-1].view(block.dtype), places[:-1], indptr
    result: Any = csr_of(type(block), *parts, len(columns))
    result.has_canonical_format = True
    return result
