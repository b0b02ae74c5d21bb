"""Some columns of compressed sparse rows, in machine code: without Python's lock, in two looks."""

from __future__ import annotations

import numpy as np

from daskreg._typing import AnyArray

from .compiler import compiled


@compiled()
def entries_before(indices: AnyArray, indptr: AnyArray, place: AnyArray, before: AnyArray) -> None:
    """Set ``before`` (n_rows + 1,) to the entries of chosen columns that lie before each row.

    ``place`` (p,) is the place of each column among the chosen ones; -1: not chosen.
    """
    n, entry = 0, np.uint64(indptr[0])
    before[0] = 0
    for i in range(len(indptr) - 1):
        stop = np.uint64(indptr[i + 1])
        while entry < stop:
            n += place[np.uint64(indices[entry])] >= 0
            entry += np.uint64(1)
        before[i + 1] = n


@compiled()
def gather(
    data: AnyArray, indices: AnyArray, place: AnyArray, values: AnyArray, places: AnyArray
) -> None:
    """Copy the entries of chosen columns, and the places of these columns, in their order.

    ``values`` and ``places`` have room for one entry more than there are.
    """
    n = np.uint64(0)
    for entry in range(np.uint64(len(data))):
        # What is not chosen is written over by the next: no branch to guess wrong.
        own = place[np.uint64(indices[entry])]
        values[n], places[n] = data[entry], own
        n += np.uint64(own >= 0)
