"""Which solver: the choice that ``solver="auto"`` makes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Above this the p x p Gram matrix costs more than the passes it saves.
MAX_GRAM_FEATURES = 4096
#: The same as a metric: its inner problems cost a factorisation for each problem and pass.
MAX_METRIC_FEATURES = 2048
#: Coefficients of coupled classes up to which quasi-Newton takes them.
MAX_COUPLED = 0


@dataclass(frozen=True)
class Choice:
    """A solver's name, or the solver itself, with the sentence that the plan shows.

    Attributes
    ----------
    name : {'gram', 'fista', 'quasi_newton'} or a solver's class name
    reason : str
    fallback : bool
        Whether a solver with a Gram matrix may give way to FISTA when its plan does not fit.
    solver : object or None
        What the user passed in, where it was no name.
    """

    name: str
    reason: str
    fallback: bool = False
    solver: Any = None

    @property
    def method(self) -> str:
        """Name of the method, also of a solver that was given."""
        return str(getattr(self.solver, "name", self.name))

    @property
    def sentence(self) -> str:
        """For the plan."""
        return f"solver {self.name}: {self.reason}"


def choose(asked: Any, *, quadratic: bool, n_features: int, n_samples: int | None = None) -> Choice:
    """Choose by the loss (quadratic or not) and the numbers of columns and, if known, of rows.

    Raises
    ------
    ValueError
        The Gram solver is asked for a loss that is not quadratic.
    """
    if not isinstance(asked, str):
        return Choice(type(asked).__name__, "the solver that was given", solver=asked)
    if asked == "gram" and not quadratic:
        raise ValueError(
            "solver='gram' needs a squared loss: the Gram matrix does not determine this one; "
            "use solver='auto', 'quasi_newton' or 'fista'"
        )
    if asked != "auto":
        return Choice(asked, "asked for")
    if not quadratic:
        return _for_curved_loss(n_features, n_samples)
    if n_features > MAX_GRAM_FEATURES:
        return Choice(
            "fista", f"{n_features} columns: a Gram matrix pays up to {MAX_GRAM_FEATURES}"
        )
    return Choice("gram", f"squared loss, {n_features} columns: one pass suffices", fallback=True)


def for_classes(choice: Choice, *, n_outputs: int, n_features: int) -> Choice:
    """Return the choice again, now that y was found to hold more than two classes."""
    n_coupled = n_outputs * n_features
    if choice.name != "quasi_newton" or not choice.fallback or n_coupled <= MAX_COUPLED:
        return choice
    return Choice("fista", f"{n_outputs} coupled classes, {n_coupled} coefficients")


def _for_curved_loss(n_features: int, n_samples: int | None) -> Choice:
    if n_features > MAX_METRIC_FEATURES:
        return Choice(
            "fista",
            f"{n_features} columns: a Gram matrix as metric pays up to {MAX_METRIC_FEATURES}",
        )
    if n_samples is not None and n_samples < n_features:
        return Choice("fista", "fewer rows than columns: a Gram matrix costs more than passes")
    reason = f"{n_features} columns: a Gram matrix from the first pass is the metric of all steps"
    return Choice("quasi_newton", reason, fallback=True)
