"""A round of screening: which problems and columns it takes, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskreg._pages import rows_in_use, zeros
from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .protocols import SelectiveDatafit
from .results import Candidates, Solution
from .screening_state import ScreeningState
from .working_set import entry_alpha

#: Columns that a round may add at least.
LEAST_NEW = 1000
#: The same for a lone problem on data in memory, for each root of the number of columns: a Gram
#: matrix of so many columns costs about as much as a pass, and more of them would cost more.
NEW_IN_MEMORY = 2.0
FEWEST_NEW, MOST_NEW = 300, 600
#: ... and that it may add beside twice those that violate their conditions.
SOME = 50


@dataclass(frozen=True)
class Limits:
    """How much a round may take: columns in memory, columns with Gram matrices, problems."""

    columns: int
    gram_columns: int
    problems: int


@dataclass(frozen=True)
class Round:
    """What a round takes.

    Attributes
    ----------
    problems : array of int
    used : array of bool, shape (n_features,)
        Columns that they use so far, and those without a penalty.
    most : int
        Columns that may be taken in all.
    full : bool
        The columns in use leave no room: these problems cannot be solved.
    """

    problems: npt.NDArray[np.intp]
    used: npt.NDArray[np.bool_]
    most: int
    full: bool = False


def next_round(
    state: ScreeningState, penalty: ElasticNet, n_features: int, limits: Limits
) -> Round:
    """Return the problems of the next round, of as many paths as leave room for new columns.

    Within the columns of Gram matrices where those in use leave half of them free, else within
    what memory holds, at last only the next problem of each path.  Where even the first of these
    leaves no room, its path ends here with all its problems.
    """
    free, alpha, memory = penalty.is_free(n_features), penalty.alpha, limits.columns
    small = min(memory, limits.gram_columns)
    n_paths = len(np.unique(state.paths.which))
    longest = min(state.length, max(1, limits.problems // n_paths))
    for length, most, share in ((longest, small, 0.5), (longest, memory, 1.0)):
        turn = _affordable(state, state.paths.next_problems(alpha, length), free, most, limits)
        if turn.used.sum() <= share * (most - 1) or most >= n_features:
            return turn
    turn = _affordable(state, state.paths.next_problems(alpha, 1), free, memory, limits)
    if turn.used.sum() < memory:
        return turn
    rest = np.flatnonzero(state.paths.which == state.paths.which[turn.problems[0]])
    rest = rest[np.argsort(-alpha[rest], kind="stable")[: limits.problems]]
    return Round(
        np.sort(rest), _largest(turn.used, state.coef[..., rest], memory), memory, full=True
    )


def _affordable(
    state: ScreeningState,
    chosen: npt.NDArray[np.intp],
    free: npt.NDArray[np.bool_],
    most: int,
    limits: Limits,
) -> Round:
    """Take the problems of as many paths as leave half of the columns for new ones, at least those
    of one path."""
    used, kept = free, np.zeros(len(chosen), dtype=bool)
    own = state.paths.which[chosen]
    for path in np.unique(own):
        here = own == path
        union = used | (state.coef[..., chosen[here]] != 0.0).any(axis=(1, 2))
        many = int((kept | here).sum()) > limits.problems
        if kept.any() and (many or 2 * int(union.sum()) > most):
            break
        used, kept = union, kept | here
    return Round(chosen[kept], used, most)


def _largest(used: npt.NDArray[np.bool_], coef: Float, most: int) -> npt.NDArray[np.bool_]:
    """Return as many of the used columns as fit, those with the largest coefficients."""
    size = np.where(used, np.abs(coef).max(axis=(1, 2)), -1.0)
    kept = np.zeros_like(used)
    kept[np.argsort(-size, kind="stable")[: min(most, int(used.sum()))]] = True
    return kept


def least_new(datafit: SelectiveDatafit, state: ScreeningState, alpha: Float, turn: Round) -> int:
    """Return the columns that a round may add, however few are in use.

    Of a lone problem that few columns violate now no more than as many again, and some.
    """
    if len(turn.problems) > 1 or not getattr(datafit, "resident", False):
        return LEAST_NEW
    new = int(NEW_IN_MEMORY * datafit.n_features**0.5)
    [problem] = turn.problems.tolist()
    entry = state.entry[:, state.paths.which[problem]]
    violated = int(np.count_nonzero((entry > alpha[problem]) & ~turn.used))
    return min(max(new, FEWEST_NEW), MOST_NEW, 2 * violated + SOME)


def limited(
    turn: Round, wanted: Float, new: int, before: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return the columns in use and the best of those that are wanted, ``wanted`` high first.

    At most ``new`` of them; those ``before`` are taken again where they hold all of these.
    """
    room = max(0, min(new, turn.most - int(turn.used.sum())))
    score = np.where(turn.used, -np.inf, wanted)
    columns = turn.used | _highest(score, room)
    # A gather that is at hand and holds them all is better than a smaller one.
    at_hand = (before | ~columns).all() and 0 < np.count_nonzero(before) <= turn.most
    return before if at_hand else columns


def _highest(score: Float, most: int) -> npt.NDArray[np.bool_]:
    """Return the columns of the highest scores above zero, of equal ones the first."""
    chosen = score > 0.0
    if np.count_nonzero(chosen) <= most:
        return chosen
    if not most:
        return np.zeros_like(chosen)
    least = np.partition(score, -most)[-most]
    chosen = score > least
    chosen[np.flatnonzero(score == least)[: most - np.count_nonzero(chosen)]] = True
    return chosen


