"""A library's process: started, asked to fit, watched, and ended when it takes too much."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import process
from cases import Problem
from environments import CHECKOUT, interpreter

HERE = Path(__file__).parent
#: What sets the number of threads in one library or another.
THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "RAYON_NUM_THREADS"),
)


@contextmanager
def _on_processors(count: int) -> Iterator[None]:
    """Let what is started inside run on the first so many processors only; threads inherit that."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(mine)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


class Over(Exception):
    """A library took more time or memory than it may; the text says which."""


@dataclass
class Session:
    """The process of one library on one problem.

    Parameters
    ----------
    library
        Name of the adapter's module.
    cap
        Seconds that one fit may take; loading and warming up may take as many, at least 300.
    """

    library: str
    problem: Problem
    tiny: Problem
    where: Path
    cap: float
    log: Path
    lines: queue.Queue[str | None] = field(default_factory=queue.Queue)

    def __enter__(self) -> Session:
        python = str(interpreter(self.library, self.where))
        count = str(self.problem.threads)
        # What a library that is ended leaves behind goes with the folder.
        self.scratch = tempfile.TemporaryDirectory(dir=self.where, ignore_cleanup_errors=True)
        environment = {
            **os.environ,
            "TMPDIR": self.scratch.name,
            **dict.fromkeys(THREADS, count),
            # Environments are shared by checkouts: this one's code is what is measured.
            "PYTHONPATH": str(CHECKOUT) if self.library == "daskreg" else "",
            "PYTHONUNBUFFERED": "1",
        }
        self.errors = self.log.open("a")
        with _on_processors(self.problem.threads):
            self.process = subprocess.Popen(
                [python, str(HERE / "child.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                text=True, env=environment, start_new_session=True,
            )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.stdin is not None and self.process.poll() is None:
            try:
                self.process.stdin.close()
                self.process.wait(10)
            except (OSError, subprocess.TimeoutExpired):
                pass
        self.kill()
        self.errors.close()
        self.scratch.cleanup()

    def kill(self) -> None:
        """End the process and everything that it started."""
        members = list(process.tree(self.process.pid))
        for member in members:
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(process.MARK):
                self.lines.put(line[len(process.MARK) :])
            else:
                self.errors.write(line)
        self.lines.put(None)

    def order(self, **values: Any) -> None:
        """Send one order."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(values) + "\n")
        self.process.stdin.flush()

    def await_answer(self, seconds: float) -> dict[str, Any]:
        """Return the next answer.

        Raises
        ------
        Over
            It took longer, or more memory than the problem allows, or the library failed.
        """
        limit, end = self.problem.memory, time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=0.1)
            except queue.Empty:
                if limit and process.resident_bytes(self.process.pid) > limit:
                    raise Over(f"over {limit / 2**30:.1f} GiB") from None
                if time.monotonic() > end:
                    raise Over(f"not in {seconds:.0f} s") from None
                continue
            if line is None:
                raise Over(f"its process ended with status {self.process.wait()}")
            found = json.loads(line)
            if found["kind"] == "failed":
                raise Over(found["message"])
            return found

    def start(self) -> dict[str, str]:
        """Warm up and load; return the versions."""
        self.order(library=self.library, problem=self.problem.to_json(), tiny=self.tiny.to_json())
        return self.await_answer(max(self.cap, 300.0))["versions"]

    def fit(self, tol: Any, out: Path) -> dict[str, Any]:
        """Fit once, files read from the disk and not from its cache; return the costs."""
        if self.problem.on_disk:
            process.drop_from_cache(Path(self.problem.folder))
        self.order(tol=tol, out=str(out))
        return self.await_answer(self.cap)
