"""More problems than memory holds: slices of the batch, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.design.host import format_bytes
from daskreg.events import current_log, ended_by
from daskreg.exceptions import MemoryPlanError, WorkersLostError
from daskreg.problems import Problems
from daskreg.solvers import Solution, Status

Places = npt.NDArray[np.intp]
Plan = TypeVar("Plan")


def largest_slice(plan: Callable[[int], Plan], n_problems: int) -> tuple[int, Plan]:
    """Return how many problems fit at once, all of them, or a half, a quarter ..., and their plan.

    Parameters
    ----------
    plan : callable
        Makes the plan for so many problems; raises ``MemoryPlanError`` where it does not fit.

    Raises
    ------
    MemoryPlanError
        That of a lone problem, with the need of all of them as a note, where not even one fits.
    """
    size, refused = n_problems, list[MemoryPlanError]()
    while True:
        try:
            return size, plan(size)
        except MemoryPlanError as error:
            refused.append(error)
        if size == 1:
            break
        size = -(-size // 2)
    whole, one = refused[0], refused[-1]
    if n_problems == 1 or whole.limit is None:
        raise one
    both = MemoryPlanError(
        f"{one}; that is for one problem at a time, all {n_problems} together ask for a "
        f"memory_limit of {format_bytes(whole.limit)}"
    )
    both.limit = one.limit
    raise both


def path_numbers(problems: Problems) -> Places:
    """Return the path of each problem, (K,): equal where all but alpha is."""
    axes = problems.fold, problems.bootstrap, problems.output, problems.l1_ratio
    kinds = list(zip(*(np.asarray(axis).tolist() for axis in axes), strict=True))
    number = {kind: place for place, kind in enumerate(sorted(set(kinds)))}
    return np.array([number[kind] for kind in kinds], dtype=np.intp)


def cut(problems: Problems, size: int) -> list[Places]:
    """Return slices of at most ``size`` problems, even ones, the largest alphas of each path first.

    Paths advance together, so that every problem but the first of a path has a solved neighbour.
    """
    path, n_problems = path_numbers(problems), problems.n_problems
    order = np.lexsort((-problems.alpha, path))
    starts = np.r_[True, path[order][1:] != path[order][:-1]]
    first = np.maximum.accumulate(np.where(starts, np.arange(n_problems), 0))
    rank = np.empty(n_problems, dtype=np.intp)
    rank[order] = np.arange(n_problems) - first
    by_rank = np.lexsort((path, rank))
    return [np.sort(part) for part in np.array_split(by_rank, -(-n_problems // size))]


def solve_slices(
    run: Callable[[Places, Any], Solution],
    problems: Problems,
    slices: Sequence[Places],
    start: Any,
    untried: Callable[[Places, Any, Status], Solution] | None = None,
    spent: Callable[[], Status | None] = lambda: None,
) -> Solution:
    """Solve slice by slice; a problem starts from the nearest larger alpha of its path.

    Parameters
    ----------
    run : callable
        Solves the problems at these places from a start, None or (coef, intercept).
    problems : Problems
    slices : sequence of ndarray of int
        As :func:`cut` makes them.
    start : None or (coef, intercept)
        Where problems begin that have no neighbour, problems on the last axis.
    untried : callable
        The solution, with this status, of problems at these places that stay at their start.
    spent : callable
        What has run out, after which no slice is begun.

    Returns
    -------
    Solution
        Of all problems; those after an interruption, or after passes or time have run out, have
        the status of it, and their start.
    """
    path = path_numbers(problems)
    latest: dict[int, tuple[Float, Float]] = {}
    parts: list[Solution] = []
    why: Status | None = None
    for own in slices:
        begin = _start(own, path, latest, start)
        why = why or (spent() if parts else None)
        if why is None:
            try:
                found = run(own, begin)
            except (KeyboardInterrupt, WorkersLostError) as error:
                # Before the first pass over this slice had ended.
                if untried is None or not parts or not ended_by(error):
                    raise
                why = Status.INTERRUPTED
            else:
                if current_log().interrupted or Status.INTERRUPTED in found.status:
                    why = Status.INTERRUPTED
                parts.append(found)
                for place in np.argsort(-problems.alpha[own], kind="stable").tolist():
                    latest[int(path[own[place]])] = (
                        found.coef[..., place],
                        found.intercept[..., place],
                    )
                continue
        assert untried is not None
        parts.append(untried(own, begin, why))
    return Solution.joined(parts, slices)


def _start(
    own: Places, path: Places, latest: dict[int, tuple[Float, Float]], start: Any
) -> tuple[Float, Float] | None:
    """Return where the problems of a slice begin; None: at the null model."""
    known = [latest.get(int(path[problem])) for problem in own]
    if start is None and any(pair is None for pair in known):
        return None
    pairs = [
        (start[0][..., problem], start[1][..., problem]) if pair is None else pair
        for problem, pair in zip(own, known, strict=True)
    ]
    coef, intercept = zip(*pairs, strict=True)
    return np.stack(coef, axis=-1), np.stack(intercept, axis=-1)
