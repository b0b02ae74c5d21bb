"""A pass that is under way: what it has summed so far, and what it leaves out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

from daskreg._typing import Partial
from daskreg.design.layout import Layout
from daskreg.design.passes.dyadic import DyadicSum, Node
from daskreg.design.passes.seals import Key, Seal

from .signals import asked


class Running:
    """The finished nodes of the summation tree of one pass; shards add theirs as they end.

    Parameters
    ----------
    key : str
        Digest of the kernel and of what it is given.
    layout : Layout
    nodes : mapping of (level, position) to partial
        Those that an interrupted pass has left.
    pause : callable
        Called after each shard, by whatever thread has run it.
    due : callable
        Whether ``pause`` would do anything.
    """

    def __init__(
        self,
        key: str,
        layout: Layout,
        nodes: Mapping[Node, Partial],
        pause: Callable[[], None],
        due: Callable[[], bool],
    ) -> None:
        self.key = key
        self.total = DyadicSum(layout.n_segments, nodes)
        #: Numbers of the blocks that no shard has to read any more.
        self.skip = frozenset(
            block
            for node in nodes
            for segment in segments_below(node, layout.n_segments)
            for block in range(layout.segments[segment], layout.segments[segment + 1])
        )
        #: Checksums of blocks that these shards have read.
        self.seals: dict[Key, Seal] = {}
        self._pause, self._due = pause, due
        self._lock = threading.RLock()
        self._given_up = False

    def add(self, outcome: Any) -> Any:
        """Take what a shard has summed; returns the rest of its outcome."""
        with self._lock:
            self.total.update(outcome.nodes)
            self.seals |= outcome.seals
            if not self._given_up:
                self._pause()
        return replace(outcome, nodes=[])

    @property
    def due(self) -> bool:
        """Whether it is time to bring what shards have finished."""
        return self._due()

    def joined(self, nodes: Sequence[tuple[Node, Partial]]) -> Partial:
        """The whole sum: what was known or added before, and these nodes."""
        with self._lock:
            return self.total.update(nodes).root()

    def nodes(self) -> dict[Node, Partial]:
        """What there is so far."""
        with self._lock:
            return dict(self.total.nodes)

    def set(self) -> None:
        """Give the pass up."""
        self._given_up = True

    def is_set(self) -> bool:
        """Whether shards should stop: the pass was given up, or a signal asks for an end."""
        return self._given_up or asked() is not None


class Glance:
    """A look at some blocks only.

    Parameters
    ----------
    skip : set of int
        Numbers of the others.
    """

    def __init__(self, skip: frozenset[int]) -> None:
        self.skip = skip
        self._given_up = False

    def add(self, outcome: Any) -> Any:
        """The outcome as it is."""
        return outcome

    @property
    def due(self) -> bool:
        """It is over in a moment."""
        return False

    def joined(self, nodes: Sequence[tuple[Node, Partial]]) -> Partial:
        """The sum over those blocks."""
        return reduce(add, [part for _, part in nodes])

    def set(self) -> None:
        """Give it up."""
        self._given_up = True

    def is_set(self) -> bool:
        """Whether shards should stop."""
        return self._given_up


def segments_below(node: Node, n_segments: int) -> range:
    """Segments that a node of the summation tree covers."""
    level, position = node
    return range(min(position << level, n_segments), min((position + 1) << level, n_segments))
