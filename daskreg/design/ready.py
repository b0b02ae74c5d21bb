"""What must happen to rows before they can be dealt out, if anything."""

from __future__ import annotations

import os
from typing import Any, Self

from .columns import Columns
from .passes.scheduler import Scheduler
from .passes.threads import Threads
from .sources.base import Rows

#: Rows spooled for other processes in one write.
_PIECE = 64 << 20


class Readiness:
    """Optimises, counts and spools what cannot be cut as it is; owns the scratch folder.

    Parameters
    ----------
    scratch : path, optional
        Where temporary files go.
    """

    def __init__(self, scratch: str | os.PathLike[str] | None = None) -> None:
        self._path = scratch
        self._scratch: Any = None
        self._users = 1

    @property
    def folder_given(self) -> str | None:
        """Where the caller wants temporary files; None: nowhere in particular."""
        return None if self._path is None else os.fspath(self._path)

    def shared(self) -> Self:
        """The same, for one more design: the scratch folder stays until each has closed it."""
        self._users += 1
        return self

    def __call__(self, columns: Columns, scheduler: Scheduler) -> tuple[Columns, int]:
        """Return rows that can be cut (the same columns, if they could), and the bytes of the
        source read on the way."""
        before = parts = columns.parts()
        read = 0
        if any(not rows.settled for _, rows in parts):
            from .collections.settle import settle

            rows, read = settle([rows for _, rows in parts], self._folder(), scheduler.map)
            parts = [(name, new) for (name, _), new in zip(parts, rows, strict=True)]
        if not isinstance(scheduler, Threads):
            parts = [(name, self._for_others(rows, scheduler)) for name, rows in parts]
        if all(new is old for (_, new), (_, old) in zip(parts, before, strict=True)):
            return columns, read
        return Columns(**dict(parts)), read

    def _for_others(self, rows: Rows, scheduler: Any) -> Rows:
        """Rows in this process's memory as files that other processes can read."""
        from .plan import SMALL

        size = (rows.n_rows or 0) * rows.row_nbytes
        if not rows.resident or size < SMALL:
            return rows
        from .collections.census import spooled
        from .spool.rows import write_part

        scratch = self._folder()
        scratch.check_shared(scheduler.client)
        step = max(1, int(_PIECE // max(1.0, rows.row_nbytes)))
        parts = []
        with rows.open() as reader:
            for start in range(0, rows.n_rows or 0, step):
                stop = min(start + step, rows.n_rows or 0)
                parts.append(write_part(reader.read(start, stop), scratch.new("rows")))
        labelled: Rows = spooled(parts, rows)
        labelled.names = rows.names
        return labelled

    def _folder(self) -> Any:
        if self._scratch is None:
            from .spool.scratch import Scratch

            self._scratch = Scratch(self._path)
        return self._scratch

    def close(self) -> None:
        """Remove the scratch folder, if one was made and nobody else uses it."""
        self._users -= 1
        if self._users > 0:
            return
        self._users = 0
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None
