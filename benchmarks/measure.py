"""One library on one case: climb its tolerances to the gap, then the median of several runs."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cases import Problem
from evaluate import Bounds, judge
from session import Over, Session

#: Relative gap that counts as solved.
GAP = 1e-6
#: Held-out errors of a cross-validation, relative to those of the reference, that count as equal.
APART = 1e-4


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
        path = found.get("errors")
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
