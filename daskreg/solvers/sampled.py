"""The curvature of one problem at one point, from rows that are kept in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from daskreg._typing import AnyArray, Float

from .curvature import Curvature, definite, times_outputs
from .protocols import SampleView

#: Rows for each column in use below which a sample's curvature is shrunk ...
FEW = 3
#: ... by this share of its diagonal.
SHRINK = 0.2
#: Share of the diagonal that is added in any case: more than the rounding of float32 products.
ROUGH_RIDGE = 1e-5
#: ... and of float64 ones, which nearly separable rows need: their Hessian is nearly singular.
FINE_RIDGE = 1e-9
#: Multiplications of a whole Hessian up to which they are made in float64, of one output and more.
FINE, FINE_COUPLED = 1e8, 1e9
TINY = float(np.finfo(np.float64).tiny)
#: Coupled coefficients of several outputs: more of them share one Gram matrix instead.
LARGEST_COUPLED = 3000


@dataclass(frozen=True)
class SampleCurvature(Curvature):
    r""":math:`\sum_i s_i\, z_i z_i^T \otimes H_i` over the rows of a sample.

    z are the rows in the coordinates of the problem, with a 1 for the intercept; s their weights,
    which sum to one; H the Hessians of the loss by eta, (q, q), at the current point.

    Attributes
    ----------
    view : SampleView
    bend : array of shape (n_rows,) for one output, or (n_rows, q, q)
        ``s_i H_i``, lifted where all rows are more bent in the mean than these.
    seen : array of the same shape
        ``s_i H_i`` as it is.
    lift : float
        Share of the diagonal that is added to it.
    least : float
        Smallest curvature of the loss by eta that counts.
    rough : bool
        Whether products are made in float32.
    """

    view: SampleView
    bend: Float
    seen: Float
    lift: float = ROUGH_RIDGE
    least: float = 0.0
    rough: bool = True

    @property
    def plain(self) -> SampleCurvature:
        """What the rows themselves say."""
        return self if self.seen is self.bend else replace(self, bend=self.seen)

    @property
    def n_outputs(self) -> int:  # type: ignore[override]
        return 1 if self.bend.ndim == 1 else self.bend.shape[1]

    @cached_property
    def bends(self) -> Float:
        """Shape (n_rows, q, q)."""
        return self.bend.reshape(len(self.bend), self.n_outputs, self.n_outputs)

    @cached_property
    def own(self) -> Float:
        return definite(self.bends.sum(axis=0), self.least)

    @property
    def scale(self) -> float:
        return float(self.own.trace()) / self.n_outputs

    @cached_property
    def bare(self) -> Float:
        own = np.ascontiguousarray(np.diagonal(self.bends, axis1=1, axis2=2))
        return np.asarray(self.view.squares(own)).ravel()

    def _image(self, v: Float) -> tuple[Float, Float]:
        q, r = self.n_outputs, v.shape[1]
        B = v[:-q].reshape(-1, q * r)
        eta = self.view.product(B).reshape(-1, q, r)
        if self.view.fit_intercept:
            eta = eta + v[-q:]
        if q == 1:
            turned = self.bend[:, None] * eta[:, 0]
        else:
            turned = np.einsum("icd,idr->icr", self.bends, eta).reshape(len(eta), q * r)
        coef = self.view.pullback(turned).reshape(-1, r)
        if not self.view.fit_intercept:
            return coef, self.own @ v[-q:]
        lost = self.own - self.bends.sum(axis=0)
        return coef, turned.sum(axis=0).reshape(q, r) + lost @ v[-q:]

    def _block(self, active: AnyArray) -> Float:
        q = self.n_outputs
        if q == 1:
            return self.view.gram(active, self.bend)
        feature, output = np.divmod(active, q)
        used, place = np.unique(feature, return_inverse=True)
        dtype = np.float32 if self.rough else np.float64
        Z: AnyArray = self.view.columns(used).astype(dtype, copy=False)
        bends: AnyArray = self.bends.astype(dtype, copy=False)
        block = np.empty((len(active), len(active)))
        members = [np.flatnonzero(output == c) for c in range(q)]
        columns = [Z[:, place[chosen]] for chosen in members]
        for c in range(q):
            for d in range(c, q):
                part = columns[c].T @ (bends[:, c, d, None] * columns[d])
                block[np.ix_(members[c], members[d])] = part
                block[np.ix_(members[d], members[c])] = part.T
        return block

    def coupling(self, active: AnyArray) -> Float:
        q = self.n_outputs
        if not self.view.fit_intercept:
            return np.zeros((len(active), q))
        feature, output = np.divmod(active, q)
        sums = self._means.reshape(-1, q, q)
        return np.asarray(sums[feature, output])

    @cached_property
    def _means(self) -> Float:
        """``sum_i z_ij bend_icd``, (p, q q)."""
        return np.asarray(self.view.pullback(self.bends.reshape(len(self.bend), -1)))


@dataclass(frozen=True)
class SampleGramCurvature(Curvature):
    r""":math:`(G_S + ridge) \otimes W` with the Gram matrix of a sample, of columns in use only.

    What :class:`SampleCurvature` would be if the Hessian of the loss were the same in all rows.

    Attributes
    ----------
    view : SampleView
    mean : array of shape (q, q)
        W, the mean Hessian of the loss by eta, positive definite.
    lift : float
        Share of the Gram matrix's diagonal that is added to it.
    """

    view: SampleView
    mean: Float
    lift: float = ROUGH_RIDGE

    @property
    def n_outputs(self) -> int:  # type: ignore[override]
        return len(self.mean)

    @property
    def shrinkage(self) -> float:
        return 0.0  # it is in the Gram matrix already

    @cached_property
    def _squares(self) -> Float:
        return np.asarray(self.view.squares(self.view.weight[:, None])[:, 0])

    @cached_property
    def bare(self) -> Float:
        return np.outer((1.0 + self.lift) * self._squares, np.diag(self.mean)).ravel()

    @property
    def own(self) -> Float:
        return self.mean

    @property
    def scale(self) -> float:
        return float(np.trace(self.mean)) / len(self.mean)

    def _image(self, v: Float) -> tuple[Float, Float]:
        q, r = self.n_outputs, v.shape[1]
        plain = v[:-q].reshape(-1, q * r)
        coef = self.view.pullback(self.view.weight[:, None] * self.view.product(plain))
        coef += (self.lift * self._squares)[:, None] * plain
        return times_outputs(self.mean, coef, r), self.mean @ v[-q:]

    def _block(self, active: AnyArray) -> Float:
        feature, output = np.divmod(active, self.n_outputs)
        used, place = np.unique(feature, return_inverse=True)
        return self._gram(used)[np.ix_(place, place)] * self.mean[np.ix_(output, output)]

    def factors(self, features: AnyArray) -> tuple[Float, Float] | None:
        return self._gram(features), self.mean

    def _gram(self, features: AnyArray) -> Float:
        """Rows and columns of the Gram matrix with its ridge."""
        gram = self.view.gram(features, self.view.weight)
        gram[np.diag_indices(len(features))] += self.lift * self._squares[features]
        return gram

    def coupling(self, active: AnyArray) -> Float:
        return np.zeros((len(active), self.n_outputs))


def sample_curvature(
    view: SampleView,
    coef: Float,
    intercept: Float,
    n_active: int,
    least: float,
    mean: Float | None = None,
) -> SampleCurvature | SampleGramCurvature:
    """Return the Hessian of the sample at a point, or of its mean where it is too large.

    Near separation a sample may be separable where all rows are not, and so hardly bent at all.
    What it lacks of the mean curvature of all rows is added to every row.

    Parameters
    ----------
    view : SampleView
        The sample in the coordinates of the problem.
    coef : array of shape (p, q)
    intercept : array of shape (q,)
    n_active : int
        Flattened coefficients that a step will move, about.
    least : float
        Smallest curvature of the loss by eta that counts.
    mean : array of shape (q, q), optional
        Mean Hessian of the loss by eta over all rows.
    """
    weight, q = view.weight, len(intercept)
    few = np.count_nonzero(weight) * q < FEW * n_active
    rough = len(weight) * coef.size**2 > (FINE if q == 1 else FINE_COUPLED)
    lift = SHRINK if few else ROUGH_RIDGE if rough else FINE_RIDGE
    hessian = view.hessian(coef, intercept)
    own = (weight @ hessian.reshape(len(weight), -1)).reshape(q, q)
    if n_active > LARGEST_COUPLED and q > 1:
        return SampleGramCurvature(view, definite(own if mean is None else mean, least), lift)
    if q == 1:
        hessian = np.fmax(hessian, least)
    seen = bend = weight.reshape(-1, *[1] * (hessian.ndim - 1)) * hessian
    lacking = 0.0 if mean is None else 1.0 - float(np.trace(own)) / max(float(np.trace(mean)), TINY)
    if mean is not None and lacking > 0.0:
        more = lacking * (mean[0, 0] if q == 1 else mean)
        bend = seen + np.multiply.outer(weight, more)
    return SampleCurvature(view, bend, seen, lift, least, rough)
