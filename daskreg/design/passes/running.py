"""What may be known of a pass before it begins, and who takes what its shards have finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from daskreg._typing import Partial, State
from daskreg.design.layout import Layout

from .dyadic import Node
from .outcome import Outcome, PassResult
from .seals import Key, Seal


class Running(Protocol):
    """A pass that somebody keeps track of, who may know a part of the sum already.

    Attributes
    ----------
    skip : set of int
        Numbers of the blocks that are left out.
    """

    skip: frozenset[int]

    @property
    def due(self) -> bool:
        """Whether it is time to bring what shards have finished."""

    def add(self, outcome: Outcome) -> Outcome:
        """Take what a shard has summed, from any thread; returns the rest of its outcome."""

    def joined(self, nodes: Sequence[tuple[Node, Partial]]) -> Partial:
        """The whole sum: what was taken or known before, and these nodes."""

    def set(self) -> None:
        """The pass is given up."""

    def is_set(self) -> bool:
        """Whether shards should stop."""


class MakePass(Protocol):
    """Makes a pass, or what ``running`` leaves of it."""

    def __call__(self, kernel: Any, state: State, running: Running | None = None) -> PassResult: ...


class Journal(Protocol):
    """Keeps the sums of passes beyond the life of the process."""

    def layout_for(self, n_rows: int | None, row_chunks: Any) -> Layout | None:
        """The borders of blocks that are to be used again; None: choose them."""

    def summed(self, kernel: Any, state: Mapping[str, Any], make_pass: MakePass) -> PassResult:
        """The sum that is kept, or that ``make_pass`` makes."""

    def reserve(self, partial_bytes: int) -> int:
        """Bytes of sums that stay in the memory of the client."""

    def seals_for(self, layout: Layout) -> Mapping[Key, Seal]:
        """Checksums of the blocks with these borders, as far as they are known."""
