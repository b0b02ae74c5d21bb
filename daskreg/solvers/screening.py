"""Many columns, few of them active: solve on working sets, check all columns once a round."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._pages import release, rows_in_use, taken, zeros
from daskreg._typing import Float
from daskreg.exceptions import CompatibilityError
from daskreg.penalties import ElasticNet

from .base import Solver
from .gap_safe import is_covered, may_be_active
from .protocols import SelectiveDatafit, require
from .reach import FIRST_LAG, learned_lag, within_reach
from .results import Candidates, Goal
from .round_solver import (
    aim_of,
    factored_columns,
    first_length,
    gram_of_all,
    inner_solver,
    solve_round,
)
from .rounds import (
    Limits,
    Round,
    found_on,
    least_new,
    limited,
    next_round,
    passed_on,
    pool_of,
    proven_within,
    replaced,
    seen_from,
    spread,
    unmoved,
)
from .screening_state import ScreeningState
from .start import candidates_at, start_point
from .working_set import Paths, entry_alpha, wanted_columns

#: Gram matrices up to so many columns are small, one for each weighting of the rows.
MOST_GRAM = 2048
#: Bytes that the rows of a round may take instead, where they are few.
ROW_BYTES = 2**28
#: Bytes of such rows that several problems may add at once, in any case: their passes cost more
#: than columns that wait for later rounds.
AHEAD_BYTES = 3 * 2**24
#: Share of all columns above which a lone problem of data in memory goes on with all of them.
MOST_OF_ALL = 0.5


@dataclass(frozen=True)
class BatchScreening(Solver):
    r"""Paths over many columns: some alphas a round on the few columns that they may use.

    A round takes the next ``length`` alphas of every path (problems that differ by alpha alone)
    and a working set: the columns in use and those which, by the last gradient, may enter first.
    These columns are gathered, the problems solved on them in memory, and one pass over all
    columns evaluates the solutions: their duality gaps certify a problem or name the columns that
    were missing.  Only a small gap rules columns out for good, of lassos on all rows whose columns
    are all penalised (Ndiaye et al.); everything else may come back.

    Of data in memory a round ends early where the columns it has are not likely to suffice for the
    alphas that follow: to solve a problem in vain costs more there than a pass.  For the same
    reason a round of a lone problem goes to a tenth of its gap over all columns while that is large
    or violating columns are left out; one that would take more than half of all columns, too many
    for a Gram matrix, goes on with all of them: on the Gram matrix of a squared loss where these
    are some thousands, rows three times as many, and memory is left, else by FISTA, at a pass a
    step.

    Where storage cannot read columns alone, gathering is a pass: then as many columns as half of
    the room for them holds are gathered at once, those that rounds to come may want first, and
    rounds take theirs from this pool until one wants another column.

    Passes: 1 + one per round, and one more for each pool where storage cannot read columns alone.

    Parameters
    ----------
    length : int, optional
        Alphas of a path in the first round; by default 10, 20 where few rows take the place of Gram
        matrices, or 25 where gathering columns is a pass.
    n_columns : int, optional
        Columns that a round may add; by default as many as are in use, at least 1000, or of a
        lone problem on data in memory 300 to 600, and of one that few columns violate twice these
        and 50.  Of several problems whose few rows take the place of Gram matrices at least 48 MiB
        of such rows.  Never more than memory holds.
    gram_columns : int
        Most columns of a round that is solved with Gram matrices, one for each weighting of the
        rows; what needs more is solved with the rows.
    row_bytes : int
        Bytes that the rows of a round may take, in float64 and for each weighting, where they are
        fewer than its columns: then the squared loss needs no Gram matrices.
    n_problems : int, optional
        Problems of a round at most, but one of some path in any case; by default all that are due.
    inner : Solver, optional
        For the problems of a round.

    References
    ----------
    Qian, Tanigawa, Du, Aguirre, Chang, Tibshirani, Rivas and Hastie (2020), A fast and scalable
    framework for large-scale and ultrahigh-dimensional sparse regression, algorithm 1 (BASIL).
    Tibshirani, Bien, Friedman, Hastie, Simon, Taylor and Tibshirani (2012), Strong rules for
    discarding predictors in lasso-type problems, section 2.
    Ndiaye, Fercoq, Gramfort and Salmon (2017), Gap safe screening rules for sparsity enforcing
    penalties.
    """

    name: ClassVar[str] = "screening"

    length: int | None = None
    n_columns: int | None = None
    gram_columns: int = MOST_GRAM
    row_bytes: int = ROW_BYTES
    n_problems: int | None = None
    inner: Solver | None = None

    def check(self, datafit: Any, penalty: ElasticNet) -> None:
        require("BatchScreening", datafit, ("value_and_grad", "restricted", "most_columns", "take"))
        require("BatchScreening", penalty, ("l1", "violation", "restricted", "take"))
        if not penalty.has_l1.all():
            raise CompatibilityError(
                "BatchScreening cannot use a penalty without an L1 part: it leaves no column out; "
                "use QuasiNewton or Fista"
            )

    def init(
        self,
        datafit: SelectiveDatafit,
        penalty: ElasticNet,
        start: tuple[Float, Float] | None,
        goal: Goal,
    ) -> ScreeningState:
        # A pass over all problems may take more memory than there is: then a start only warms up.
        many = datafit.n_problems > (self.n_problems or datafit.n_problems)
        coef, intercept, evaluation = start_point(datafit, None if many else start)
        paths = Paths.of(datafit, penalty)
        first = paths.representatives
        seen = entry_alpha(penalty.take(first), evaluation.grad[..., first])
        # From the null model a path begins where its first column enters.
        reached = np.maximum(seen.max(axis=0), paths.largest(penalty.alpha))
        length = self.length or first_length(datafit, self.row_bytes)
        telling = seen if getattr(datafit, "quadratic", False) else None
        state = ScreeningState(
            coef=coef,
            intercept=intercept,
            entry=seen,
            reached=reached,
            lag=np.full(paths.n_paths, FIRST_LAG),
            working=np.zeros(datafit.n_features, dtype=bool),
            pool=np.zeros(datafit.n_features, dtype=bool),
            survivors={},
            paths=paths,
            length=length,
            short_of_memory=np.zeros(datafit.n_problems, dtype=bool),
            idle=np.zeros(datafit.n_problems, dtype=np.intp),
            n_iter=np.zeros(datafit.n_problems, dtype=np.intp),
            goal=goal,
            candidates=candidates_at(penalty, coef, intercept, evaluation, telling),
        )
        if start is None or not many:
            return state
        return replace(state, coef=np.array(start[0]), intercept=np.array(start[1]))

    def step(
        self, datafit: SelectiveDatafit, penalty: ElasticNet, state: ScreeningState
    ) -> ScreeningState:
        factored = factored_columns(datafit, self.row_bytes)
        limits = Limits(
            datafit.most_columns,
            max(self.gram_columns, factored),
            self.n_problems or penalty.n_problems,
        )
        turn = next_round(state, penalty, datafit.n_features, limits)
        columns = self._columns(datafit, penalty, state, turn, factored)
        chosen = turn.problems
        resident = getattr(datafit, "resident", False) and not turn.full
        if resident:
            # Where a pass costs little, problems that lack columns cost more than a round.
            chosen = within_reach(state, penalty.alpha, chosen, columns)
        exact = getattr(datafit, "sums_hessians", False)
        pool = working = columns
        part: Any
        gram_columns = self.gram_columns
        if resident and not exact and self._spares_little(columns, chosen, factored):
            # In this round alone: those that follow gather columns, within their limits.
            columns, pool, working = np.ones_like(columns), state.pool, state.working
            part, gram_columns = datafit.take(chosen), gram_of_all(datafit, gram_columns)
        else:
            if not datafit.reads_columns:
                pool = pool_of(state, penalty.alpha, columns, limits.columns)
            part = _held(datafit, pool, columns).take(chosen)
        # What fills the memory is solved to the end: there is no room for what a look would tell.
        # So is what takes Newton's steps: the few that are left cost less than a round.
        roomy = resident and not exact
        roomy = roomy and int(columns.sum()) < min(limits.columns, datafit.n_features)
        aim = aim_of(state, penalty.alpha, chosen, columns) if roomy else 0.0
        solver = self.inner
        if solver is None:
            solver = inner_solver(part, gram_columns, self.row_bytes, exact, aim > 0.0)
        release()  # sums of the last pass, before rows of columns come
        solution = solve_round(solver, part, penalty, state, chosen, columns, aim)
        coef = zeros((datafit.n_features, state.coef.shape[1], len(chosen)))
        used = rows_in_use(solution.coef)
        coef[np.flatnonzero(columns)[used]] = solution.coef[used]
        target = state.goal.tol * state.goal.null_value[chosen]
        proven = proven_within(state, chosen, columns) & (solution.dual_gap <= target)
        looked = np.flatnonzero(~proven)
        found = found_on(coef, solution)
        entry, reached, survivors = state.entry, state.reached, state.survivors
        if looked.size:
            own, one = chosen[looked], penalty.take(chosen[looked])
            at = coef if len(looked) == len(chosen) else taken(coef, looked)
            intercept = solution.intercept[:, looked]
            if resident and not factored and len(looked) == penalty.n_problems:
                # What is not solved by now takes other columns, mostly, and gathers them anew.
                datafit.release_columns()
            release()
            evaluation = datafit.value_and_grad(at, intercept, own, precise=True)
            seen = candidates_at(one, at, intercept, evaluation, None)
            found = replaced(found, seen, looked)
            certified = seen.objective - seen.bound <= target[looked]
            entry, reached = seen_from(state, one, own, evaluation.grad, certified)
            survivors = self._survivors(
                datafit, penalty, state, own, evaluation.grad, seen, certified
            )
        done = found.objective - found.bound <= target
        held, held_intercept = passed_on(state, penalty.alpha, chosen, coef, solution.intercept)
        length = min(2 * state.length, 50) if done.all() else state.length
        if not done.any():
            length = max(1, state.length // 2)
        n_iter, short, idle = state.n_iter.copy(), state.short_of_memory.copy(), state.idle.copy()
        n_iter[chosen] += 1
        still = unmoved(state, chosen, coef, solution.intercept, working)
        idle[chosen] = np.where(still & ~done, idle[chosen] + 1, 0)
        short[chosen] = turn.full & ~done
        return replace(
            state,
            coef=held,
            intercept=held_intercept,
            entry=entry,
            reached=reached,
            lag=learned_lag(state, penalty.alpha, chosen, columns, done),
            working=working,
            pool=pool,
            survivors=survivors,
            length=length,
            short_of_memory=short,
            idle=idle,
            n_iter=n_iter,
            candidates=spread(found, chosen, (held, held_intercept)),
        )

    def _columns(
        self,
        datafit: SelectiveDatafit,
        penalty: ElasticNet,
        state: ScreeningState,
        turn: Round,
        factored: int,
    ) -> npt.NDArray[np.bool_]:
        new = self.n_columns
        if new is None:
            # Where no Gram matrix grows with them, some columns cost less than another round.
            used = int(turn.used.sum())
            several = len(turn.problems) > 1 and datafit.reads_columns
            ahead = min(factored, AHEAD_BYTES // (8 * datafit.n_samples)) if several else 0
            new = max(least_new(datafit, state, penalty.alpha, turn), used, ahead)
        wanted = wanted_columns(
            state.entry, state.reached, state.paths, penalty.alpha, turn.problems
        )
        for problem in turn.problems.tolist():
            own = state.survivors.get(problem, np.empty(0, dtype=np.intp))
            wanted[own], new = np.inf, max(new, len(own))
        if not datafit.reads_columns and not ((wanted > 1.0) & ~state.pool).any():
            # All that must enter is in memory: what only may is not worth a pass.
            wanted = np.where(state.pool, wanted, 0.0)
        return limited(turn, wanted, 0 if turn.full else new, state.working)

    def _spares_little(
        self, columns: npt.NDArray[np.bool_], chosen: npt.NDArray[np.intp], factored: int
    ) -> bool:
        """Whether a lone problem, of data in memory, takes so many columns by gradients that to go
        on with all of them, where they lie, costs less than rounds."""
        by_gradients = self.inner is None and not factored and len(columns) > self.gram_columns
        return by_gradients and len(chosen) == 1 and bool(columns.mean() > MOST_OF_ALL)

    def _survivors(
        self,
        datafit: SelectiveDatafit,
        penalty: ElasticNet,
        state: ScreeningState,
        own: npt.NDArray[np.intp],
        grad: Float,
        seen: Candidates,
        certified: npt.NDArray[np.bool_],
    ) -> dict[int, npt.NDArray[np.intp]]:
        """Columns that may be active, by problem, where so few are left that a round takes them."""
        survivors = {k: v for k, v in state.survivors.items() if k not in own[certified]}
        open_ = np.flatnonzero(~certified & is_covered(datafit, penalty)[own])
        if not open_.size:
            return survivors
        gap = (seen.objective - seen.bound)[open_]
        square = datafit.second_moment
        for place, problem in enumerate(own[open_].tolist()):
            lone, slope = penalty.take([problem]), grad[..., open_[[place]]]
            members = np.flatnonzero(may_be_active(lone, slope, gap[[place]], square)[:, 0])
            if len(members) <= min(self.gram_columns, datafit.most_columns):
                survivors[problem] = members
        return survivors


def _held(
    datafit: SelectiveDatafit, pool: npt.NDArray[np.bool_], columns: npt.NDArray[np.bool_]
) -> Any:
    """The datafit on some columns, from those of a pool that stays in memory."""
    held = datafit.restricted(np.flatnonzero(pool))
    if pool.sum() == columns.sum():
        return held
    held.first()  # gathers the pool, in one pass where it is new
    return held.restricted(np.flatnonzero(columns[pool]))
