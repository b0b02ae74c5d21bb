"""The elastic net, and the lasso and ridge penalties as its two ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._array import beside, namespace
from daskreg._typing import Float

from .dual_scale import root_of_slope
from .strongest import alpha_max

#: A dual point may break its constraint by this much, relative to the bound: what rounding in
#: ``dual_scale(v) * v`` needs, and far below any gap that is asked for.
FEASIBLE = 1e-12


def _checked(name: str, values: npt.ArrayLike, upper: float = np.inf) -> Float:
    array = np.array(values, dtype=np.float64, ndmin=1)
    if array.ndim != 1:
        raise ValueError(f"{name} must be a number or 1-D, got shape {array.shape}")
    right = (array >= 0) & (array < upper if upper == np.inf else array <= upper)
    if not right.all():
        wrong = ~right
        allowed = "finite and >= 0" if upper == np.inf else f"between 0 and {upper:g}"
        raise ValueError(f"{name} must be {allowed}, got {array[wrong][0]:g}")
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class ElasticNet:
    r"""L1 and squared L2 penalty with one weight per feature.

    .. math:: g_k(b) = \alpha_k \sum_j u_j \left(\rho_k |b_j| + \tfrac{1-\rho_k}{2} b_j^2\right)

    and, where ``positive``, infinity as soon as one coefficient is negative.

    Parameters
    ----------
    alpha : float or array of shape (n_problems,)
        Strength, in the unit of the gradient of the datafit; 0 is no penalty.
    l1_ratio : float or array of shape (n_problems,)
        Share of L1, from 0 (ridge) to 1 (lasso).
    penalty_weight : array of shape (n_features,), optional
        ``u``, taken as given: 0 leaves a feature unpenalised.  None is all ones.
    positive : bool
        Ask every coefficient to be >= 0, also unpenalised ones.

    Raises
    ------
    ValueError
        For a negative or non-finite ``alpha`` or ``penalty_weight``, an ``l1_ratio`` outside
        [0, 1], or lengths that do not match.

    References
    ----------
    Zou and Hastie (2005), Regularization and variable selection via the elastic net.
    Parikh and Boyd (2014), Proximal algorithms, section 6.5.2 (prox of the elastic net).

    Examples
    --------
    >>> penalty = ElasticNet(alpha=[1.0, 2.0], l1_ratio=1.0)
    >>> penalty.value(np.array([[[3.0, 3.0]], [[-1.0, 0.0]]]))
    array([4., 6.])
    """

    alpha: Float
    l1_ratio: Float
    penalty_weight: Float | None = None
    positive: bool = False

    def __post_init__(self) -> None:
        alpha = _checked("alpha", self.alpha)
        l1_ratio = _checked("l1_ratio", self.l1_ratio, upper=1.0)
        if alpha.size != l1_ratio.size and 1 not in (alpha.size, l1_ratio.size):
            raise ValueError(
                "alpha and l1_ratio must have one value per problem, "
                f"got {alpha.size} and {l1_ratio.size} values"
            )
        if alpha.size != l1_ratio.size:
            alpha, l1_ratio = (np.array(a) for a in np.broadcast_arrays(alpha, l1_ratio))
        object.__setattr__(self, "alpha", alpha)
        object.__setattr__(self, "l1_ratio", l1_ratio)
        if self.penalty_weight is not None:
            object.__setattr__(
                self, "penalty_weight", _checked("penalty_weight", self.penalty_weight)
            )

    @property
    def n_problems(self) -> int:
        return self.alpha.size

    @property
    def has_l1(self) -> npt.NDArray[np.bool_]:
        """Whether each problem has an L1 part, shape (n_problems,)."""
        return self._strengths[0] > 0

    @property
    def has_l2(self) -> npt.NDArray[np.bool_]:
        """Whether each problem has a squared L2 part, shape (n_problems,)."""
        return self._strengths[1] > 0

    @property
    def l1(self) -> Float:
        """``alpha * l1_ratio * u``, shape (n_features or 1, 1, n_problems)."""
        return self._weighted(self._strengths[0])

    @property
    def l2(self) -> Float:
        """``alpha * (1 - l1_ratio) * u``, shape (n_features or 1, 1, n_problems)."""
        return self._weighted(self._strengths[1])

    @cached_property
    def _strengths(self) -> tuple[Float, Float]:
        """Of L1 and L2 before the weights, (n_problems,) each: asked for many times a step."""
        return self.alpha * self.l1_ratio, self.alpha * (1 - self.l1_ratio)

    def _weighted(self, strength: Float) -> Float:
        if self.penalty_weight is None:
            return strength[None, None]
        return self.penalty_weight[:, None, None] * strength

    def check(self, n_features: int) -> None:
        """Raise ``ValueError`` unless there is one ``penalty_weight`` per feature."""
        if self.penalty_weight is not None and self.penalty_weight.size != n_features:
            raise ValueError(
                f"penalty_weight must have one value for each of the {n_features} features, "
                f"got {self.penalty_weight.size} values"
            )

    def is_free(self, n_features: int | None = None) -> npt.NDArray[np.bool_]:
        """Features that no problem penalises (weight 0), shape (n_features,)."""
        if self.penalty_weight is None:
            if n_features is None:
                raise ValueError("without penalty_weight, is_free needs n_features")
            return np.zeros(n_features, dtype=bool)
        return self.penalty_weight == 0

    @property
    def has_free(self) -> bool:
        """Whether some feature has weight 0."""
        return self.penalty_weight is not None and bool((self.penalty_weight == 0).any())

    def take(self, columns: npt.ArrayLike) -> ElasticNet:
        """The penalty of some problems; ``columns`` may repeat."""
        index = np.asarray(columns).reshape(-1)
        other = object.__new__(ElasticNet)  # what was checked is not checked again
        other.__dict__.update(
            alpha=self.alpha[index],
            l1_ratio=self.l1_ratio[index],
            penalty_weight=self.penalty_weight,
            positive=self.positive,
        )
        return other

    def restricted(self, columns: npt.ArrayLike | slice) -> ElasticNet:
        """The penalty of some features, given by their positions."""
        if self.penalty_weight is None:
            return self
        index = columns if isinstance(columns, slice) else np.asarray(columns)
        return replace(self, penalty_weight=self.penalty_weight[index])

    def value(self, coef: Float) -> Float:
        """g(coef) per problem, shape (n_problems,), in the unit of the objective."""
        xp, l1, l2 = self._beside(coef)
        size = xp.abs(coef)
        value = xp.sum(size * (l1 + 0.5 * l2 * size), axis=(0, 1))
        if self.positive:
            value = xp.where(xp.any(coef < 0, axis=(0, 1)), np.inf, value)
        return value

    def prox(self, coef: Float, step: npt.ArrayLike) -> Float:
        """Minimise ``g(b) + sum (b - coef)^2 / (2 step)``; ``step`` broadcasts against coef."""
        xp, l1, l2 = self._beside(coef)
        step = xp.asarray(step if xp is np else beside(coef, step), dtype=xp.float64)
        shrunk = xp.maximum((coef if self.positive else xp.abs(coef)) - step * l1, 0.0)
        if not self.positive:
            shrunk = xp.copysign(shrunk, coef)
        return shrunk / (1.0 + step * l2) + 0.0  # + 0.0: no negative zeros

    def violation(self, coef: Float, grad: Float) -> Float:
        """Distance of ``-grad`` to the subdifferential of g at ``coef``.

        ``grad`` is that of the smooth datafit alone.  Shape and unit are those of ``grad``; it is
        zero everywhere exactly at a minimum, and infinite at a coefficient outside the domain.
        """
        xp, l1, l2 = self._beside(coef)
        slope = grad + l2 * coef
        if self.positive:
            moved = xp.abs(slope + l1)
            still = xp.maximum(-slope - l1, 0.0)
            return xp.where(coef > 0, moved, xp.where(coef < 0, np.inf, still))
        moved = xp.abs(slope + l1 * xp.sign(coef))
        still = xp.maximum(xp.abs(slope) - l1, 0.0)
        return xp.where(coef != 0, moved, still)

    def _beside(self, x: Any) -> tuple[Any, Any, Any]:
        """Return the namespace of x, and ``l1`` and ``l2`` as arrays of its kind."""
        if type(x) is np.ndarray:  # asked for many times a step
            return np, self.l1, self.l2
        return namespace(x), beside(x, self.l1), beside(x, self.l2)

    def conjugate(self, v: Float) -> Float:
        """``sup_b <v, b> - g(b)`` per problem, shape (n_problems,); inf outside its domain.

        A relative excess of 1e-12 above an L1 bound counts as rounding, not as infeasible.
        """
        xp, l1, l2 = self._beside(v)
        # With ``positive`` only one side counts.
        excess = xp.maximum((v if self.positive else xp.abs(v)) - l1, 0.0)
        if not self.has_l2.any():
            broken = xp.any(excess > FEASIBLE * l1, axis=(0, 1))
            return xp.where(broken, np.inf, xp.zeros_like(broken, dtype=xp.float64))
        if self._all_l2:
            return xp.sum(0.5 * excess**2 / l2, axis=(0, 1))
        smooth = l2 > 0
        value = xp.where(smooth, 0.5 * excess**2 / xp.where(smooth, l2, 1.0), 0.0)
        value = xp.where(~smooth & (excess > FEASIBLE * l1), np.inf, value)
        return xp.sum(value, axis=(0, 1))

    @property
    def _all_l2(self) -> bool:
        return bool((self.l2 > 0).all())

    def dual_scale(self, v: Float) -> Float:
        """Largest ``s >= 0`` for which ``conjugate(s * v)`` is finite, shape (n_problems,).

        Infinite where every ``s`` will do.  An unpenalised coordinate admits ``v_j = 0`` only, so
        a caller projects such a ``v`` to exactly zero there; any other value makes ``s`` zero.
        """
        xp, l1, l2 = self._beside(v)
        size = v if self.positive else xp.abs(v)
        binding = (l2 == 0) & (size > 0)
        with np.errstate(over="ignore"):
            scale = xp.where(binding, l1 / xp.where(binding, size, 1.0), np.inf)
        return xp.min(scale, axis=(0, 1))

    def best_dual(self, linear: Float, quadratic: Float, v: Float) -> Float:
        r"""``max_s  s linear - s^2 quadratic / 2 - g*(s v)`` over feasible ``s >= 0``, per problem.

        With residuals r of the squared loss, ``linear`` = sum s_i y_i r_i, ``quadratic`` =
        sum s_i r_i^2 and ``v`` = X' S r, this is the best dual value along r: a lower bound of the
        optimum.  (For y centred, or without intercept.)

        References
        ----------
        Mairal (2010), Sparse coding for machine learning, image processing and computer vision,
        appendix D.2.3; Massias, Gramfort and Salmon (2018), Celer, section 2.
        """
        xp = namespace(v)
        linear = xp.maximum(linear, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = xp.where(quadratic > 0, linear / quadratic, 0.0)
        plain = not self.has_l2.any()
        if not plain:
            size = xp.maximum(v, 0.0) if self.positive else xp.abs(v)
            scale = root_of_slope(scale, linear, quadratic, size, *self._beside(v)[1:])
        scale = xp.minimum(scale, self.dual_scale(v))
        value = scale * linear - 0.5 * scale**2 * quadratic
        # Of L1 alone the conjugate is zero up to the largest scale.
        return value if plain else value - self.conjugate(scale * v)

    def alpha_max(self, null_grad: Float, l1_ratio: npt.ArrayLike | None = None) -> Float:
        """Smallest alpha whose solution has no penalised coefficient; see :func:`alpha_max`.

        ``l1_ratio`` defaults to the penalty's own.
        """
        ratio = self.l1_ratio if l1_ratio is None else l1_ratio
        return alpha_max(null_grad, ratio, self.penalty_weight, self.positive)


def L1(
    alpha: npt.ArrayLike, penalty_weight: npt.ArrayLike | None = None, positive: bool = False
) -> ElasticNet:
    """The lasso penalty, ``alpha * sum_j u_j |b_j|``."""
    return ElasticNet(alpha, 1.0, penalty_weight, positive)  # type: ignore[arg-type]


def L2(
    alpha: npt.ArrayLike, penalty_weight: npt.ArrayLike | None = None, positive: bool = False
) -> ElasticNet:
    """The ridge penalty, ``alpha / 2 * sum_j u_j b_j^2``."""
    return ElasticNet(alpha, 0.0, penalty_weight, positive)  # type: ignore[arg-type]
