"""The batch axis: many problems over the same rows, one column each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ._typing import AnyArray, Float

AlphaUnit = Literal["mean", "sum", "fraction"]
UNITS = ("mean", "sum", "fraction")
#: What is an array with one value per problem.
AXES = ("alpha", "l1_ratio", "output", "fold", "bootstrap")


@dataclass(frozen=True, eq=False)
class Problems:
    """Which problems share a pass: every axis is an array with one value per problem.

    Parameters
    ----------
    alpha : array of shape (n_problems,)
        Strength of the penalty, in ``alpha_unit``.
    l1_ratio : array of shape (n_problems,)
        Share of L1 in the penalty, 0 to 1.
    output : array of int, shape (n_problems,)
        Column of y that the problem explains.
    fold : array of int, shape (n_problems,), optional
        The fold that the problem leaves out; -1, the default, leaves out none.
    bootstrap : array of int, shape (n_problems,), optional
        The resample of the rows that the problem counts; -1, the default, is the rows themselves.
    alpha_unit : {"mean", "sum", "fraction"}
        "mean": the loss is the weighted mean over rows (Lasso, ElasticNet).  "sum": the loss is
        the weighted sum over rows (Ridge; LogisticRegression with alpha = 1 / C).  "fraction":
        a share of the problem's own alpha_max.

    Raises
    ------
    ValueError
        For values outside their range, lengths that differ, or an unknown unit.

    Notes
    -----
    What a fold holds out and how a resample counts its rows is known to the datafit: here both are
    numbers.  Alphas in units of alpha_max refer to that of all rows, whatever the fold.

    Examples
    --------
    >>> problems = Problems.product(alpha=[1.0, 0.1], output=[0, 1])
    >>> problems.alpha
    array([1. , 1. , 0.1, 0.1])
    >>> problems.take([0, 3]).output
    array([0, 1])
    """

    alpha: Float
    l1_ratio: Float
    output: npt.NDArray[np.intp]
    fold: npt.NDArray[np.intp] | None = None
    bootstrap: npt.NDArray[np.intp] | None = None
    alpha_unit: AlphaUnit = "mean"

    def __post_init__(self) -> None:
        if self.alpha_unit not in UNITS:
            raise ValueError(f"alpha_unit must be one of {UNITS}, got {self.alpha_unit!r}")
        axes: dict[str, AnyArray] = {
            "alpha": np.array(self.alpha, dtype=np.float64, ndmin=1),
            "l1_ratio": np.array(self.l1_ratio, dtype=np.float64, ndmin=1),
            "output": np.array(self.output, dtype=np.intp, ndmin=1),
        }
        for name in ("fold", "bootstrap"):
            given = getattr(self, name)
            if given is None:
                axes[name] = np.full(axes["alpha"].shape, -1, dtype=np.intp)
            else:
                axes[name] = np.array(given, dtype=np.intp, ndmin=1)
                _require(name, axes[name], np.inf, least=-1)
        lengths = {name: axis.shape for name, axis in axes.items()}
        if len(set(lengths.values())) != 1 or axes["alpha"].ndim != 1:
            raise ValueError(f"every axis must have one value per problem, got shapes {lengths}")
        _require("alpha", axes["alpha"], np.inf)
        _require("l1_ratio", axes["l1_ratio"], 1.0)
        _require("output", axes["output"], np.inf)
        for name, axis in axes.items():
            axis.flags.writeable = False
            object.__setattr__(self, name, axis)

    @classmethod
    def product(
        cls,
        alpha: npt.ArrayLike = 1.0,
        l1_ratio: npt.ArrayLike = 1.0,
        fold: npt.ArrayLike | None = None,
        output: npt.ArrayLike = 0,
        bootstrap: npt.ArrayLike | None = None,
        alpha_unit: AlphaUnit = "mean",
    ) -> Problems:
        """Every combination of the given values; the last axis varies fastest."""
        given = {
            "alpha": alpha,
            "l1_ratio": l1_ratio,
            "fold": fold,
            "output": output,
            "bootstrap": bootstrap,
        }
        axes = {
            name: np.asarray(axis).reshape(-1) for name, axis in given.items() if axis is not None
        }
        shape = tuple(axis.size for axis in axes.values())
        grid: dict[str, Any] = {}
        for place, (name, axis) in enumerate(axes.items()):
            values = np.empty(shape, dtype=axis.dtype)
            values[...] = axis.reshape(-1, *[1] * (len(shape) - 1 - place))
            grid[name] = values.reshape(-1)
        return cls(**grid, alpha_unit=alpha_unit)

    @classmethod
    def joined(cls, *parts: Problems) -> Problems:
        """The problems of several batches, one after the other; they share ``alpha_unit``."""
        units = {part.alpha_unit for part in parts}
        if len(units) != 1:
            raise ValueError(f"batches of different alpha_unit cannot be joined: {sorted(units)}")
        axes = {name: np.concatenate([getattr(part, name) for part in parts]) for name in AXES}
        return cls(**axes, alpha_unit=units.pop())

    @property
    def n_problems(self) -> int:
        return self.alpha.size

    def take(self, columns: npt.ArrayLike) -> Problems:
        """Some of the problems; ``columns`` are positions or a mask."""
        index = np.asarray(columns)
        other = object.__new__(Problems)  # what was checked is not checked again
        other.__dict__["alpha_unit"] = self.alpha_unit
        for name in AXES:
            axis = getattr(self, name)[index].reshape(-1)
            axis.flags.writeable = False
            other.__dict__[name] = axis
        return other

    def resolve(
        self, total_weight: npt.ArrayLike = 1.0, alpha_max: npt.ArrayLike | None = None
    ) -> Float:
        """Alphas per weighted mean of the loss, shape (n_problems,).

        Parameters
        ----------
        total_weight : float or array of shape (n_problems,)
            Sum of the weights of the rows that each problem is fitted on (after class weights).
        alpha_max : float or array of shape (n_problems,), optional
            Needed for the unit "fraction" only.

        Raises
        ------
        ValueError
            Where ``alpha_max`` is missing or infinite (ridge problems have none).
        """
        if self.alpha_unit == "mean":
            return self.alpha
        if self.alpha_unit == "sum":
            return self.alpha / np.asarray(total_weight, dtype=np.float64)
        if alpha_max is None:
            raise ValueError("alpha in units of alpha_max: resolve() needs alpha_max")
        largest = np.broadcast_to(np.asarray(alpha_max, dtype=np.float64), self.alpha.shape)
        if not np.isfinite(largest).all():
            worst = self.l1_ratio[~np.isfinite(largest)][0]
            raise ValueError(
                f"l1_ratio={worst:g} has no finite alpha_max, so alpha cannot be a fraction of "
                "it; give alpha itself"
            )
        return self.alpha * largest


def _require(name: str, axis: AnyArray, upper: float, least: int = 0) -> None:
    right = (axis >= least) & (axis < upper if upper == np.inf else axis <= upper)
    if not right.all():
        wrong = ~right
        allowed = f"finite and >= {least}" if upper == np.inf else f"between 0 and {upper:g}"
        raise ValueError(f"{name} must be {allowed}, got {axis[wrong][0]}")
