"""Making rows ready: graphs optimised, shared keys resolved, unknown rows counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from dask._task_spec import Alias  # noqa: TID253

from daskreg.design.sources.base import Rows, matrix_nbytes
from daskreg.design.sources.chunk_tiles import ChunkTiles
from daskreg.design.spool.rows import Part, write_part
from daskreg.design.spool.scratch import Scratch
from daskreg.design.spool.tiles import TiledRows

from .census import Run, census, run_tasks, spool_parts, spooled
from .graphs import Key, Subgraph, compute, spool_literals, take_graph, unmap
from .matrices import Convert
from .recipes import GraphRecipe, PartRecipe
from .rows import DaskRows
from .sharing import find_shared, gathers_futures, resolve


def settle(
    rows: Sequence[Rows], scratch: Scratch, run: Run | None = None
) -> tuple[list[Rows], int]:
    """Rows that can be cut and read, in place of rows that cannot yet.

    Parameters
    ----------
    rows : sequence of Rows
        X, y, weights and offset together: what they share is optimised, parsed and counted once.
    scratch : Scratch
        Used where something must be spooled.
    run : callable, optional
        How tasks run, as in ``census``.

    Returns
    -------
    rows : list of Rows
        Those that were ready are unchanged.
    bytes_read : int
        Decoded bytes of the source that were read on the way.

    Raises
    ------
    DataError
        If scratch is full, or needed and not shared by all workers.
    """
    from daskreg.design.passes.active import active_client

    client = active_client()
    ready: list[Rows | None] = [r if r.settled else None for r in rows]
    lazy = [i for i, r in enumerate(rows) if isinstance(r, DaskRows)]
    read = 0
    if lazy:
        members = [cast(DaskRows, rows[i]) for i in lazy]
        made, read = _settle_graphs(members, scratch, run or run_tasks, client)
        for i, known in zip(lazy, made, strict=True):
            ready[i] = known
    for i, tiled in enumerate(rows):
        if isinstance(tiled, ChunkTiles):
            scratch.check_shared(client)
            ready[i], more = tiled.turn(scratch, run or run_tasks)
            read += more
    left = [i for i, r in enumerate(ready) if r is None]
    if left:
        scratch.check_shared(client)
        counted, more = census([rows[i] for i in left], scratch, run)
        read += more
        for i, known in zip(left, counted, strict=True):
            ready[i] = known
    return [r for r in ready if r is not None], read


def _settle_graphs(
    members: Sequence[DaskRows], scratch: Scratch, run: Run, client: Any
) -> tuple[list[Rows], int]:
    graph, keys = _take(members)
    unmap(graph)
    written = spool_literals(graph, scratch, client) if client is not None else 0
    made: list[Rows | None] = [None] * len(members)
    read = 0
    for i, member in enumerate(members):
        if member.widths is not None:
            scratch.check_shared(client)
            tiled = _spool_tiles(graph, keys[i], member, scratch)
            made[i], read = tiled, read + tiled.bytes_spooled
            continue
        shared = find_shared(graph.nodes, keys[i])
        size = (member.n_rows or 0) * member.row_nbytes
        done = resolve(graph, keys[i], shared.wide, scratch, client, size)
        read += int(size) if done.computed else 0
        if done.spool_chunks or gathers_futures(graph, keys[i]):
            scratch.check_shared(client)
            rows = _spool_chunks(graph, keys[i], member, scratch)
            made[i] = rows
            read += rows.bytes_spooled  # type: ignore[attr-defined]
            continue
        keys[i] = [_target(graph, key) for key in keys[i]]
        if member.lengths is not None and len(member.lengths) == len(keys[i]):
            recipe = GraphRecipe(
                graph.cull(keys[i]),
                keys[i],
                member.lengths,
                member.convert,
                names=member.names,
                describe=member.describe,
            )
            if member.sparse:
                recipe.bytes_per_row, sampled = _sampled(graph, keys[i], member)
                read += sampled
            recipe.repeated_keys = shared.borders
            recipe.extra_reads = int(done.computed)
            recipe.bytes_spooled = done.bytes_spooled + written
            made[i] = _labelled(recipe, member)
    left = [i for i, rows in enumerate(made) if rows is None]
    if left:
        scratch.check_shared(client)
        groups: dict[int, list[int]] = {}
        for i in left:
            groups.setdefault(len(keys[i]), []).append(i)
        for group in groups.values():
            parts = _count(
                graph, [keys[i] for i in group], [members[i] for i in group], scratch, run
            )
            for i, own in zip(group, parts, strict=True):
                rows = spooled(own, members[i])
                made[i] = _labelled(rows, members[i])
                read += rows.bytes_spooled
    return [rows for rows in made if rows is not None], read


def _sampled(graph: Subgraph, keys: Sequence[Key], member: DaskRows) -> tuple[float, int]:
    """Bytes of a row and of the chunk they were taken from: lazy blocks do not tell their density
    before one is made, and a plan that guessed would be wrong by a factor."""
    lengths = member.lengths or ()
    at = next(i for i, n in enumerate(lengths) if n)
    (nbytes,) = compute(graph, [(_chunk_nbytes, keys[at], (member.convert,))])
    return nbytes / lengths[at], nbytes


def _chunk_nbytes(chunk: Any, convert: Convert) -> int:
    return matrix_nbytes(convert(chunk))


def _take(members: Sequence[DaskRows]) -> tuple[Subgraph, list[list[Key]]]:
    """One graph for all, in which rows of one data frame have the same keys."""
    columns: dict[str, dict[Any, None]] = {}
    for member in members:
        if member.frame is not None:
            columns.setdefault(member.frame._name, {}).update(
                dict.fromkeys(member.convert.columns or ())
            )
    place: list[int] = []
    collections: list[Any] = []
    seen: dict[str, int] = {}
    for member in members:
        name = None if member.frame is None else member.frame._name
        if name is None or name not in seen:
            if name is not None:
                seen[name] = len(collections)
            whole = member.frame is not None
            collections.append(
                member.frame[list(columns[name or ""])] if whole else member.collection
            )
        place.append(len(collections) - 1 if name is None else seen[name])
    graph, keys = take_graph(collections)
    return graph, [list(keys[i]) for i in place]


def _count(
    graph: Subgraph,
    keys: Sequence[Sequence[Key]],
    members: Sequence[DaskRows],
    scratch: Scratch,
    run: Run,
) -> list[list[Part]]:
    """Read every part once, for all rows that share the partitioning, and spool it."""
    converts = tuple(member.convert for member in members)
    recipes = [PartRecipe(graph.cull(own), own, converts) for own in zip(*keys, strict=True)]
    return spool_parts(recipes, len(members), scratch, run)


def _spool_chunks(graph: Subgraph, keys: Sequence[Key], member: DaskRows, scratch: Scratch) -> Rows:
    """Let Dask compute the chunks once, each written to scratch where it is made."""
    jobs = [(_write_chunk, key, (member.convert, scratch.new("chunk"))) for key in keys]
    rows = spooled(compute(graph, jobs), member)
    return _labelled(rows, member)


def _spool_tiles(
    graph: Subgraph, keys: Sequence[Key], member: DaskRows, scratch: Scratch
) -> TiledRows:
    """Let Dask compute chunks of some columns once, each written to scratch where it is made."""
    assert member.widths is not None
    size = int((member.n_rows or 0) * member.row_nbytes)
    why = f"its chunks hold {member.widths[0]} of {member.n_columns} columns"
    scratch.require(size, member.describe, why)
    converts = [replace(member.convert, n_columns=width) for width in member.widths]
    jobs = [
        (_write_chunk, key, (converts[at % len(converts)], scratch.new("tile")))
        for at, key in enumerate(keys)
    ]
    written, each = compute(graph, jobs), len(converts)
    runs = [written[at : at + each] for at in range(0, len(written), each)]
    rows = TiledRows(
        [run for run in runs if run[0].shape[0]],
        names=member.names,
        describe=f"{member.describe} (turned)",
    )
    rows.labels = member.labels
    return rows


def _write_chunk(chunk: Any, convert: Convert, path: str) -> Part:
    return write_part(convert(chunk), path)


def _labelled(rows: Rows, member: DaskRows) -> Rows:
    rows.labels = member.labels
    return rows


def _target(graph: Subgraph, key: Key) -> Key:
    """The key that a key is another name of."""
    node = graph.nodes.get(key)
    while isinstance(node, Alias):
        key = node.target
        node = graph.nodes.get(key)
    return key
