"""Keys that many chunks need: found, computed once, and put into the graph as values.

In ``(X - X.mean(0)) / X.std(0)`` every chunk carries the whole reduction.  Recomputing what chunks
share would make a pass quadratic in their number, so that before the first pass

1. keys that are needed far apart are computed once, in one ordinary Dask computation; small values
   go into the graph, large ones into scratch files that stand in the graph for them;
2. where a large value is not sliced but gathered (a shuffle), or where the graph can only run
   under its own scheduler plugin, the chunks themselves are written to scratch, once;
3. what neighbours share (the borders of a rechunk) stays, and the reader keeps it from one chunk to
   the next.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from dask._task_spec import Alias, DataNode, Task  # noqa: TID253
from dask.array.core import getter, getter_inline, getter_nofancy  # noqa: TID253

from daskreg.design.spool.rawarray import RawArray
from daskreg.design.spool.scratch import Scratch

from .graphs import Key, Nodes, Subgraph, compute, is_literal, literal_value

#: Values of shared keys up to this many bytes travel inside recipes.
SMALL_VALUE = 4 << 20
#: Those of which chunks take slices are better read from a file, unless tiny.
SLICED_VALUE = 64 << 10
#: Source chunks that all chunks need are computed to see their size only if they are few.
FEW = 8
#: Bytes read in a pass, over the bytes of X, above which the chunks are spooled instead.
MAX_REREAD = 2.0

_SLICERS = (operator.getitem, getter, getter_nofancy, getter_inline)


@dataclass
class Sharing:
    """What chunks of rows share.

    Attributes
    ----------
    wide : list of key
        Needed by chunks that lie far apart; cut here, no chunk shares more than borders.
    borders : int
        Keys that neighbouring chunks share.
    """

    wide: list[Key] = field(default_factory=list)
    borders: int = 0


@dataclass(frozen=True)
class _Reach:
    """The chunks that need a key: numbers ``low`` to ``high``, some between maybe not."""

    low: int
    high: int
    holes: bool = False

    def is_wide(self, n_chunks: int) -> bool:
        length = self.high - self.low + 1
        if n_chunks <= 2:
            return False
        return self.holes or length == n_chunks or length > max(3, n_chunks // 4)


def find_shared(nodes: Nodes, finals: Sequence[Key]) -> Sharing:
    """Find the keys at which to cut a graph so that each chunk needs little that others need."""
    sharing = Sharing()
    literal = {key for key in nodes if is_literal(nodes, key)}
    order = post_order(nodes, finals, lambda key: key in literal or key not in nodes)
    cut: set[Key] = set()
    while True:
        reaches, wide = _spread(nodes, finals, order, literal, cut)
        if not wide:
            break
        cut.update(wide)
        sharing.wide.extend(wide)
    if len(finals) == 2:
        # With two chunks a reduction looks like a border; being deep tells them apart.
        own = set(finals)
        sharing.wide += _meeting_points(nodes, order, reaches, literal, own)
    sharing.borders = sum(r.high > r.low for k, r in reaches.items() if k not in cut)
    return sharing


def post_order(nodes: Nodes, keys: Iterable[Key], stop: Callable[[Key], bool]) -> list[Key]:
    """Keys that ``keys`` need, each after what it needs itself; not beyond ``stop``."""
    done: set[Key] = set()
    order: list[Key] = []
    stack = [(key, False) for key in reversed(list(keys))]
    while stack:
        key, ready = stack.pop()
        if ready:
            order.append(key)
        elif key not in done and not stop(key):
            done.add(key)
            stack.append((key, True))
            stack.extend((d, False) for d in nodes[key].dependencies if d not in done)
    return order


def _spread(
    nodes: Nodes, finals: Sequence[Key], order: list[Key], literal: set[Key], cut: set[Key]
) -> tuple[dict[Key, _Reach], list[Key]]:
    """The reach of every key, and the last wide keys before the chunks go their own ways."""
    n = len(finals)
    pending: dict[Key, list[tuple[_Reach, bool]]] = {}
    for i, key in enumerate(finals):
        pending.setdefault(key, []).append((_Reach(i, i), False))
    reaches: dict[Key, _Reach] = {}
    wide: list[Key] = []
    for key in reversed(order):
        entries = pending.pop(key, None)
        if entries is None:
            continue
        reach = _union([r for r, _ in entries])
        reaches[key] = reach
        if key in cut:
            continue
        is_wide = reach.is_wide(n)
        if is_wide:
            direct = [r for r, through_wide in entries if not through_wide]
            if direct and _union(direct).is_wide(n):
                wide.append(key)
        for dependency in nodes[key].dependencies:
            if dependency in nodes and dependency not in literal:
                pending.setdefault(dependency, []).append((reach, is_wide))
    return reaches, wide


def _union(reaches: list[_Reach]) -> _Reach:
    if len(reaches) == 1:
        return reaches[0]
    ordered = sorted(reaches, key=lambda r: r.low)
    low, high = ordered[0].low, ordered[0].high
    holes = ordered[0].holes
    for reach in ordered[1:]:
        holes = holes or reach.holes or reach.low > high + 1
        high = max(high, reach.high)
    return _Reach(low, high, holes)


def _meeting_points(
    nodes: Nodes, order: list[Key], reaches: dict[Key, _Reach], literal: set[Key], own: set[Key]
) -> list[Key]:
    shared = {k for k in order if k in reaches and reaches[k].low < reaches[k].high}
    tops = {
        d
        for k in order
        if k not in shared
        for d in nodes[k].dependencies
        if d in shared and d not in own
    }
    return [k for k in tops if any(d in nodes and d not in literal for d in nodes[k].dependencies)]


@dataclass
class Resolved:
    """What became of the shared keys.

    Attributes
    ----------
    spool_chunks : bool
        The chunks themselves must be written to scratch by Dask.
    computed : bool
        The source was read once to compute shared values.
    bytes_spooled : int
    """

    spool_chunks: bool = False
    computed: bool = False
    bytes_spooled: int = 0


def resolve(
    graph: Subgraph,
    finals: Sequence[Key],
    shared: Sequence[Key],
    scratch: Scratch,
    client: Any,
    n_bytes: float,
) -> Resolved:
    """Compute shared keys once and put their values into ``graph``, in place."""
    if has_plugin_tasks(graph.nodes):
        return Resolved(spool_chunks=True)
    if not shared:
        return Resolved()
    sliced = _only_sliced(graph.nodes, set(shared))
    gathered = [key for key in shared if key not in sliced and _is_source(graph.nodes, key)]
    if _uses(graph.nodes, set(gathered)) <= MAX_REREAD * len(finals):
        # Chunks that repeat or move source chunks read about their own size: that is no waste.
        shared = [key for key in shared if key not in set(gathered)]
    elif len(gathered) > FEW:
        return Resolved(spool_chunks=True)
    if not shared:
        return Resolved()
    # Small values need no files: a cluster of several machines does without a shared folder.
    files = scratch.is_shared(client)
    paths = [scratch.new("shared") + ".raw" if files else None for _ in shared]
    jobs = [
        (_keep, key, (0 if key in sliced else SMALL_VALUE, path))
        for key, path in zip(shared, paths, strict=True)
    ]
    values = compute(graph, jobs)
    if any(isinstance(value, _TooLarge) for value in values):
        scratch.check_shared(client)
    spooled = reread = 0
    for key, value in zip(shared, values, strict=True):
        graph.nodes[key] = DataNode(key, value)
        if isinstance(value, RawArray):
            spooled += value.nbytes
            reread += 0 if key in sliced else value.nbytes * len(finals)
    return Resolved(reread > MAX_REREAD * max(n_bytes, 1.0), True, spooled)


class _TooLarge:
    """Stands for a value that should have gone to a file."""


def _keep(value: Any, limit: int, path: str | None) -> Any:
    """The value itself if small, else the name of the file that it is now in."""
    if isinstance(value, RawArray):
        return value
    if not isinstance(value, np.ndarray) or value.dtype.hasobject:
        return value
    if value.nbytes <= max(limit, SLICED_VALUE):
        return value
    return _TooLarge() if path is None else RawArray.write(value, path)


def _only_sliced(nodes: Nodes, shared: set[Key]) -> set[Key]:
    """Those of ``shared`` of which every user takes a slice."""
    sliced = set(shared)
    for node in nodes.values():
        for key in node.dependencies & shared:
            if key in sliced and not _is_slicing(nodes, node):
                sliced.discard(key)
    return sliced


def _is_slicing(nodes: Nodes, node: Any) -> bool:
    if isinstance(node, Alias) or not isinstance(node, Task) or node.func not in _SLICERS:
        return False
    index = node.args[1]
    if isinstance(index, DataNode):
        index = index.value
    elif hasattr(index, "key"):
        index = literal_value(nodes, index.key)
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(part, slice) for part in parts)


def gathers_futures(graph: Subgraph, finals: Sequence[Key]) -> bool:
    """Whether chunks need the blocks of far more futures than lie in their own rows."""
    needed = graph.cull(finals)
    uses = _uses(needed.nodes, set(needed.futures))
    return uses > MAX_REREAD * max(len(needed.futures), len(finals)) and len(finals) > FEW


def _uses(nodes: Nodes, keys: set[Key]) -> int:
    return sum(len(node.dependencies & keys) for node in nodes.values()) if keys else 0


def _is_source(nodes: Nodes, key: Key) -> bool:
    return all(d not in nodes or is_literal(nodes, d) for d in nodes[key].dependencies)


def has_plugin_tasks(nodes: Nodes) -> bool:
    """Whether the graph has tasks that only Dask's own shuffle plugin can run."""
    return any(
        isinstance(node, Task)
        and (
            type(node).__module__.startswith("distributed.shuffle")
            or getattr(node.func, "__module__", "").startswith("distributed.shuffle")
        )
        for node in nodes.values()
    )
