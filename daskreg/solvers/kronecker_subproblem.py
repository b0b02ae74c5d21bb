"""One step of coupled outputs on a Kronecker product.

Proximal gradients, and where they are many sweeps of coordinate descent, find the support,
conjugate gradients the values on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .cholesky import factor_of, solved
from .kronecker import Kronecker

#: Rounds of gradients or sweeps and one step on the support at most.
MAX_ROUNDS = 50
#: Rounds of gradients before compiled sweeps take their place: to load these takes half a second.
PLAIN_ROUNDS = 4
#: Gradients of a round, and sweeps of one.
GRADIENTS, SWEEPS = 30, 10
#: A round ends where residuals have fallen to this share.
TIGHTEN = 0.1
#: A step that may lack no more than this share of what it gains is as good as the best.
ENOUGH = 0.1
#: Iterations of conjugate gradients on the support in a round, and the residual where they end.
MAX_ITERATIONS, RESIDUAL = 20, 0.1
#: Halvings of a step on the support.
MAX_HALVINGS = 5


@dataclass(frozen=True)
class Subproblem:
    r"""Minimise :math:`s^T (x - b) + (x - b)^T B (x - b) / 2` plus the penalty over x.

    Attributes
    ----------
    model : Kronecker
    b, slope, l1, l2 : arrays of shape (m, q)
    free : array of bool, shape (m, q)
        Coordinates that may move.
    positive : bool
    """

    model: Kronecker
    b: Float
    slope: Float
    l1: Float
    l2: Float
    free: npt.NDArray[np.bool_]
    positive: bool

    def smooth_grad(self, x: Float) -> Float:
        """Gradient of everything but L1, (m, q)."""
        return np.asarray(self.slope + self.model.times(x - self.b) + self.l2 * x)

    def objective(self, x: Float) -> float:
        d = x - self.b
        value = (self.slope * d).sum() + 0.5 * (d * self.model.times(d)).sum()
        return float(value + (self.l1 * np.abs(x)).sum() + 0.5 * (self.l2 * x * x).sum())

    def subgradient(self, x: Float, grad: Float) -> Float:
        """The smallest one of the whole objective, zero for coordinates that stay."""
        outside = np.sign(grad) * np.maximum(np.abs(grad) - self.l1, 0.0)
        if self.positive:
            outside = np.minimum(grad + self.l1, 0.0)
        return np.where(self.free, np.where(x != 0.0, grad + self.l1 * np.sign(x), outside), 0.0)

    def excess(self, x: Float, subgradient: Float) -> float:
        r"""About what x is above the minimum, by its smallest subgradient r.

        The objective is B-strongly convex: at most :math:`r^T B^{-1} r / 2`, here with the product
        alone as B.  Where that is nearly singular :math:`r^T x + \max |r| \sum |x|` is smaller, a
        bound if the minimum is as long as x.
        """
        size = float(np.abs(subgradient).max(initial=0.0))
        length = float((subgradient * x).sum()) + size * float(np.abs(x).sum())
        way = self.model.plainly_solved(subgradient)
        return min(length, 0.5 * float((subgradient * way).sum()))

    def minimised(self, start: Float, target: float, enough: float = ENOUGH) -> Float:
        """Return x, (m, q), about ``target`` above the minimum, or little beside what it gained."""
        model, x = self.model, np.maximum(start, 0.0) if self.positive else start.copy()
        size = np.sqrt(model.diagonal + self.l2)
        first = self.objective(self.b)
        wrong = self.subgradient(x, self.smooth_grad(x))
        for number in range(MAX_ROUNDS):
            tol = TIGHTEN * float((np.abs(wrong) / size).max(initial=0.0))
            if number < PLAIN_ROUNDS:
                x = self._by_gradients(x, tol)
            else:
                self._sweep(x, tol)
            grad = self.smooth_grad(x)
            wrong, value = self.subgradient(x, grad), self.objective(x)
            if self.excess(x, wrong) <= max(target, enough * (first - value)):
                break
            x = self._on_support(x, grad, value)
            wrong = self.subgradient(x, self.smooth_grad(x))
        return x

    def _by_gradients(self, x: Float, tol: float) -> Float:
        """Accelerated proximal gradients in the metric of the diagonal, until steps are short.

        Shorter than ``tol`` in the scale of residuals.

        References
        ----------
        Beck and Teboulle (2009), A fast iterative shrinkage-thresholding algorithm for linear
        inverse problems, section 4; O'Donoghue and Candes (2015), Adaptive restart for accelerated
        gradient schemes, section 3.2.
        """
        model = self.model
        height = model.stretch * model.diagonal
        unit = tol * np.sqrt(model.diagonal + self.l2)
        ahead, momentum = x, 1.0
        for _ in range(GRADIENTS):
            target = height * ahead - self.slope - model.times(ahead - self.b)
            fresh = target - np.clip(target, -np.inf if self.positive else -self.l1, self.l1)
            fresh = np.where(self.free, fresh / (height + self.l2), x)
            step = fresh - x
            if ((ahead - fresh) * step).sum() > 0.0:
                momentum = 1.0
            before, momentum = momentum, 0.5 + np.sqrt(0.25 + momentum**2)
            ahead, x = fresh + (before - 1.0) / momentum * step, fresh
            if (np.abs(height * step) <= unit).all():
                break
        return x

    def _sweep(self, x: Float, tol: float) -> None:
        """Sweep over x in place until scaled residuals are below ``tol``."""
        from .kronecker_descent import descend

        model, move = self.model, x - self.b
        U, towards = model.low
        image = np.ascontiguousarray((model.G @ move).T)
        descend(
            *(model.G, model.W, U, towards, model.diagonal, image, towards.T @ move.ravel(), x),
            *(self.slope, self.l1, self.l2, self.free, self.positive, tol, SWEEPS),
        )

    def _on_support(self, x: Float, grad: Float, before: float) -> Float:
        """Towards the minimum over the support, signs kept; x itself where that fails."""
        support = self.free & (x != 0.0)
        move = self._newton(support, -np.where(support, grad + self.l1 * np.sign(x), 0.0))
        kept = (self.l1 > 0.0) | self.positive
        for _ in range(MAX_HALVINGS):
            moved = x + move
            moved[kept & (x * moved < 0.0)] = 0.0
            if self.objective(moved) < before:
                return moved
            move = 0.5 * move
        return x

    def _newton(self, support: npt.NDArray[np.bool_], right: Float) -> Float:
        """Solve for a step on the support by conjugate gradients, roughly."""
        scaled_by = self._preconditioner(support)
        step, rest = np.zeros_like(right), right
        way = scaled_by(rest)
        size = float((rest * way).sum())
        end = RESIDUAL**2 * size
        for _ in range(MAX_ITERATIONS):
            if size <= end or size <= 0.0:
                break
            image = np.where(support, self.model.times(way) + self.l2 * way, 0.0)
            bent = float((way * image).sum())
            if not bent > 0.0:
                break
            length = size / bent
            step, rest = step + length * way, rest - length * image
            scaled = scaled_by(rest)
            size, before = float((rest * scaled).sum()), size
            way = scaled + (size / before) * way
        return step

    def _preconditioner(self, support: npt.NDArray[np.bool_]) -> Callable[[Float], Float]:
        """The inverse of the whole product where most is in use, else of each output's own part."""
        if 2 * np.count_nonzero(support) > support.size:
            return lambda v: np.where(support, self.model.plainly_solved(v), 0.0)
        parts = []
        for c, bend in enumerate(np.diag(self.model.W)):
            rows = np.flatnonzero(support[:, c])
            block = bend * self.model.G[np.ix_(rows, rows)]
            block[np.diag_indices(len(rows))] += self.l2[rows, c]
            parts.append((rows, factor_of(block, overwrite=True)))

        def scaled_by(v: Float) -> Float:
            scaled = np.zeros_like(v)
            for c, (rows, factor) in enumerate(parts):
                scaled[rows, c] = solved(factor, v[rows, c])
            return scaled

        return scaled_by


def subproblem(
    model: Kronecker,
    penalty: ElasticNet,
    b: Float,
    slope: Float,
    free: npt.NDArray[np.bool_],
) -> Subproblem:
    """Return the subproblem of one problem, whose penalty has a weight per coordinate here."""
    l1, l2 = (
        np.ascontiguousarray(np.broadcast_to(strength[:, 0, 0], (b.size,)).reshape(b.shape))
        for strength in (penalty.l1, penalty.l2)
    )
    return Subproblem(model, b, slope, l1, l2, free, bool(penalty.positive))
