"""What the first pass tells: means, scales, classes and the null model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import DataError

from .few_rows import matrix_of
from .kernels.tiles import Labels
from .moments import Moments

#: A column whose standard deviation is below this share of its mean is constant.
CONSTANT = 64 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class FirstPass:
    """Summary of the first pass under one weighting of the rows.

    ``s`` are the weights of the rows that count, scaled to sum to one.

    Attributes
    ----------
    total_weight : float
        Sum of the row weights, after ``class_weight``.
    n_rows : int
        Rows with a positive weight.
    mean, sd : ndarray, shape (p,)
        Weighted mean and population standard deviation of each column; sd 0: constant.
    center : ndarray, shape (p,)
        What the solver's columns are centred at: the mean, or 0 without an intercept.
    inverse_scale : ndarray, shape (p,)
        Factor from original to solver columns: 1, or 1 / sd when standardised; 0 for a column
        that is constant after centring, which no coefficient can use.
    target_mean : ndarray, shape (n_targets,)
        Weighted mean of y - offset; for a classification the share of the second class, for one
        of q coupled classes the share of each, (q,).
    target_square : ndarray, shape (n_targets,)
        ``sum s (y - offset)^2``, centred with an intercept; for a classification likewise of the
        labels 0 and 1.
    cross : ndarray, shape (p, n_targets)
        ``X' s (y - offset)`` in solver coordinates; for a classification ``X' s y``, of coupled
        classes a column each, (p, q).
    null_value : ndarray, shape (n_targets,)
        Objective at coef 0 with the optimal intercept.
    null_intercept : ndarray, shape (1, n_targets), or (q, 1) of coupled classes
    null_grad : ndarray, shape (p, 1, n_targets) or (p, q, 1), or None
        Gradient there, in solver coordinates; None where it takes a pass over X (logistic loss
        with an offset).
    free : ndarray of int, shape (f,), or None
        Unpenalised columns whose Gram columns were asked for; None: none.
    free_gram : ndarray, shape (p, f), or None
        ``X' s X[:, free]`` in solver coordinates.
    labels : Labels or None
    classes : ndarray, shape (n_classes,), or None
        In ascending order, in the type of y.
    class_count : ndarray of int, shape (n_classes,), or None
        Rows of each class with a positive weight.
    class_sum : ndarray, shape (n_classes,), or None
        Sum of the weights of each class, before ``class_weight``.
    """

    total_weight: float
    n_rows: int
    mean: Float
    sd: Float
    center: Float
    inverse_scale: Float
    target_mean: Float
    target_square: Float
    cross: Float
    null_value: Float
    null_intercept: Float
    null_grad: Float | None
    free: AnyArray | None = None
    free_gram: Float | None = None
    labels: Labels | None = None
    classes: AnyArray | None = None
    class_count: AnyArray | None = None
    class_sum: Float | None = None

    def of_columns(self, columns: AnyArray) -> FirstPass:
        """Return the same of some columns; Gram columns of unpenalised ones are left out."""
        grad = self.null_grad
        return replace(
            self,
            mean=self.mean[columns],
            sd=self.sd[columns],
            center=self.center[columns],
            inverse_scale=self.inverse_scale[columns],
            cross=self.cross[columns],
            null_grad=None if grad is None else grad[columns],
            free=None,
            free_gram=None,
        )

    @property
    def second_moment(self) -> Float:
        """``sum s x^2`` of each column in solver coordinates, shape (p,)."""
        moment = np.square(self.sd) + np.square(self.mean - self.center)
        return moment * np.square(self.inverse_scale)


@dataclass(frozen=True, eq=False)
class Geometry:
    """How original columns become those of the solver."""

    mean: Float
    sd: Float
    center: Float
    inverse_scale: Float

    @classmethod
    def of(cls, moments: Moments, fit_intercept: bool, standardize: bool) -> Geometry:
        mean = moments.mean
        sd = np.sqrt(moments.m2 / moments.weight)
        sd = np.where(sd <= CONSTANT * np.abs(mean), 0.0, sd)
        constant = sd == 0.0
        scale = np.where(constant, 1.0, sd) if standardize else np.ones_like(sd)
        useless = constant & (fit_intercept | (mean == 0.0))
        center = mean if fit_intercept else np.zeros_like(mean)
        return cls(mean, sd, center, np.where(useless, 0.0, 1.0 / scale))

    def products(self, moments: Moments, products: Float, other: Float) -> Float:
        """Return centred products of X with columns of mean ``other``, (p, q), per unit weight.

        Without an intercept the share of the means comes back.
        """
        products = products / moments.weight
        back = self.mean - self.center
        if back.any():
            products = products + np.outer(back, other)
        return products * self.inverse_scale[:, None]

    def gram(self, moments: Moments) -> Float | None:
        """Return the Gram columns in solver coordinates, (p, f)."""
        if moments.gram is None:
            return None
        chosen = slice(None) if moments.columns is None else moments.columns
        gram = np.divide(matrix_of(moments.gram), moments.weight, dtype=np.float64)
        back = moments.mean - self.center
        if back.any():
            for row, own in zip(gram, back, strict=True):
                row += own * back[chosen]
        gram *= self.inverse_scale[:, None]
        gram *= self.inverse_scale[chosen]
        return gram


def settled(moments: Moments) -> Moments:
    """Return the moments, those of targets that are constant but for rounding exactly zero.

    Raises
    ------
    DataError
        Where squares of the numbers leave the range of float64.
    """
    gram = None if moments.gram is None else matrix_of(moments.gram)
    sums = moments.m2, moments.target_m2, moments.cross, gram
    tiny = float(np.finfo(np.float64).tiny)
    if moments.weight < tiny or not all(part is None or np.isfinite(part).all() for part in sums):
        raise DataError(
            "X, y or sample_weight hold numbers so large or so small that their squares leave the "
            "range of float64 (1e-308 to 1e308): scale them first"
        )
    noise = CONSTANT * np.abs(moments.target_mean)
    constant = np.sqrt(moments.target_m2 / moments.weight) <= noise
    if not constant.any():
        return moments
    varying = ~constant
    return replace(moments, target_m2=moments.target_m2 * varying, cross=moments.cross * varying)


def require_weight(weight: float) -> None:
    """Raise ``DataError`` where no row counts."""
    if not weight > 0.0:
        raise DataError("all sample weights are zero: at least one row must have a positive weight")