def pool_of(
    state: ScreeningState, alpha: Float, columns: npt.NDArray[np.bool_], most: int
) -> npt.NDArray[np.bool_]:
    """Return the columns to hold in memory for this round and others.

    The pool at hand where it has all of them, else these and, up to half of what memory holds,
    those with the largest gradients beside the alphas to come, whether they are wanted yet or not.
    """
    if (state.pool | ~columns).all():
        return state.pool
    score = np.zeros(len(columns))
    for path in np.unique(state.paths.which):
        smallest = alpha[state.paths.which == path].min()
        score = np.maximum(score, state.entry[:, path] / smallest)
    everyone = np.arange(len(alpha))
    turn = Round(everyone, columns, most // 2)
    return limited(turn, score, most, np.zeros_like(columns))


def seen_from(
    state: ScreeningState,
    penalty: ElasticNet,
    chosen: npt.NDArray[np.intp],
    grad: Float,
    done: npt.NDArray[np.bool_],
) -> tuple[Float, Float]:
    """Entry alphas of each path from its smallest certified alpha, else from the first tried.

    Columns that violate the conditions of a problem that was not certified enter for certain.
    """
    entry, reached = state.entry.copy(), state.reached.copy()
    own = state.paths.which[chosen]
    for path in np.unique(own):
        here = np.flatnonzero(own == path)
        here = here[np.argsort(-penalty.alpha[here], kind="stable")]
        prefix = here[np.cumprod(done[here]).astype(bool)]
        last = prefix[-1] if prefix.size else here[0]
        entry[:, path], reached[path] = _entry_of(penalty, grad, last), penalty.alpha[last]
        for missed in here[~done[here]]:
            short = _entry_of(penalty, grad, missed) > penalty.alpha[missed]
            entry[short, path] = np.maximum(entry[short, path], reached[path])
    return entry, reached


def _entry_of(penalty: ElasticNet, grad: Float, column: int) -> Float:
    # One at a time: gradients of many columns and problems take more than the solutions.
    return entry_alpha(penalty.take([column]), grad[..., [column]])[:, 0]


def passed_on(
    state: ScreeningState,
    alpha: Float,
    chosen: npt.NDArray[np.intp],
    coef: Float,
    intercept: Float,
) -> tuple[Float, Float]:
    """Keep the solutions of a round; problems to come start from the nearest larger alpha."""
    rows, held_intercept = rows_in_use(state.coef, coef), state.intercept.copy()
    part = state.coef[rows]
    part[..., chosen], held_intercept[:, chosen] = coef[rows], intercept
    own = state.paths.which[chosen]
    for path in np.unique(own):
        tried = chosen[own == path]
        last = tried[np.argmin(alpha[tried])]
        later = np.flatnonzero((state.paths.which == path) & (alpha < alpha[last]))
        part[..., later] = part[..., [last]]
        held_intercept[:, later] = held_intercept[:, [last]]
    held = zeros(state.coef.shape)
    held[rows] = part
    return held, held_intercept


def unmoved(
    state: ScreeningState,
    chosen: npt.NDArray[np.intp],
    coef: Float,
    intercept: Float,
    working: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Whether a round has left each chosen problem where it was, with no other columns to try."""
    if not np.array_equal(working, state.working):
        return np.zeros(len(chosen), dtype=bool)
    rows = rows_in_use(state.coef, coef)
    same = (coef[rows] == state.coef[rows][..., chosen]).all(axis=(0, 1))
    return np.asarray(same & (intercept == state.intercept[:, chosen]).all(axis=0))


def proven_within(
    state: ScreeningState, chosen: npt.NDArray[np.intp], columns: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Whether all columns that each chosen problem may use are among these."""
    known = [state.survivors.get(problem) for problem in chosen.tolist()]
    return np.array([own is not None and bool(columns[own].all()) for own in known])


def found_on(coef: Float, solution: Solution) -> Candidates:
    """What the solver of a round has found, ``coef`` over all columns, with bounds that hold on
    some."""
    bound = solution.objective - solution.dual_gap
    return Candidates(coef, solution.intercept, solution.objective, bound, solution.violation)


def replaced(found: Candidates, seen: Candidates, places: npt.NDArray[np.intp]) -> Candidates:
    """What was found, with what a pass has seen at some places."""
    if len(places) == len(found.objective):
        return seen
    # The coefficients are those that were looked at.
    parts = [found.coef, found.intercept]
    for name in ("objective", "bound", "violation"):
        values = getattr(found, name).copy()
        values[places] = getattr(seen, name)
        parts.append(values)
    return Candidates(*parts)


def spread(
    found: Candidates, chosen: npt.NDArray[np.intp], held: tuple[Float, Float]
) -> Candidates:
    """Candidates of all problems; of those that waited nothing new is known.

    ``held`` are coefficients and intercepts of all, those of the chosen ones as they were found.
    """
    coef, intercept = held
    n_problems = coef.shape[-1]
    objective, violation = np.full(n_problems, np.inf), np.full(n_problems, np.inf)
    bound = np.full(n_problems, -np.inf)
    objective[chosen], bound[chosen] = found.objective, found.bound
    violation[chosen] = found.violation
    return Candidates(coef, intercept, objective, bound, violation)
