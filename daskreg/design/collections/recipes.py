"""Recipes: the part of a graph that makes a run of rows, and the reader that runs it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from dask._task_spec import DataNode  # noqa: TID253

from daskreg._typing import AnyArray, Matrix
from daskreg.design.sources.base import Reader, Rows
from daskreg.design.spool.rows import stack
from daskreg.exceptions import DataError

from .graphs import Key, Nodes, Subgraph, is_literal
from .matrices import Convert
from .sharing import post_order


class GraphRecipe(Rows):
    """Rows that a Dask graph makes, run chunk by chunk by whoever opens them.

    Parameters
    ----------
    graph : Subgraph
        No two distant chunks need the same key of it.
    keys : sequence of key
        One for each chunk of rows.
    row_chunks : sequence of int
        Rows of each chunk.
    convert : Convert
        Makes the matrix of what a key gives.
    start : int
        Number of the first row of the first chunk.

    Attributes
    ----------
    bytes_per_row : float
        Of sparse chunks as a sample of them tells.
    persisted : bool
        Every chunk is the value of a future: the blocks are used where they are.
    chunk_futures : list of Future
        One for each chunk, if persisted, in row order.
    resident : bool
        Every chunk is an array in this process.
    repeated_keys : int
        Keys that neighbouring chunks share: computed again at the borders of shards.
    extra_reads : int
        Times the source was read before the first pass, to compute what all chunks share.
    bytes_spooled : int
        Bytes written to scratch for it.
    """

    #: Tasks of arrays call its functions, and it imports pandas.
    libraries = ("pandas", "dask.array")

    def __init__(
        self,
        graph: Subgraph,
        keys: Sequence[Key],
        row_chunks: Sequence[int],
        convert: Convert,
        *,
        names: tuple[str, ...] | None = None,
        describe: str = "dask array",
        start: int = 0,
        n_rows: int | None = None,
    ) -> None:
        kept = [(key, rows) for key, rows in zip(keys, row_chunks, strict=True) if rows]
        self._graph, self._convert = graph, convert
        self._keys = [key for key, _ in kept]
        self._borders = [*accumulate((rows for _, rows in kept), initial=start)]
        self.row_chunks: tuple[int, ...] | None = tuple(rows for _, rows in kept)
        self.n_rows = self._borders[-1] if n_rows is None else n_rows
        self.n_columns, self.dtype, self.sparse = convert.n_columns, convert.dtype, convert.sparse
        self.bytes_per_row = float(convert.n_columns * convert.dtype.itemsize)
        self.names, self.describe = names, describe
        self.futures = tuple(graph.futures.values())
        nodes, futures = graph.nodes, graph.futures
        self.persisted = bool(kept) and all(key in futures for key in self._keys)
        self.chunk_futures = [futures[key] for key in self._keys] if self.persisted else []
        if self.persisted and any(future is not None for future in self.chunk_futures):
            self.chunk_homes = self._homes
        self.resident = not futures and all(_is_array(nodes, key) for key in self._keys)
        self.computed = not (self.resident or self.persisted)
        self.decode_factor = 3.0 if self.computed else 1.0
        self.repeated_keys = self.extra_reads = self.bytes_spooled = 0

    def cut(self, start: int, stop: int) -> GraphRecipe:
        first = max(0, bisect_right(self._borders, start) - 1)
        last = min(bisect_right(self._borders, stop - 1), len(self._keys))
        keys = self._keys[first:last]
        recipe = GraphRecipe(
            self._graph.cull(keys),
            keys,
            [b - a for a, b in pairwise(self._borders[first : last + 1])],
            self._convert,
            names=self.names,
            describe=self.describe,
            start=self._borders[first],
            n_rows=self.n_rows,
        )
        # Borders of blocks are chosen before; the reader keeps a chunk that they cut.
        recipe.row_chunks, recipe.bytes_per_row = None, self.bytes_per_row
        return recipe

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return GraphReader(self._graph.loaded(values), self._keys, self._borders, self._convert)

    @property
    def row_nbytes(self) -> float:
        return self.bytes_per_row

    def _homes(self, scheduler: Any) -> list[str | None]:
        """The address of a worker that holds each chunk, in row order."""
        held = scheduler.client.who_has(self.chunk_futures)
        holders = [held.get(future.key) for future in self.chunk_futures]
        return [sorted(addresses)[0] if addresses else None for addresses in holders]

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("chunk_homes", None)
        return state | {"futures": (None,) * len(self.futures), "chunk_futures": []}


class GraphReader(Reader):
    """Runs the keys of chunks as they are asked for, in the thread that asks.

    Keeps the chunk it is in, and the values that the next chunk needs too.
    """

    def __init__(
        self, nodes: Nodes, keys: Sequence[Key], borders: Sequence[int], convert: Convert
    ) -> None:
        self._nodes, self._keys, self._borders, self._convert = nodes, keys, borders, convert
        self._kept: dict[Key, Any] = {}
        self._last: tuple[int, Matrix] | None = None

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> Matrix:
        pieces = []
        at = max(0, bisect_right(self._borders, start) - 1)
        while at < len(self._keys) and self._borders[at] < stop:
            low, high = self._borders[at : at + 2]
            first, last = max(start, low) - low, min(stop, high) - low
            chunk = self._chunk(at)
            piece = chunk if (first, last) == (0, high - low) else chunk[first:last]
            if first and last == high - low and not self._convert.sparse and not self._at_hand(at):
                # The next chunk is made while a kernel works on this block: let go of this one.
                piece = piece.copy()
            if out is not None and not self._convert.sparse:
                out[low + first - start : low + last - start] = piece
            else:
                pieces.append(piece)
            self._last = (at, chunk) if stop < high else None
            at += 1
        if out is not None and not self._convert.sparse:
            return out
        convert = self._convert
        return stack(pieces, convert.n_columns, convert.dtype, convert.sparse)

    def _at_hand(self, at: int) -> bool:
        return is_literal(self._nodes, self._keys[at])

    def _chunk(self, at: int) -> Matrix:
        if self._last is not None and self._last[0] == at:
            return self._last[1]
        self._last = None
        following = self._keys[at + 1 : at + 2]
        (value,), self._kept = evaluate(self._nodes, [self._keys[at]], self._kept, following)
        matrix = self._convert(value, self._borders[at])
        rows = self._borders[at + 1] - self._borders[at]
        if matrix.shape[0] != rows:
            raise DataError(
                f"chunk {at} (from row {self._borders[at]}) has {matrix.shape[0]} rows where its "
                f"collection declares {rows}"
            )
        return matrix

    def close(self) -> None:
        self._kept, self._last = {}, None


def evaluate(
    nodes: Nodes,
    keys: Sequence[Key],
    kept: Mapping[Key, Any],
    following: Sequence[Key] = (),
) -> tuple[list[Any], dict[Key, Any]]:
    """Run ``keys`` in this thread, letting go of each value after its last use.

    Parameters
    ----------
    nodes : dict of key to GraphNode
    keys : sequence of key
    kept : dict
        Values at hand.
    following : sequence of key
        What will be run next.

    Returns
    -------
    values : list
    kept : dict
        The values that ``following`` would need again.
    """
    order = post_order(nodes, keys, lambda key: key in kept)
    wanted = _needed_again(nodes, following, set(order) | set(kept)) if following else set()
    uses: dict[Key, int] = {}
    for key in order:
        for dependency in nodes[key].dependencies:
            uses[dependency] = uses.get(dependency, 0) + 1
    stay = wanted | set(keys)
    values = dict(kept)
    for key in order:
        node = nodes[key]
        values[key] = node({d: values[d] for d in node.dependencies})
        for dependency in node.dependencies:
            uses[dependency] -= 1
            if not uses[dependency] and dependency not in stay:
                del values[dependency]
    return [values[key] for key in keys], {key: values[key] for key in wanted}


def _needed_again(nodes: Nodes, following: Sequence[Key], at_hand: Collection[Key]) -> set[Key]:
    again: set[Key] = set()

    def stop(key: Key) -> bool:
        if key in at_hand and not is_literal(nodes, key):
            again.add(key)
            return True
        return False

    post_order(nodes, following, stop)
    return again


def _is_array(nodes: Nodes, key: Key) -> bool:
    node = nodes.get(key)
    return isinstance(node, DataNode) and isinstance(node.value, np.ndarray)


@dataclass(frozen=True)
class PartRecipe:
    """Part ``number`` of several collections that share a graph: run once, in one task."""

    graph: Subgraph
    keys: tuple[Key, ...]
    converts: tuple[Callable[[Any], Matrix], ...]

    def read(self, values: Sequence[Any] = ()) -> list[Matrix]:
        """The matrix of each collection."""
        made, _ = evaluate(self.graph.loaded(values), self.keys, {})
        return [convert(value) for convert, value in zip(self.converts, made, strict=True)]
