"""The census: row counts that nobody knows, found in one pass that spools what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import cloudpickle

from daskreg._typing import Matrix
from daskreg.design.sources.base import Rows
from daskreg.design.spool.rows import Part, SpooledRows, write_part
from daskreg.design.spool.scratch import Scratch
from daskreg.exceptions import DataError

from .recipes import PartRecipe

#: How tasks run: a function and the arguments of each call, results in order.
Run = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], list[Any]]


class PartSource(Protocol):
    """Reads one part of several matrices that share their parts."""

    def read(self, values: Sequence[Any] = ()) -> list[Matrix]: ...


class _PartOf:
    """Part ``number`` of sources that read their parts themselves.

    Travelling together they share what they share, so that a file parsed for one is parsed for
    all.
    """

    def __init__(self, rows: Sequence[Rows], number: int) -> None:
        self._rows, self._number = tuple(rows), number

    def read(self, values: Sequence[Any] = ()) -> list[Matrix]:
        return [rows.read_part(self._number) for rows in self._rows]


def census(
    unknown: Sequence[Rows], scratch: Scratch, run: Run | None = None
) -> tuple[list[Rows], int]:
    """Count rows by reading every part once, and spool what is read.

    Parameters
    ----------
    unknown : sequence of Rows with ``n_rows`` None
        Those with equally many parts are read together, part by part.
    scratch : Scratch
    run : callable, optional
        ``run(function, arguments) -> results``; the active client or Dask's threads by default.

    Returns
    -------
    rows : list of Rows
        The same rows, now known, read from scratch.
    bytes_read : int
        Decoded bytes of all parts.

    Raises
    ------
    DataError
        If scratch is full.
    """
    known: list[Rows | None] = [None] * len(unknown)
    by_parts: dict[int, list[int]] = {}
    for i, rows in enumerate(unknown):
        by_parts.setdefault(rows.n_parts, []).append(i)
    for n_parts, members in by_parts.items():
        group = [unknown[i] for i in members]
        sources = [_PartOf(group, part) for part in range(n_parts)]
        parts = spool_parts(sources, len(group), scratch, run or run_tasks)
        for i, rows, own in zip(members, group, parts, strict=True):
            known[i] = spooled(own, rows)
    done = [rows for rows in known if rows is not None]
    return done, sum(getattr(rows, "bytes_spooled", 0) for rows in done)


def spool_parts(
    sources: Sequence[PartSource], n_matrices: int, scratch: Scratch, run: Run
) -> list[list[Part]]:
    """Write the matrices of every part to scratch: for each matrix, its parts in order."""
    paths = [[scratch.new("part") for _ in range(n_matrices)] for _ in sources]
    recipes = [getattr(source, "graph", None) for source in sources]
    if any(graph is not None and graph.futures for graph in recipes):
        run = run_tasks
    arguments = [
        (source, names, *(graph.futures.values() if graph is not None else ()))
        for source, names, graph in zip(sources, paths, recipes, strict=True)
    ]
    written = run(_write, arguments)
    return [[parts[j] for parts in written] for j in range(n_matrices)]


def spooled(parts: Sequence[Part], rows: Any, describe: str | None = None) -> SpooledRows:
    """Known rows in place of ``rows``."""
    widths = {part.shape[1] for part in parts if part.shape[0]}
    if widths - {rows.n_columns}:
        raise DataError(
            f"{rows.describe} has parts of {sorted(widths)} columns; {rows.n_columns} expected"
        )
    known = SpooledRows(
        parts,
        rows.n_columns,
        names=rows.names,
        describe=describe or f"{rows.describe} (spooled)",
    )
    known.labels = rows.labels
    return known


def _write(source: PartSource | PartRecipe, paths: Sequence[str], *values: Any) -> list[Part]:
    matrices = source.read(values)
    return [write_part(matrix, path) for matrix, path in zip(matrices, paths, strict=True)]


def run_tasks(function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Call a function for each tuple of arguments on the active client, else on threads.

    Futures among the arguments arrive as their values; they come last.
    """
    from daskreg.design.passes.active import active_client

    client = active_client()
    if client is None:
        return _on_threads(function, arguments)
    from .graphs import is_future

    tasks = []
    for args in arguments:
        futures = [a for a in args if is_future(a)]
        payload = cloudpickle.dumps((function, [a for a in args if not is_future(a)]))
        tasks.append(client.submit(_call, payload, *futures, pure=False))
    return list(client.gather(tasks))


def _call(payload: bytes, *values: Any) -> Any:
    import pickle

    function, args = pickle.loads(payload)
    return function(*args, *values)


def _on_threads(function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
    import dask
    from dask._task_spec import DataNode, Task

    tasks: dict[Any, Any] = {
        ("daskreg-census", i): Task(
            ("daskreg-census", i), function, *(DataNode(None, a) for a in args)
        )
        for i, args in enumerate(arguments)
    }
    get = dask.base.get_scheduler() or dask.threaded.get
    return list(get(tasks, list(tasks)))
