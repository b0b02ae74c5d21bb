"""Which solver: the choice that ``solver="auto"`` makes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Above this the p x p Gram matrix costs more than the passes it saves.
MAX_GRAM_FEATURES = 4096


@dataclass(frozen=True)
class Choice:
    """A solver's name, or the solver itself, with the sentence that the plan shows.

    Attributes
    ----------
    name : {'gram', 'fista'} or a solver's class name
    reason : str
    fallback : bool
        Whether the Gram solver may give way to FISTA when its plan does not fit.
    solver : object or None
        What the user passed in, where it was no name.
    """

    name: str
    reason: str
    fallback: bool = False
    solver: Any = None

    @property
    def sentence(self) -> str:
        """For the plan."""
        return f"solver {self.name}: {self.reason}"


def choose(asked: Any, *, quadratic: bool, n_features: int) -> Choice:
    """Choose by the loss (quadratic or not) and the number of columns.

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
            "use solver='auto' or 'fista'"
        )
    if asked != "auto":
        return Choice(asked, "asked for")
    if not quadratic:
        return Choice("fista", "the loss is not quadratic")
    if n_features > MAX_GRAM_FEATURES:
        return Choice(
            "fista", f"{n_features} columns: a Gram matrix pays up to {MAX_GRAM_FEATURES}"
        )
    return Choice("gram", f"squared loss, {n_features} columns: one pass suffices", fallback=True)
