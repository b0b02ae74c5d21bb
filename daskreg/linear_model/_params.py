"""What estimator parameters may be: checked in ``fit``, in words that say what to change."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from daskreg.fitting.limits import Limits

#: The names that ``solver=`` takes.
SOLVERS = ("auto", "gram", "fista", "quasi_newton", "sampled_newton", "screening")
_SKLEARN_SOLVERS = frozenset(
    (
        *("cholesky", "lsqr", "sag", "saga", "sparse_cg", "svd"),
        *("lbfgs", "liblinear", "newton-cg", "newton-cholesky"),
    )
)


def number(
    name: str,
    value: Any,
    *,
    least: float = 0.0,
    most: float = np.inf,
    open_least: bool = False,
    finite: bool = True,
) -> float:
    """Return ``value`` as float; raise ``ValueError`` outside ``least .. most``."""
    is_real = isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))
    inside = is_real and (least < value if open_least else least <= value) and value <= most
    if not inside or (finite and not np.isfinite(value)):
        edge = "above" if open_least else "at least"
        upper = f" and at most {most:g}" if np.isfinite(most) else ""
        end = " and finite" if finite and not upper else ""
        raise ValueError(f"{name} must be a number {edge} {least:g}{upper}{end}; got {value!r}")
    return float(value)


def integer(name: str, value: Any, *, least: int = 1) -> int:
    """Return ``value`` as int; raise ``ValueError`` below ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}")
    return int(value)


def limits(estimator: Any) -> Limits:
    """Return the limits of passes and time that an estimator has; ``ValueError`` out of range."""
    if estimator.worker_timeout is not None:
        number("worker_timeout", estimator.worker_timeout)
    return limits_of(estimator.max_passes, estimator.deadline)


def limits_of(max_passes: Any, deadline: Any) -> Limits:
    """Return limits of passes and seconds; ``ValueError`` out of range."""
    if max_passes is not None:
        integer("max_passes", max_passes)
    if deadline is not None:
        number("deadline", deadline)
    return Limits(max_passes, deadline)


def flags(estimator: Any, names: Sequence[str]) -> None:
    """Raise ``ValueError`` unless each named parameter is a bool."""
    for name in names:
        value = getattr(estimator, name)
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{name} must be True or False; got {value!r}")


def solver_name(value: Any) -> Any:
    """Check ``solver=``: one of our names, or a solver object with ``init`` and ``step``."""
    if isinstance(value, str):
        if value in SOLVERS:
            return value
        ours = ", ".join(map(repr, SOLVERS))
        whose = " is one of scikit-learn's solvers" if value in _SKLEARN_SOLVERS else " is unknown"
        raise ValueError(f"solver={value!r}{whose}; daskreg has {ours}")
    if hasattr(value, "init") and hasattr(value, "step"):
        return value
    ours = ", ".join(map(repr, SOLVERS))
    raise ValueError(f"solver must be one of {ours} or a daskreg solver; got {value!r}")


def penalty_weights(value: Any, n_features: int) -> Any:
    """Return ``penalty_weight`` as float64 of shape (n_features,), or None."""
    if value is None:
        return None
    weight = np.asarray(value, dtype=np.float64)
    if weight.shape != (n_features,):
        raise ValueError(
            f"penalty_weight has shape {weight.shape}; expected one number for each of the "
            f"{n_features} features"
        )
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError("penalty_weight must be finite and not negative")
    return weight


def folds(value: Any) -> None:
    """Raise ``ValueError`` for a number of folds below 2 or a ``cv`` that can make no folds."""
    if value is None or (not isinstance(value, (Integral, str)) and _makes_folds(value)):
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < 2:
        raise ValueError(
            "cv must be a number of at least 2 folds, a splitter with split(X, y, groups), or "
            f"pairs of training and test rows; got {value!r}"
        )


def _makes_folds(value: Any) -> bool:
    return hasattr(value, "split") or hasattr(value, "held_out") or hasattr(value, "__iter__")


def alphas(value: Any, eps: Any) -> None:
    """Check a number of alphas or the alphas themselves, and the span of a grid."""
    if isinstance(value, (Integral, np.integer)) or np.ndim(value) == 0:
        integer("alphas", value)
    else:
        for one in np.ravel(value):
            number("alphas", one)
    if eps is not None:
        number("eps", eps, most=1.0, open_least=True)


def inverse_strengths(value: Any) -> None:
    """Check a number of Cs, or the Cs themselves."""
    if np.ndim(value) == 0:
        integer("Cs", value)
        return
    if np.ndim(value) != 1 or not len(value):
        raise ValueError(f"Cs must be a number of them or a list; got {value!r}")
    for one in value:
        number("Cs", one, open_least=True, finite=False)


def callbacks(value: Any, verbose: Any) -> tuple[Any, ...]:
    """Return the callbacks as a tuple, with one that prints where ``verbose`` asks for it."""
    given = (value,) if hasattr(value, "on_iteration") else tuple(value)
    for callback in given:
        if not hasattr(callback, "on_iteration"):
            raise ValueError(f"callbacks need a method on_iteration(progress); got {callback!r}")
    return (*given, _Printer()) if verbose else given


class _Printer:
    """Prints one line an iteration."""

    def on_iteration(self, progress: Any) -> None:
        print(  # noqa: T201 - verbose=True asks for it
            f"iteration {progress.n_iter}: {progress.n_passes} passes, gap {progress.gap:.2e}, "
            f"objective {progress.objective:.6g}, {progress.n_nonzero} nonzero"
        )
