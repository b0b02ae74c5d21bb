"""Whether the data are those that a checkpoint was made with."""

from __future__ import annotations

from typing import Any

from daskreg.design.passes.running import MakePass
from daskreg.exceptions import CheckpointError

from .fingerprint import BesideKernel, Fields, WindowsKernel, compare, describe_data, windows
from .running import Glance

ADVICE = "Fit the data that the checkpoint was made with"


class DataCheck:
    """Looks at the data once, before the first pass.

    What lies beside X (y, weights, offset, groups) is compared whole, unless a Dask collection
    would have to be computed for it; of X the types, sizes and names, and some runs of rows
    spread over all of it.  No pass is made: a change of X elsewhere is not seen.

    Parameters
    ----------
    path : str
        For messages.
    kept : dict or None
        What ``fields`` was when the checkpoint was made.
    sums : dict or None
        Likewise.
    """

    def __init__(self, path: str, kept: Fields | None, sums: dict[str, Any] | None) -> None:
        self._path = path
        self.fields, self.sums = kept, sums
        self._done = False

    def check(self, design: Any, make_pass: MakePass) -> None:
        """Compare, or note, what the data look like.

        Raises
        ------
        CheckpointError
            Names what differs.
        """
        if self._done:
            return
        now = describe_data(design)
        if self.fields is not None:
            compare(self.fields, now, self._path, ADVICE)
        seen = _looked_at(design, make_pass)
        if self.sums is not None:
            self._compare(seen, design)
        self.fields, self.sums, self._done = now, seen, True

    def _compare(self, seen: dict[str, Any], design: Any) -> None:
        kept = self.sums or {}
        for name, sums in seen.items():
            before = kept.get(name)
            if before is None or before.shape != sums.shape or not (before == sums).all():
                where = ""
                if name.startswith("rows of ") and before is not None:
                    runs = windows(int(design.n_samples), design.row_nbytes)
                    wrong = [
                        run for run, same in zip(runs, before == sums, strict=True) if not same
                    ]
                    where = f" (for example rows {wrong[0][0]} to {wrong[0][1] - 1})"
                raise CheckpointError(
                    f"the checkpoint {self._path} belongs to other data: {name} differ{where}. "
                    f"{ADVICE}, or start anew with another file or resume=False after removing "
                    "this one"
                )


def _looked_at(design: Any, make_pass: MakePass) -> dict[str, Any]:
    """Return sums of digests, by what they are of."""
    runs = windows(int(design.n_samples), design.row_nbytes)
    rows = design.layout.rows
    wanted = {
        block
        for block in range(design.layout.n_blocks)
        for start, stop in runs
        if rows[block] < stop and start < rows[block + 1]
    }
    others = Glance(frozenset(range(design.layout.n_blocks)) - wanted)
    found = make_pass(WindowsKernel(runs), {}, others)
    design.bytes_read += found.bytes_read
    seen = {f"rows of {name}": sums for name, sums in _sums(found.partial)}
    if design.beside_is_cheap:
        beside = make_pass(BesideKernel(), {})
        design.bytes_read += beside.bytes_read
        seen |= {f"values of {name}": sums for name, sums in _sums(beside.partial)}
    return seen


def _sums(partial: Any) -> list[tuple[str, Any]]:
    return list(partial.items())
