"""Problems of a path in memory, each from the solution of the one before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .budget import called_off
from .quadratic import Quadratic

SolveOne = Callable[[Quadratic, ElasticNet, Float, float, int], tuple[Float, int]]


@dataclass(frozen=True)
class Descent:
    """What coordinate descent found: coefficients (p, K), sweeps (K,)."""

    coef: Float
    n_sweeps: npt.NDArray[np.intp]


def solve_path(
    solve_one: SolveOne,
    model: Quadratic,
    penalty: ElasticNet,
    start: Float,
    target: Float,
    max_sweeps: int,
) -> Descent:
    """Solve K problems that share one Gram matrix with warm starts.

    Problems of equal output and l1_ratio form a path, from the largest alpha down; each starts
    where the last one ended.  A problem ends when its own duality gap is at most ``target``, when
    rounding forbids more, or after ``max_sweeps``.

    Parameters
    ----------
    solve_one : callable
        Of one problem, where it starts, its target and its sweeps: returns coefficients and sweeps.
    model : Quadratic
    penalty : ElasticNet
    start : array of shape (n_features, n_problems)
        Where each path starts (its first problem's column).
    target : array of shape (n_problems,)
        Absolute duality gap.
    max_sweeps : int
        Per problem.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via
    coordinate descent, sections 2.2 (covariance updates) and 2.5 (warm starts).
    """
    coef = np.zeros_like(start)
    n_sweeps = np.zeros(penalty.n_problems, dtype=np.intp)
    order = np.lexsort((-penalty.alpha, penalty.l1_ratio, model.output))
    previous: tuple[float, int] | None = None
    b = np.zeros(start.shape[0])
    for k in order:
        path = (float(penalty.l1_ratio[k]), int(model.output[k]))
        if path != previous:
            b, previous = start[:, k].copy(), path
        if called_off():
            coef[:, k] = np.maximum(b, 0.0) if penalty.positive else b
            continue
        b, n_sweeps[k] = solve_one(
            model.take([k]), penalty.take([k]), b, float(target[k]), max_sweeps
        )
        coef[:, k] = b
    return Descent(coef, n_sweeps)
