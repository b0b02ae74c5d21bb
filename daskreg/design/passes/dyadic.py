"""One tree for every sum: nodes keyed by segment number, the same whoever adds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import add

from daskreg._typing import Partial

#: (level, position): covers segments ``position * 2**level`` up to the next such node.
Node = tuple[int, int]


class DyadicSum:
    """Partial sums over segments, merged as far as one fixed binary tree allows.

    Floating-point addition is not associative, so the tree is keyed by segment number: a node is
    the sum of its two children in order, whichever shard or process holds them.  A shard returns
    the largest nodes that its segments complete, and any way of cutting the segments into shards
    ends in the same bits.

    Parameters
    ----------
    n_segments : int
    nodes : mapping, optional
        What is there already.
    plus : callable
        Adds two values; one that changes the first is for what nobody else knows.

    Examples
    --------
    >>> import numpy as np
    >>> total = DyadicSum(3)
    >>> for segment in (2, 0, 1):
    ...     total.add((0, segment), np.float64(segment))
    >>> float(total.root())
    3.0
    """

    def __init__(
        self,
        n_segments: int,
        nodes: Mapping[Node, Partial] | None = None,
        plus: Callable[[Partial, Partial], Partial] = add,
    ) -> None:
        self.n_segments = n_segments
        self._plus = plus
        self.top = max(0, (n_segments - 1).bit_length())
        self.nodes: dict[Node, Partial] = dict(nodes or {})

    def add(self, node: Node, value: Partial) -> None:
        """Put a node in and merge upwards while its sibling is there (or cannot exist)."""
        level, position = node
        while level < self.top:
            sibling = (level, position ^ 1)
            if position % 2:
                if sibling not in self.nodes:
                    break
                value = self._plus(self.nodes.pop(sibling), value)
            elif sibling in self.nodes:
                value = self._plus(value, self.nodes.pop(sibling))
            elif (position + 1) << level < self.n_segments:
                break
            level, position = level + 1, position // 2
        self.nodes[level, position] = value

    def waiting(self, segment: int) -> Partial | None:
        """The sum of the segment before, where that of this one is what is added to it next."""
        return self.nodes.get((0, segment - 1)) if segment % 2 else None

    def grown(self, segment: int) -> None:
        """Take note that this segment has been added to the sum that was waiting for it."""
        self.add((1, segment // 2), self.nodes.pop((0, segment - 1)))

    def update(self, nodes: Iterable[tuple[Node, Partial]]) -> DyadicSum:
        """Add many nodes; returns itself."""
        for node, value in nodes:
            self.add(node, value)
        return self

    def root(self) -> Partial:
        """The whole sum."""
        if set(self.nodes) != {(self.top, 0)}:
            raise RuntimeError(f"segments are missing from the sum: {sorted(self.nodes)}")
        return self.nodes[self.top, 0]
