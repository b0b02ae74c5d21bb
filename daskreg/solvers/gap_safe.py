"""Columns that a small duality gap proves to be out of a solution."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.penalties import ElasticNet


def is_covered(datafit: Any, penalty: ElasticNet) -> npt.NDArray[np.bool_]:
    """Problems that the rule is written for, (K,): lassos on all rows, every column penalised.

    The lengths of columns are known for all rows; other dual points are not scaled residuals.
    """
    if not getattr(datafit, "quadratic", False) or penalty.has_free:
        return np.zeros(penalty.n_problems, dtype=bool)
    return ~penalty.has_l2 & (np.asarray(datafit.weighting) == 0)


def may_be_active(
    penalty: ElasticNet, grad: Float, gap: Float, square: Float
) -> npt.NDArray[np.bool_]:
    r"""Columns that may have a coefficient in the solution of each problem, shape (p, K).

    The dual of a lasso is concave with modulus 1 in the norm of the row weights, so its solution
    lies within :math:`\sqrt{2\,gap}` of any feasible point; with residuals r and the largest
    feasible share s of them, column j is out where

    .. math:: s |x_j^T S r| + \|x_j\|_S \sqrt{2\,gap} < \alpha u_j .

    What it buys: columns are never out while the gap is large, and a problem whose round missed
    a column has a large gap more often than not (the missed column scales the dual point).  Where
    what is left fits a round, the solution on these columns is that on all of them, its bound
    holds, and the pass that would have said so is spared.

    Parameters
    ----------
    penalty : ElasticNet
        Of the K problems, without an L2 part.
    grad : array of shape (p, 1, K)
        Gradient of the squared loss at any point.
    gap : array of shape (K,)
        Objective there or anywhere, less the bound from the residuals there.
    square : array of shape (p,)
        Weighted mean squares of the columns in solver coordinates.

    References
    ----------
    Ndiaye, Fercoq, Gramfort and Salmon (2017), Gap safe screening rules for sparsity enforcing
    penalties, JMLR 18(128), theorem 6 and equation 12.
    """
    slope = np.maximum(-grad, 0.0) if penalty.positive else np.abs(grad)
    radius = np.sqrt(2.0 * np.maximum(gap, 0.0))
    with np.errstate(invalid="ignore"):
        reach = penalty.dual_scale(-grad) * slope[:, 0] + np.sqrt(square)[:, None] * radius
        # A relative 1e-9 is far above rounding; what is not finite proves nothing.
        return np.asarray(~(reach < (1.0 - 1e-9) * penalty.l1[:, 0]))
