"""The step of one problem of coupled outputs whose curvature is a Kronecker product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .cholesky import factor_of, solved
from .kronecker import Kronecker
from .kronecker_subproblem import subproblem
from .metric import Metric


def coupled_step(
    members: npt.NDArray[np.intp],
    metric: Metric,
    penalty: ElasticNet,
    coef: Float,
    grad: Float,
    start: Float,
    target: float,
) -> Float:
    """Return the step over the coefficients ``members`` and the intercepts, the rest at rest.

    The low rank of the pairs and the intercepts, which follow at their optimum, join into one.

    Parameters
    ----------
    members : array of int, shape (n_active,)
        Flattened coefficients, ascending.
    metric : Metric
        Of a curvature that has ``factors``.
    penalty : ElasticNet
        With one weight per flattened coefficient.
    coef, start : arrays of shape (p q,)
        Where the problem stands, and where the descent begins.
    grad : array of shape (p q + q,)
    target : float
        What may be missing to the minimum, in the unit of the objective.
    """
    q, n_coef = metric.n_outputs, len(coef)
    features = np.unique(members // q)
    places = (q * features[:, None] + np.arange(q)).ravel()
    low = _LowRank.of(metric, features, places)
    lost = solved(factor_of(low.own), np.column_stack([low.coupling.T, grad[n_coef:]]))
    step = np.zeros_like(grad)
    if len(members):
        found = metric.curvature.factors(features)
        assert found is not None
        G, W = found
        G *= metric.factor  # a fresh array
        core = low.core - low.coupling @ lost[:, :-1]
        model = Kronecker(G, W, low.ways, low.vectors, core)
        slope = grad[places].reshape(-1, q) - model.outside(low.coupling @ lost[:, -1])
        free = np.zeros(n_coef, dtype=bool)
        free[members] = True
        held = coef[places].reshape(-1, q)
        part = subproblem(
            model, penalty.restricted(places), held, slope, free[places].reshape(-1, q)
        )
        moved = part.minimised(start[places].reshape(-1, q), target)
        step[places] = (moved - held).ravel()
        step[n_coef:] = -lost[:, :-1] @ model.inside(moved - held)
    step[n_coef:] -= lost[:, -1]
    return step


@dataclass(frozen=True)
class _LowRank:
    """What a metric adds to the product of its curvature, and the intercepts.

    It is ``E C E'`` over the coefficients, with E = (F kron I, V), and ``E K`` between them and
    the intercepts.

    Attributes
    ----------
    ways : array of shape (m, k)
        F.
    vectors : array of shape (m q, r)
        V.
    core : array of shape (k q + r, k q + r)
        C.
    coupling : array of shape (k q + r, q)
        K.
    own : array of shape (q, q)
        The intercepts' own block.
    """

    ways: Float
    vectors: Float
    core: Float
    coupling: Float
    own: Float

    @classmethod
    def of(
        cls, metric: Metric, features: npt.NDArray[np.intp], places: npt.NDArray[np.intp]
    ) -> _LowRank:
        """That of the coefficients ``places`` of some features."""
        q, missing = metric.n_outputs, metric.missing
        ways, inner = np.zeros((len(features), 0)), np.zeros((q, q))
        if missing is not None:
            ways, inner = missing.ways[features], metric.factor * missing.core
        n = len(inner) - q
        last = metric.vectors[-q:] * metric.sign
        core = scipy.linalg.block_diag(inner[:n, :n], np.diag(metric.sign))
        own = metric.factor * metric.curvature.own + inner[n:, n:] + last @ metric.vectors[-q:].T
        coupling = np.concatenate([inner[:n, n:], last.T])
        return cls(ways, metric.vectors[places], core, coupling, own)
