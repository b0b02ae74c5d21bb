"""What a fit has found out, beyond the life of its process."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from daskreg import __version__
from daskreg._callers import outside
from daskreg.design.layout import Layout
from daskreg.design.passes.cancelled import Cancelled
from daskreg.design.passes.outcome import PassResult
from daskreg.design.passes.running import MakePass
from daskreg.design.passes.seals import Key, Seal
from daskreg.events import record
from daskreg.exceptions import DataError, WorkersLostError

from .codec import Classes
from .container import pack
from .data import DataCheck
from .digest import digest
from .fingerprint import Fields, fields_of
from .running import Running
from .sealed import packed, unpacked
from .signals import Preempted, asked, say
from .stages import Kept, Stage, check_signature
from .store import Store

#: Seconds between two writings are at least so many times what the last one took.
OVERHEAD = 20.0


class Checkpoint:
    """Sums of passes and states of solvers of one fit, written to a file now and then.

    A fit asks before it looks at the data.  Passes are known by what they compute (a digest of the
    kernel and of the coefficients that it is given), so that the same code, run again, finds the
    sums of all passes that it has made outside a solver's steps, takes up each solver at its last
    step, and goes on with the pass that was under way at its missing segments.

    Parameters
    ----------
    store : Store
    classes : Classes
        Of states and partial sums.
    parameters : dict
        Digest and text of what changes the answer.
    every : float
        Seconds between two writings; 0: after each step and each shard.
    held : mapping, optional
        What was read from the store.
    """

    def __init__(
        self,
        store: Store,
        classes: Classes,
        parameters: Fields,
        every: float,
        held: Mapping[str, Any] | None = None,
    ) -> None:
        held = held or {}
        self.store, self.classes, self.parameters, self.every = store, classes, parameters, every
        self._data = DataCheck(store.path, held.get("data"), held.get("sums"))
        self._layout: dict[str, Any] | None = held.get("layout")
        self._seals = unpacked(held["seals"]) if "seals" in held else {}
        self._passes: dict[str, Any] = dict(held.get("passes", {}))
        self._recent: dict[str, Any] = dict(held.get("recent", {}))
        self._left: tuple[str, dict[Any, Any]] | None = held.get("running")
        self._stages = [Kept(**kept) for kept in held.get("stages", [])]
        self._bytes_read = int(held.get("bytes_read", 0))
        self._next = 0
        self._stage: Kept | None = None
        self._open: Kept | None = None
        self._counted: set[str] = set()
        self._running: Running | None = None
        self._design: Any = None
        self._saved, self._seconds = time.monotonic(), 0.0

    # -- the design's side ---------------------------------------------------------------------

    def attach(self, design: Any) -> None:
        """Watch the passes of a design; bytes that were read before count as read."""
        self._design = design
        design.keep_in(self)
        design.bytes_read += self._bytes_read

    def layout_for(self, n_rows: int | None, row_chunks: Any) -> Layout | None:
        """Borders of blocks as they were, so that sums are the same to the last bit.

        None where the data come in other chunks: then sums agree to rounding, and a pass that was
        under way begins anew.
        """
        kept = self._layout
        if kept is None or kept["chunks"] != digest(row_chunks) or kept["rows"][-1] != n_rows:
            return None
        return Layout(tuple(kept["rows"].tolist()), tuple(kept["segments"].tolist()))

    def reserve(self, partial_bytes: int) -> int:
        """Bytes of sums that stay in the client's memory: those of the pass that is kept."""
        return partial_bytes

    def seals_for(self, layout: Layout) -> Mapping[Key, Seal]:
        """Checksums of blocks as they were, where their borders are the same."""
        kept = self._layout
        same = kept is not None and tuple(kept["rows"].tolist()) == layout.rows
        return self._seals if same else {}

    def summed(self, kernel: Any, state: Mapping[str, Any], make_pass: MakePass) -> PassResult:
        """Return the sum of a kernel over all rows: the one that is kept, or a new one.

        Parameters
        ----------
        kernel, state
            As in ``Design.sum_over_rows``.
        make_pass : callable
            Makes the pass, or what a ``Running`` leaves of it.

        Raises
        ------
        CheckpointError
            In the first pass: the checkpoint belongs to other data.
        Preempted
        """
        if not getattr(kernel, "reads_X", True):
            return make_pass(kernel, state)
        self._data.check(self._design, make_pass)
        self._note_layout()
        key = digest((kernel, dict(state)))
        known = self._passes.get(key, self._recent.get(key))
        if self._open is None and self._stage is not None:
            self._stage.prepared.append(key)
        if known is not None:
            again = key in self._counted
            self._counted.discard(key)
            pinned = self._design.bytes_pinned
            return PassResult(known, bytes_pinned=pinned, n_passes=0 if again else 1)
        result = self._run(key, kernel, state, make_pass)
        (self._passes if self._open is None else self._recent)[key] = result.partial
        self.pause()
        return result

    def _run(
        self, key: str, kernel: Any, state: Mapping[str, Any], make_pass: MakePass
    ) -> PassResult:
        layout: Layout = self._design.layout
        left = self._left[1] if self._left is not None and self._left[0] == key else {}
        self._left = None
        self._running = Running(key, layout, left, self._save_if_due, lambda: self.due)
        try:
            result = make_pass(kernel, state, self._running)
        except BaseException as error:
            self._running.set()
            if isinstance(error, Cancelled) and asked() is not None:
                self._end()
            # Data that no model can use are not worth a file that a later fit would go on from.
            if not isinstance(error, DataError) and (self._passes or self._running.nodes()):
                written = self.save()
                if written and isinstance(error, WorkersLostError):
                    error.checkpoint = self.store.path
            raise
        finally:
            self._seals |= self._running.seals
            self._running = None
        self._seals |= result.seals
        return result

    def _note_layout(self) -> None:
        layout, X = self._design.layout, self._design.row_chunks
        now = {
            "rows": np.array(layout.rows),
            "segments": np.array(layout.segments),
            "chunks": digest(X),
        }
        if self._layout is not None and digest(self._layout) != digest(now):
            # Nodes of another tree cannot be added to this one, nor are its blocks the same.
            self._left, self._seals = None, {}
        self._layout = now

    # -- the solver's side ---------------------------------------------------------------------

    def stage(self, **signature: Any) -> Stage:
        """What is kept of the next call of a solver, in the order in which a fit makes them.

        Raises
        ------
        CheckpointError
            It was about something else, which is named.
        """
        if self._next == len(self._stages):
            self._stages.append(Kept(fields_of(signature)))
        kept = self._stages[self._next]
        check_signature(kept, self.store.path, **signature)
        self._next += 1
        if kept.ended:
            self._counted.update(kept.prepared)
        else:
            kept.prepared.clear()
            self._stage = kept
        return Stage(self, kept, self._design)

    def open_stage(self, kept: Kept) -> None:
        """Passes from now on belong to the steps of this stage."""
        self._open, self._stage = kept, None

    def close_stage(self) -> None:
        """Passes are again kept for good."""
        self._open = None

    def forget_recent(self) -> None:
        """Drop the passes of a step: the state that came of them is kept."""
        self._recent.clear()

    # -- writing -------------------------------------------------------------------------------

    def pause(self) -> None:
        """Write if it is time; end if a signal asks for it.

        Raises
        ------
        Preempted
        """
        if asked() is not None:
            self._end()
        self._save_if_due()

    def _end(self) -> None:
        name = asked()
        if self.save():
            say(
                f"{name}: the checkpoint {self.store.path} is written; the same fit with "
                "resume=True (--resume) goes on from there"
            )
        raise Preempted

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        least = max(self.every, OVERHEAD * self._seconds) if self.every else 0.0
        return time.monotonic() - self._saved >= least

    def _save_if_due(self) -> None:
        if self.due:
            self.save()

    def save(self) -> bool:
        """Write everything that is kept; a disk that refuses it is a warning, and False."""
        began = time.monotonic()
        try:
            self.store.write(pack(self._content(), self.classes))
        except OSError as error:
            warnings.warn(
                f"the checkpoint {self.store.path} could not be written ({error}): the fit goes "
                "on, and what was committed before is still there",
                UserWarning,
                stacklevel=outside(),
            )
            return False
        finally:
            self._saved = time.monotonic()
            self._seconds = self._saved - began
        record("checkpoint", f"{self.store.path} was written", {"seconds": self._seconds})
        return True

    def _content(self) -> dict[str, Any]:
        running = self._running
        left = self._left if running is None else (running.key, running.nodes())
        design = self._design
        return {
            "version": __version__,
            "parameters": self.parameters,
            "data": self._data.fields,
            "sums": self._data.sums,
            "layout": self._layout,
            "seals": packed(self._seals | ({} if running is None else running.seals)),
            "passes": self._passes,
            "recent": self._recent,
            "running": left,
            "stages": [vars(kept) for kept in self._stages],
            "bytes_read": 0 if design is None else int(design.bytes_read),
        }
