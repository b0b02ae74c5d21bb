"""One library on one case: climb its tolerances to the gap, then take the median of several runs."""

from __future__ import annotations

import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import process
from cases import Problem

from environments import interpreter
from evaluate import Bounds, judge

HERE = Path(__file__).parent
#: Relative gap that counts as solved.
GAP = 1e-6
#: Held-out errors of a cross-validation, relative to those of the reference, that count as equal.
APART = 1e-4
#: What sets the number of threads in one library or another.
THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "RAYON_NUM_THREADS"),
)


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
        own = self.library == "daskreg"
        python = sys.executable if own else str(interpreter(self.library, self.where))
        cpus = sorted(os.sched_getaffinity(0))[: self.problem.threads]
        count = str(self.problem.threads)
        environment = {
            **os.environ,
            **dict.fromkeys(THREADS, count),
            "BENCHMARK_CPUS": ",".join(map(str, cpus)),
            "PYTHONPATH": str(HERE.parent) if own else "",
            "PYTHONUNBUFFERED": "1",
        }
        self.errors = self.log.open("a")
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
        self.order(
            library=self.library, problem=self.problem.to_json(), tiny=self.tiny.to_json()
        )
        return self.await_answer(max(self.cap, 300.0))["versions"]

    def fit(self, tol: Any, out: Path) -> dict[str, Any]:
        """Fit once, files read from the disk and not from its cache; return the costs."""
        if self.problem.on_disk:
            process.drop_from_cache(Path(self.problem.folder))
        self.order(tol=tol, out=str(out))
        return self.await_answer(self.cap)


@dataclass
class Result:
    """What one library did with one case.

    Parameters
    ----------
    status
        ``reached``, ``missed`` (its tightest tolerance does not get there), ``over`` (time,
        memory, failure) or ``lacks``.
    reason
        One line where it is not ``reached``.
    primal
        Objectives of the last model, shape (K,), at the alphas of number `places`.
    gap
        The largest relative gap of that model; NaN where there is none.
    apart
        Largest relative difference of held-out errors to the reference; cross-validation only.
    runs
        Costs of every timed run with `tol`.
    climbed
        Every tolerance that was tried: its gap and seconds.
    """

    library: str
    case: str
    status: str = "over"
    reason: str = ""
    tol: Any = None
    gap: float = float("nan")
    apart: float | None = None
    null: float = float("nan")
    primal: list[float] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    climbed: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Return the median of one cost over the runs."""
        return statistics.median(run[name] for run in self.runs) if self.runs else float("nan")


def look(problem: Problem, out: Path, bounds: Bounds, errors: Any, result: Result) -> None:
    """Judge the model that lies in a file; set gap and what belongs to it."""
    with np.load(out) as found:
        coef, intercept, places = found["coef"], found["intercept"], found["places"]
        path = found["errors"] if "errors" in found else None
    alphas = np.array(problem.alphas)[places]
    judged = judge(problem, coef, intercept, alphas)
    bounds.raise_to(judged.dual, places)
    result.gap = judged.gap(bounds.best[places])
    result.null, result.primal = judged.null, judged.primal.tolist()
    result.places = places.tolist()
    if errors is not None and path is not None:
        result.apart = float(np.max(np.abs(path - errors) / errors))


def solved(result: Result) -> bool:
    """True where the model counts as solved."""
    return result.gap <= GAP and (result.apart is None or result.apart <= APART)


def climb(session: Session, ladder: Any, bounds: Bounds, errors: Any, result: Result) -> bool:
    """Try tolerances, loosest first, until the gap is reached; the costs are the first run."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.npz"
        for tol in ladder:
            costs = session.fit(tol, out)
            look(session.problem, out, bounds, errors, result)
            result.tol, result.runs = tol, [costs]
            result.climbed.append(
                {"tol": tol, "gap": result.gap, "apart": result.apart, "seconds": costs["seconds"]}
            )
            if solved(result):
                return True
    return False


def measure(session: Session, ladder: Any, repeat: int, errors: Any = None) -> Result:
    """Return what a library does with a problem; never raises for what the library does.

    Runs are repeated until there are `repeat` of them or they took twice the cap together.
    """
    problem = session.problem
    result = Result(session.library, problem.case)
    bounds = Bounds(problem)
    try:
        with session:
            result.versions = session.start()
            if not climb(session, ladder, bounds, errors, result):
                result.status, result.reason = "missed", f"gap at its tightest, tol={result.tol}"
                return result
            with tempfile.TemporaryDirectory() as folder:
                while len(result.runs) < repeat and _total(result) < 2.0 * session.cap:
                    result.runs.append(session.fit(result.tol, Path(folder) / "again.npz"))
            result.status = "reached"
    except (Over, ValueError, BrokenPipeError) as error:
        result.status, result.reason = "over", str(error)
    return result


def _total(result: Result) -> float:
    return sum(run["seconds"] for run in result.runs)
