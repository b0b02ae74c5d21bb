"""Graphs: taken from collections once, with futures, literals and culling in hand."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import cloudpickle
import numpy as np
from dask._task_spec import Alias, DataNode, GraphNode, Task, TaskRef, convert_legacy_graph  # noqa: TID253

from daskreg.design.spool.rawarray import RawArray
from daskreg.design.spool.scratch import Scratch
from daskreg.exceptions import DataError

Key = Any
Nodes = dict[Key, GraphNode]

#: Arrays inside a graph that are larger together are put into a file, not sent to workers.
LARGE_LITERAL = 1 << 20
#: Smaller ones (a mean, an index) travel anyway.
SMALL_LITERAL = 4 << 10


class Subgraph:
    """Nodes that need nothing from outside but the values of some futures.

    It pickles to bytes, once: Dask searches the arguments of its tasks for keys and would take the
    keys of this graph for its own.

    Attributes
    ----------
    nodes : dict of key to GraphNode
    futures : dict of key to Future
        The values that ``loaded`` expects, in this order.  None for each on a worker.
    """

    def __init__(self, nodes: Nodes, futures: Mapping[Key, Any]) -> None:
        self.nodes, self.futures = nodes, dict(futures)

    def cull(self, keys: Iterable[Key]) -> Subgraph:
        """What ``keys`` need."""
        nodes: Nodes = {}
        futures: dict[Key, Any] = {}
        left = list(keys)[::-1]
        while left:
            key = left.pop()
            if key in nodes or key in futures:
                continue
            if key in self.futures:
                futures[key] = self.futures[key]
                continue
            nodes[key] = node = self.nodes[key]
            left.extend(node.dependencies)
        return Subgraph(nodes, futures)

    def loaded(self, values: Sequence[Any]) -> Nodes:
        """The nodes, with the values of the futures in their places."""
        if len(values) != len(self.futures):
            raise ValueError(f"{len(self.futures)} values of futures expected, {len(values)} came")
        given = {k: DataNode(k, v) for k, v in zip(self.futures, values, strict=True)}
        return {**self.nodes, **given}

    def __getstate__(self) -> dict[str, Any]:
        try:
            nodes = cloudpickle.dumps(self.nodes)
        except Exception as error:
            raise DataError(
                f"this Dask collection holds an object that cannot be sent to workers ({error}); "
                "open files by their path inside the graph, or use the threads of this process"
            ) from error
        return {"nodes": nodes, "futures": dict.fromkeys(self.futures)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.nodes, self.futures = pickle.loads(state["nodes"]), state["futures"]


def take_graph(collections: Sequence[Any]) -> tuple[Subgraph, list[list[Key]]]:
    """Optimise collections, arrays together; returns one graph and the keys of each, row order.

    Futures are collected before: optimising drops them.  Data frames are optimised one by one:
    together, Dask 2026.8 gives one key to two of them.
    """
    import dask
    from dask.core import flatten

    futures: dict[Key, Any] = {}
    for collection in collections:
        # Data frames keep theirs, and have no graph before they are optimised.
        if not hasattr(collection, "expr"):
            _collect_futures(collection.__dask_graph__(), futures)
    arrays = iter(dask.optimize(*(c for c in collections if not hasattr(c, "expr"))))
    optimised = [c.optimize() if hasattr(c, "expr") else next(arrays) for c in collections]
    nodes: dict[Key, Any] = {}
    keys = []
    for collection in optimised:
        nodes.update(collection.__dask_graph__())
        keys.append(list(flatten(collection.__dask_keys__())))
    for key in [key for key, value in nodes.items() if is_future(value)]:
        futures[key] = nodes.pop(key)
    converted = convert_legacy_graph(nodes)
    for key, node in list(converted.items()):
        if isinstance(node, DataNode) and is_future(node.value):
            futures[key] = node.value
            del converted[key]
    return Subgraph(converted, futures), keys


def is_future(value: Any) -> bool:
    """Whether this is a ``distributed.Future``, without importing distributed."""
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(value, distributed.Future)


def _collect_futures(graph: Any, found: dict[Key, Any]) -> None:
    if "distributed" not in sys.modules:
        return
    for layer in getattr(graph, "layers", {"": graph}).values():
        # Other layers are recipes; making their tasks would cost more than all the rest.
        mapping = getattr(layer, "mapping", layer if isinstance(layer, dict) else {})
        for key, value in mapping.items():
            value = value.value if isinstance(value, DataNode) else value
            if is_future(value):
                found[key] = found[value.key] = value


def is_literal(nodes: Nodes, key: Key) -> bool:
    """Whether a key is a value already: in the graph, a future, or another name of one."""
    node = nodes.get(key)
    while isinstance(node, Alias):
        node = nodes.get(node.target)
    return node is None or isinstance(node, DataNode)


def literal_value(nodes: Nodes, key: Key) -> Any:
    """The value of a literal key, or None where it is no value of this graph."""
    node = nodes.get(key)
    while isinstance(node, Alias):
        node = nodes.get(node.target)
    return node.value if isinstance(node, DataNode) else None


def unmap(graph: Subgraph) -> None:
    """Replace memory maps by arrays that are read: mapped pages count as used memory."""

    def swap(value: Any) -> Any:
        found = RawArray.of_memmap(value) if isinstance(value, np.memmap) else None
        return value if found is None else found

    _rewrite_all(graph, swap)


def spool_literals(graph: Subgraph, scratch: Scratch, client: Any) -> int:
    """Put the arrays of a graph into one scratch file if they are large together.

    Returns the bytes written.
    """
    found: dict[int, np.ndarray[Any, Any]] = {}

    def find(value: Any) -> Any:
        if type(value) is np.ndarray and not value.dtype.hasobject and value.nbytes > SMALL_LITERAL:
            found[id(value)] = value
        return value

    _rewrite_all(graph, find)
    if sum(array.nbytes for array in found.values()) <= LARGE_LITERAL:
        return 0
    scratch.check_shared(client)
    raws = RawArray.write_all(found.values(), scratch.new("arrays") + ".raw")
    written = dict(zip(found, raws, strict=True))
    _rewrite_all(graph, lambda value: written.get(id(value), value))
    return sum(raw.nbytes for raw in raws)


def _rewrite_all(graph: Subgraph, swap: Callable[[Any], Any]) -> None:
    for key, node in graph.nodes.items():
        changed = _rewrite(node, swap)
        if changed is not node:
            graph.nodes[key] = changed


def _rewrite(value: Any, swap: Callable[[Any], Any]) -> Any:
    """``value`` with its arrays swapped, however deep; itself where nothing changed."""
    if isinstance(value, np.ndarray):
        return swap(value)
    if isinstance(value, TaskRef | Alias | str | int | float | slice):
        return value
    if isinstance(value, DataNode):
        new = _rewrite(value.value, swap)
        return value if new is value.value else DataNode(value.key, new)
    if type(value) is Task or isinstance(value, Task):
        args = _rewrite(value.args, swap)
        kwargs = _rewrite(value.kwargs, swap)
        if args is value.args and kwargs is value.kwargs:
            return value
        if type(value) is not Task:
            changed = value.copy()
            changed.args, changed.kwargs, changed._token = args, kwargs, None
            return changed
        return Task(value.key, value.func, *args, **kwargs)
    if type(value) in (list, tuple):
        items = [_rewrite(item, swap) for item in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else type(value)(items)
    if type(value) is dict:
        changed_items = {k: _rewrite(v, swap) for k, v in value.items()}
        same = all(changed_items[k] is v for k, v in value.items())
        return value if same else changed_items
    return value


def compute(
    graph: Subgraph, jobs: Sequence[tuple[Callable[..., Any], Key, tuple[Any, ...]]]
) -> list[Any]:
    """Run ``function(value of key, *arguments)`` for each job in one ordinary Dask computation."""
    from dask.delayed import Delayed

    name = f"daskreg-spool-{id(graph)}"
    tasks = {
        (name, i): Task((name, i), function, TaskRef(key), *(DataNode(None, a) for a in arguments))
        for i, (function, key, arguments) in enumerate(jobs)
    }
    nodes = graph.cull([key for _, key, _ in jobs])
    gathered = Task(name, _listed, *(TaskRef(key) for key in tasks))
    whole = {**nodes.nodes, **nodes.futures, **tasks, name: gathered}
    return list(Delayed(name, whole).compute())


def _listed(*values: Any) -> list[Any]:
    return list(values)
