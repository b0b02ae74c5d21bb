"""CSR as every block holds it."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._array import csr_of


def canonical(block: Any, dtype: np.dtype[Any], known: bool = False) -> Any:
    """CSR with sorted, unique, smallest indices and native values; copies only what differs.

    ``known`` indices are sorted and unique: nobody needs to look.
    """
    from scipy.sparse import csr_array

    small = max(block.nnz, *block.shape) < 2**31
    index = np.dtype(np.int32 if small else np.int64)
    parts = (
        block.data.astype(dtype, copy=False),
        block.indices.astype(index, copy=False),
        block.indptr.astype(index, copy=False),
    )
    result: Any = csr_of(csr_array, *parts, block.shape[1])
    if known:
        result.has_canonical_format = True
    elif not result.has_canonical_format:
        result = result.copy()
        result.sum_duplicates()
    return result
