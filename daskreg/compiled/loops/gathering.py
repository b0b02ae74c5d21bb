"""Some columns of compressed sparse rows, in machine code: without Python's lock, in two looks."""

from __future__ import annotations

from .arrays import Array
from .writing import Code, written


@written()
def entries_before(code: Code, indices: Array, indptr: Array, place: Array, before: Array) -> None:
    """Set ``before`` (n_rows + 1,) to the entries of chosen columns that lie before each row.

    ``place`` (p,) is the place of each column among the chosen ones; -1: not chosen.
    """
    n = code.variable(0)
    before[0] = 0
    for i in code.each(indptr.size - 1):
        for entry in code.each(indptr[i], indptr[i + 1]):
            n.now += (place[indices[entry]] >= 0).whole()
        before[i + 1] = n.now


@written()
def gather(
    code: Code, data: Array, indices: Array, place: Array, values: Array, places: Array
) -> None:
    """Copy the entries of chosen columns, and the places of these columns, in their order.

    ``values`` and ``places`` have room for one entry more than there are.
    """
    n = code.variable(0)
    for entry in code.each(data.size):
        # What is not chosen is written over by the next: no branch to guess wrong.
        own = place[indices[entry]]
        values.set_raw(data.raw(entry), n.now)
        places[n.now] = own
        n.now += (own >= 0).whole()
