"""Early stopping: the loss on held-out rows decides when a fit ends, and which iterate is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from daskreg._typing import Float
from daskreg.datafit import Datafit
from daskreg.datafit.kernels.scores import ScoreKernel
from daskreg.datafit.scores import score_columns
from daskreg.design.work import Beside
from daskreg.penalties import ElasticNet
from daskreg.problems import Problems
from daskreg.solvers import QuasiNewton, Solver

from .held_apart import HELD_OUT, TRAINING, HoldOut, PairedDatafit
from .settings import Fitted, Settings

#: Share of the memory that other rows may take between passes; more of them are read each time.
MOST_KEPT = 1 / 8


class Watch:
    """Scores the latest iterate on held-out rows, after each iteration, and remembers the best.

    As a callback it asks for an end after ``patience`` iterations without a better score.

    Parameters
    ----------
    validation : float or Design
        A fraction of the rows, which is left out of the training rows and costs no pass: the same
        pass that evaluates an iterate sums its loss over them.  Or a design: each iteration costs
        one pass over its rows.
    patience : int

    Attributes
    ----------
    scores : list of float
        Mean loss of each iterate; NaN where it was not evaluated.
    best : int
        Which iterate is kept.
    """

    def __init__(self, validation: Any, patience: int) -> None:
        self.validation = validation
        self.patience = patience
        self.scores: list[float] = []
        self.best = -1
        self._coef: Float | None = None
        self._intercept: Float | None = None
        self._objective = np.inf

    def settings(self, settings: Settings) -> Settings:
        """Settings with this watch, and with the held-out rows as a problem of their own.

        Raises
        ------
        ValueError
            Several problems; a solver that has no iterations to stop at.
        """
        problems = settings.problems
        if problems.n_problems != 1:
            raise ValueError(
                f"validation= watches one problem, y has {problems.n_problems} targets: fit each "
                "by itself"
            )
        solver = settings.solver
        if getattr(solver, "name", solver) == "gram":
            raise ValueError(
                "solver='gram' solves in memory: there is no iteration to stop at; use "
                "'fista' or 'quasi_newton' with validation="
            )
        if solver == "auto" and not settings.loss.is_classifier:
            settings = replace(settings, solver="fista")
        if not isinstance(self.validation, float):
            settings = replace(settings, beside=planned(self.validation, settings.loss))
        else:
            pair = Problems(
                np.repeat(problems.alpha, 2),
                np.repeat(problems.l1_ratio, 2),
                np.repeat(problems.output, 2),
                fold=np.array([TRAINING, HELD_OUT]),
                alpha_unit=problems.alpha_unit,
            )
            settings = replace(settings, problems=pair, folds=HoldOut(self.validation))
        return replace(settings, watch=self, callbacks=(*settings.callbacks, self))

    def attached(
        self, solver: Solver, datafit: Datafit, penalty: ElasticNet
    ) -> tuple[Solver, Datafit, ElasticNet]:
        """A solver that reports its iterates, and what it is to solve."""
        if isinstance(solver, QuasiNewton):
            solver = replace(solver, thorough=False)
        if isinstance(self.validation, float):
            datafit, penalty = PairedDatafit.of(datafit), penalty.take([TRAINING])
        return Watched(solver, self), datafit, penalty

    def note(self, datafit: Datafit, candidates: Any) -> None:
        """Score the latest iterate."""
        coef, intercept = candidates.coef, candidates.intercept
        if isinstance(datafit, PairedDatafit):
            score = datafit.held_out_loss(coef, intercept)
        else:
            score = self._scored(datafit, *datafit.to_original(coef, intercept))
        known = [one for one in self.scores if not np.isnan(one)]
        self.scores.append(score)
        if not np.isnan(score) and (not known or score < min(known)):
            self.best = len(self.scores) - 1
            self._coef, self._intercept = coef.copy(), intercept.copy()
            self._objective = float(candidates.objective[0])

    def _scored(self, datafit: Datafit, coef: Float, intercept: Float) -> float:
        labels = datafit.first().labels
        found = score_columns(
            self.validation, datafit.loss, coef, intercept, metrics=("loss",), labels=labels
        )
        return float(found["loss"][0])

    @property
    def bytes_read(self) -> int:
        """Bytes that other rows were read for."""
        return 0 if isinstance(self.validation, float) else int(self.validation.bytes_read)

    def close(self) -> None:
        """Let go of the rows that were opened for this."""
        if not isinstance(self.validation, float):
            self.validation.close()

    def on_iteration(self, event: Any) -> bool:
        """Whether the last iterates brought nothing."""
        return self.best >= 0 and len(self.scores) - 1 - self.best >= self.patience

    def snapshot(self) -> dict[str, Any]:
        """What a fit that goes on later has to know."""
        kept = self.scores, self.best, self._coef, self._intercept, self._objective
        names = "scores", "best", "coef", "intercept", "objective"
        return dict(zip(names, (list(kept[0]), *kept[1:]), strict=True))

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.scores, self.best = list(snapshot["scores"]), int(snapshot["best"])
        self._coef, self._intercept = snapshot["coef"], snapshot["intercept"]
        self._objective = float(snapshot["objective"])

    def chosen(self, fitted: Fitted) -> Fitted:
        """The fit with the iterate that was best on the held-out rows, and its own gap."""
        solution, datafit = fitted.solution, fitted.datafit
        if self._coef is None or self._intercept is None:
            return fitted
        gap = solution.dual_gap + (self._objective - solution.objective)
        kept = replace(
            solution,
            coef=self._coef,
            intercept=self._intercept,
            objective=np.array([self._objective]),
            dual_gap=gap,
            relative_gap=gap / np.asarray(datafit.null_value),
            violation=np.where(self._objective > solution.objective, np.nan, solution.violation),
        )
        coef, intercept = datafit.to_original(kept.coef, kept.intercept)
        return replace(
            fitted,
            solution=kept,
            coef=np.ascontiguousarray(coef[:, 0, :].T),
            intercept=np.ascontiguousarray(intercept[0]),
        )


def planned(rows: Any, loss: Any) -> Beside:
    """Plan the passes over other rows; return what the fit has to leave for them.

    Parameters
    ----------
    rows : Design
    loss : PointwiseLoss or LogLoss

    Raises
    ------
    MemoryPlanError
        Where they do not fit even by themselves.
    """
    kernel, p = ScoreKernel(loss, ("loss",)), rows.n_features
    needs = kernel.partial_nbytes(p, 1), kernel.temporaries(p, 1, rows.dtype, rows.sparse)
    plan = rows.prepare(None, *needs, note="rows to validate on")
    if plan.bytes_streamed or plan.beside.kept > MOST_KEPT * plan.usable:
        plan = rows.prepare(1, *needs, note="rows to validate on, read in each pass")
    found: Beside = plan.beside
    return found


class Watched(Solver):
    """A solver whose iterates are looked at."""

    def __init__(self, solver: Solver, watch: Watch) -> None:
        self.solver, self.watch = solver, watch
        self.name = solver.name  # type: ignore[misc]

    def check(self, datafit: Any, penalty: ElasticNet) -> None:
        self.solver.check(datafit, penalty)

    def prepare(self, datafit: Any) -> None:
        self.solver.prepare(datafit)

    def init(self, datafit: Any, penalty: ElasticNet, start: Any, goal: Any) -> Any:
        state = self.solver.init(datafit, penalty, start, goal)
        self.watch.note(datafit, state.candidates)
        return state

    def step(self, datafit: Any, penalty: ElasticNet, state: Any) -> Any:
        state = self.solver.step(datafit, penalty, state)
        self.watch.note(datafit, state.candidates)
        return state
