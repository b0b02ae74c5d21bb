"""Which solver: the choice that ``solver="auto"`` makes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daskreg.solvers import QuasiNewton
from daskreg.solvers.models import default_rows

from .costs import Costs

#: Above this the p x p Gram matrix costs more than the passes it saves.
MAX_GRAM_FEATURES = 4096
#: Up to this it costs next to nothing, however few the rows.
NARROW = 512
#: The same as a metric: its inner problems cost a factorisation for each problem and pass.
MAX_METRIC_FEATURES = 2048
#: Coefficients of coupled classes up to which a sampled Hessian couples them all.
MAX_COUPLED = 3000
#: Problems up to which rows that a sample holds all of are the metric: each has a Hessian of its
#: own, and steps are Newton's.
FEW_PROBLEMS = 16
#: Steps of coupled classes on a Gram matrix after which rows are known to differ much: of those
#: that differ less, problems end in 10 to 20.
PATIENCE = 20
#: A class with a smaller share of the rows is rare: one mean curvature does not describe it.
RARE = 0.02


@dataclass(frozen=True)
class Choice:
    """A solver's name, or the solver itself, with the sentence that the plan shows.

    Attributes
    ----------
    name : {'gram', 'fista', 'quasi_newton', 'sampled_newton', 'screening'} or a class name
    reason : str
    fallback : bool
        Whether a solver with a Gram matrix may give way to FISTA when its plan does not fit.
    solver : object or None
        What the user passed in, where it was no name, or a solver with settings of its own.
    """

    name: str
    reason: str
    fallback: bool = False
    solver: Any = None

    @property
    def method(self) -> str:
        """Name of the method, also of a solver that was given."""
        if getattr(self.solver, "metric", None) == "sample":
            return "sampled_newton"
        return str(getattr(self.solver, "name", self.name))

    @property
    def sentence(self) -> str:
        """For the plan."""
        return f"solver {self.name}: {self.reason}"


@dataclass(frozen=True)
class Task:
    """What the choice depends on.

    Attributes
    ----------
    quadratic : bool
        Of the loss.
    n_features : int
    n_samples : int or None
        None: not known yet.
    n_problems : int
    has_l1 : bool
        Whether every problem leaves columns out.
    watched : bool
        Whether its iterates are looked at, to stop at the best of them.
    """

    quadratic: bool
    n_features: int
    n_samples: int | None = None
    n_problems: int = 1
    has_l1: bool = False
    watched: bool = False

    @classmethod
    def of(cls, design: Any, settings: Any) -> Task:
        """What is asked of the rows of a design."""
        problems = settings.problems
        return cls(
            not settings.loss.is_classifier,
            design.n_features,
            design.n_samples,
            problems.n_problems,
            bool((problems.l1_ratio > 0.0).all() and (problems.alpha > 0.0).all()),
            settings.watch is not None,
        )

    @property
    def wide(self) -> bool:
        """Whether there are more columns than rows."""
        return self.n_samples is not None and self.n_features > self.n_samples


def choose(asked: Any, task: Task) -> Choice:
    """Choose by the loss, the penalties and the numbers of columns and, if known, of rows.

    Raises
    ------
    ValueError
        The Gram solver is asked for a loss that is not quadratic.
    """
    if not isinstance(asked, str):
        return Choice(type(asked).__name__, "the solver that was given", solver=asked)
    if asked == "gram" and not task.quadratic:
        raise ValueError(
            "solver='gram' needs a squared loss: the Gram matrix does not determine this one; "
            "use solver='auto', 'quasi_newton' or 'fista'"
        )
    if asked != "auto":
        return Choice(asked, "asked for")
    most = MAX_GRAM_FEATURES if task.quadratic else MAX_METRIC_FEATURES
    if task.n_features > most or (task.wide and task.n_features > NARROW):
        return _without_gram(task, most)
    if task.quadratic:
        reason = f"squared loss, {task.n_features} columns: one pass suffices"
        return Choice("gram", reason, fallback=True)
    return _for_curved_loss(task)


def _without_gram(task: Task, most: int) -> Choice:
    why = "more columns than rows" if task.wide else f"a Gram matrix pays up to {most}"
    if task.has_l1:
        reason = f"{task.n_features} columns ({why}): solved on those in use, checked on all"
        return Choice("screening", reason, fallback=True)
    return Choice("fista", f"{task.n_features} columns: {why}")


def _for_curved_loss(task: Task) -> Choice:
    rows, p = task.n_samples, task.n_features
    few = rows is not None and rows <= default_rows(p) and task.n_problems <= FEW_PROBLEMS
    # Newton's first step goes beyond all that is worth stopping at.
    if (
        few
        and not task.watched
        and Costs.of(rows or 0, p, rows or 0, task.n_problems).favour_sample
    ):
        reason = f"{task.n_samples} rows are kept in memory: their Hessian is the metric"
        return Choice("sampled_newton", reason, fallback=True)
    reason = (
        f"{task.n_features} columns: a Gram matrix from the first pass is the metric of all steps"
    )
    return Choice("quasi_newton", reason, fallback=True)


def for_classes(
    choice: Choice,
    *,
    n_outputs: int,
    n_features: int,
    class_count: Any,
    weighted: bool,
    costs: Costs,
    n_problems: int = 1,
    watched: bool = False,
) -> Choice:
    """Return the choice again, now that the classes in y are known.

    Where rows differ much, a sampled Hessian spares passes, if these cost more than it does.  Else
    it serves the few problems that are slow without it.

    Parameters
    ----------
    choice : Choice
    n_outputs, n_features : int
    class_count : ndarray of int, shape (n_classes,)
        Rows of each class.
    weighted : bool
        Whether classes have weights of their own.
    costs : Costs
        Of a pass and of sampled Hessians with so many outputs.
    n_problems : int
    watched : bool
        As of a task.
    """
    if choice.name not in ("quasi_newton", "sampled_newton") or not choice.fallback:
        return choice
    n_coupled = n_outputs * n_features
    if n_outputs > 1:
        classes = f"{n_outputs} coupled classes"
        if n_coupled <= MAX_COUPLED and costs.favour_sample and not watched:
            reason = f"{classes}: the Hessian of rows in memory is the metric, {costs.sentence}"
            return Choice("sampled_newton", reason, fallback=True)
        reason = f"{classes}: a Gram matrix times their mean Hessian is the metric"
        patient = QuasiNewton(patience=PATIENCE) if n_problems <= FEW_PROBLEMS else None
        return Choice("quasi_newton", reason, fallback=True, solver=patient)
    share = class_count.min() / class_count.sum()
    rare = weighted and share < RARE and choice.name == "quasi_newton"
    if rare and costs.favour_sample and not watched:
        reason = (
            f"a class has {share:.2%} of the rows: the Hessian of rows in memory is the metric, "
            f"{costs.sentence}"
        )
        return Choice("sampled_newton", reason, fallback=True)
    return choice
