"""The first look at the data: one pass, remembered, shared by all problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.losses import PointwiseLoss

from .evaluation import Evaluation
from .first import FirstPass
from .kernels.moments import MomentsKernel
from .kernels.tiles import compute_dtype
from .summary import summarise

#: Narrower Gram matrices are float64 always: their cost is reading X ...
NARROW = 128
#: ... and so are those of fewer multiplications than this, a second of one core.
SMALL = 4e9


class Survey:
    """Moments of a design, with or without its Gram matrix, made when first asked for.

    Parameters
    ----------
    design : Design
    loss : PointwiseLoss
    fit_intercept, standardize : bool
    classes : ndarray, shape (2,), or None
    class_weight : mapping, "balanced" or None

    Attributes
    ----------
    null : Evaluation or None
        One column for each target at the null model, once it is known.
    """

    def __init__(
        self,
        design: Any,
        loss: PointwiseLoss,
        fit_intercept: bool,
        standardize: bool,
        classes: AnyArray | None,
        class_weight: Mapping[Any, float] | str | None,
    ) -> None:
        self.design = design
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.classes = classes
        self.class_weight = class_weight
        self.null: Evaluation | None = None
        self._first: FirstPass | None = None
        self._gram: tuple[Float, float] | None = None

    def first(self, free: npt.ArrayLike = ()) -> FirstPass:
        """Return the summary of the first pass, with the Gram columns ``free`` (squared loss)."""
        known = self._first
        if known is not None and (self._gram is not None or not np.size(free)):
            return known
        wanted = np.unique(np.asarray(free, dtype=np.intp))
        if self.loss.is_classifier:
            wanted = wanted[:0]
        if known is None or not np.isin(wanted, [] if known.free is None else known.free).all():
            kernel = MomentsKernel(self.loss.is_classifier, tuple(wanted.tolist()))
            known = self._first = self._look(kernel)[0]
            self.null = None
        return known

    def gram(self, tol: float) -> tuple[Float, float]:
        """Return the Gram matrix in solver coordinates and its relative rounding.

        The same pass brings the summary.
        """
        if self._gram is None:
            kernel = self.kernel(gram=True, tol=tol)
            self._first, gram = self._look(kernel)
            assert gram is not None
            rounding = float(np.finfo(np.float64).eps)
            if kernel.gram_dtype == "float32":
                rounding = _measured(gram, self._first.second_moment)
            self._gram = gram, rounding
        return self._gram

    def free_gram(self) -> tuple[AnyArray | None, Float | None]:
        """Return column numbers (None: all) and Gram columns (p, f) that are at hand, if any."""
        if self._gram is not None:
            return None, self._gram[0]
        first = self.first()
        return first.free, first.free_gram

    def kernel(self, gram: bool, tol: float = 0.0) -> MomentsKernel:
        """Return the kernel of the first pass, without free columns."""
        if not gram:
            return MomentsKernel(self.loss.is_classifier)
        p, n = self.design.n_features, self.design.n_samples or np.inf
        small = self.design.sparse or p < NARROW or n * p**2 < SMALL
        dtype = np.dtype(np.float64) if small else compute_dtype(self.design.dtype, tol)
        return MomentsKernel(self.loss.is_classifier, columns=None, gram_dtype=dtype.name)

    def _look(self, kernel: MomentsKernel) -> tuple[FirstPass, Float | None]:
        found = self.design.sum_over_rows(kernel)["moments"]
        return summarise(
            found,
            *(self.design, self.loss, self.fit_intercept, self.standardize),
            *(self.classes, self.class_weight),
        )


def _measured(gram: Float, second_moment: Float) -> float:
    """Return the rounding of a float32 Gram matrix, from its diagonal.

    The same pass sums the diagonal in float64.  Its entries err the most: their terms have one
    sign, and in columns of few distinct values every product may be rounded the same way, so that
    no estimate from the number of rows holds.  Strongly correlated columns have been seen to err
    twice as much as the diagonal: four times its largest error is taken, and never less than half
    a unit of float32.
    """
    used = second_moment > 0.0
    error = np.abs(np.diag(gram)[used] / second_moment[used] - 1.0)
    return max(4.0 * float(error.max(initial=0.0)), 2.0**-25)
