"""The first look at the data: one pass, remembered, shared by all problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daskreg._array import name_of
from daskreg._typing import AnyArray, Float
from daskreg.exceptions import DataError
from daskreg.losses import LogLoss, Multinomial

from .evaluation import Evaluation
from .first import FirstPass
from .groups import Groups
from .kernels.fused import pays
from .kernels.moments import MomentsKernel
from .kernels.tiles import FLOAT32_KIND, compute_dtype
from .sample import RowSample
from .summary import summarise
from .weightings import Weightings

if TYPE_CHECKING:
    from .gathered import GatheredRows

#: Narrower Gram matrices of a regression are float64 always: their cost is reading X ...
NARROW = 128
#: ... and so are those of fewer multiplications than this, a second of one core.
SMALL = 4e9
#: Others of a classification are only the metric of its steps, and multiplied in float32 whatever
#: the storage type, unless that misses their diagonal by this share.
COARSE = 1e-3


class Survey:
    """Moments of a design, with or without its Gram matrix, made when first asked for.

    Parameters
    ----------
    design : Design
    loss : PointwiseLoss or LogLoss
    fit_intercept, standardize : bool
    classes : ndarray, shape (n_classes,), or None
    class_weight : mapping, "balanced" or None
    weightings : Weightings
        How rows may count; each has summaries of its own from the same pass.
    plain_gram : bool
        Resamples go without Gram matrices of their own, which many of them could not hold.

    Attributes
    ----------
    loss : PointwiseLoss or LogLoss
        A ``LogLoss`` until the first pass has told how many classes there are.
    null : Evaluation or None
        One column for each weighting and target at the null model, once it is known.
    atoms : Groups or None
        Moments of each atom of the folds, where they came with Gram matrices.
    whole : (columns, Survey) or None
        What these columns were selected from, where columns are read alone.
    gathered : GatheredRows or None
        Rows that are at hand, of these columns or of those selected before.
    """

    def __init__(
        self,
        design: Any,
        loss: Any,
        fit_intercept: bool,
        standardize: bool,
        classes: AnyArray | None,
        class_weight: Mapping[Any, float] | str | None,
        weightings: Weightings,
        plain_gram: bool = False,
    ) -> None:
        self.design = design
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.classes = classes
        self.class_weight = class_weight
        self.weightings = weightings
        self.plain_gram = plain_gram
        self.null: Evaluation | None = None
        self.atoms: Groups | None = None
        self._firsts: tuple[FirstPass, ...] | None = None
        self._grams: tuple[tuple[Float, float] | None, ...] | None = None
        self.samples: dict[tuple[int, int], RowSample] = {}
        self._part: tuple[npt.NDArray[np.intp], Survey] | None = None
        self.whole: tuple[npt.NDArray[np.intp], Survey] | None = None
        self.gathered: GatheredRows | None = None

    def restricted(self, columns: npt.NDArray[np.intp]) -> Survey:
        """Return the survey of some columns; the last one is kept until another is asked for.

        Where columns are read alone, rows that it has gathered are handed on to the next.
        """
        if self._part is None or not np.array_equal(self._part[0], columns):
            before = None if self._part is None else self._part[1]
            # Of columns that were not read alone the rows are numbered otherwise.
            known = None if before is None or before.whole is None else before.gathered
            self.close_part()
            part = self.of_columns(columns)
            if self.design.reads_columns:
                part.whole, part.gathered = (columns, self), known
            self._part = columns.copy(), part
        return self._part[1]

    def of_columns(self, columns: npt.NDArray[np.intp]) -> Survey:
        """Return a survey of some columns, which knows of the first pass what this one knows."""
        part = Survey(
            self.design.select(columns),
            *(self.loss, self.fit_intercept, self.standardize, self.classes),
            *(self.class_weight, self.weightings),
        )
        # A pass that reads whole rows is to come first, and keeps the columns.
        if self.design.reads_columns and self._firsts is not None:
            part._firsts = tuple(first.of_columns(columns) for first in self._firsts)
        return part

    def close_part(self) -> None:
        """Let go of the columns that ``restricted`` has gathered."""
        if self._part is not None:
            self._part[1].design.close()
            self._part = None

    def firsts(self, free: npt.ArrayLike = ()) -> tuple[FirstPass, ...]:
        """Return the summaries of the first pass, one for each weighting.

        With the squared loss the Gram columns ``free`` come along.
        """
        known, free = self._firsts, np.asarray(free, dtype=np.intp)
        if known is not None and (self._grams is not None or not free.size):
            return known
        wanted = np.unique(free)
        if self.loss.is_classifier:
            wanted = wanted[:0]
        held = None if known is None else known[0].free
        if known is None or not np.isin(wanted, () if held is None else held).all():
            columns = tuple(wanted.tolist())
            kernel = replace(self.kernel(gram=False), columns=columns)
            known = self._firsts = self._look(kernel)[0]
            self.null = None
        return known

    def gram(self, tol: float, number: int = 0) -> tuple[Float, float]:
        """Return the Gram matrix of a weighting in solver coordinates and its relative rounding.

        The same pass brings the summaries.  Of a classification only that of all rows is known.
        """
        if self._grams is None:
            kernel, (self._firsts, grams) = self._gram_look(tol)
            self._grams = tuple(
                None if gram is None else (gram, _rounding(kernel, gram, first))
                for gram, first in zip(grams, self._firsts, strict=True)
            )
        found = self._grams[number]
        assert found is not None
        return found

    def free_gram(self, number: int = 0) -> tuple[AnyArray | None, Float | None]:
        """Return column numbers (None: all) and Gram columns (p, f) that are at hand, if any."""
        grams = None if self._grams is None else self._grams[number]
        if grams is not None:
            return None, grams[0]
        first = self.firsts()[number]
        return first.free, first.free_gram

    @property
    def n_outputs(self) -> int:
        """Linear predictors of a row; of labels the first pass tells, and is made if need be."""
        if not isinstance(self.loss, (LogLoss, Multinomial)):
            return 1
        return len(self.firsts()[0].null_intercept)

    @property
    def counts(self) -> tuple[int, int]:
        """Outputs and labels as far as they are known; without a pass labels are two."""
        classes = self.classes
        if self._firsts is not None:
            classes = self._firsts[0].classes
        return self.counts_of(2 if classes is None else max(2, len(classes)))

    def counts_of(self, n_labels: int) -> tuple[int, int]:
        """Return the outputs that there would be for so many labels, and these."""
        coupled = isinstance(self.loss, Multinomial)
        coupled = coupled or (isinstance(self.loss, LogLoss) and n_labels > 2)
        return (n_labels if coupled else 1), n_labels

    def kernel(self, gram: bool, tol: float = 0.0) -> MomentsKernel:
        """Return the kernel of the first pass, without free columns."""
        apart = self.loss.is_classifier and self.class_weight is not None
        if not gram:
            return MomentsKernel(
                self.loss.is_classifier,
                weightings=self.weightings,
                apart_by_label=apart,
                compiled=pays(self.design, 1, once=True),
            )
        p, n = self.design.n_features, self.design.n_samples or np.inf
        narrow = p < NARROW and not self.loss.is_classifier
        small = self.design.sparse or narrow or n * p**2 < SMALL
        rough = "float32" if self.loss.is_classifier else compute_dtype(self.design.dtype, tol).name
        dtype = "float64" if small else rough
        return MomentsKernel(
            *(self.loss.is_classifier, None, dtype, self.weightings, apart, self.plain_gram),
            compiled=pays(self.design, 1, once=True),
        )

    def _gram_look(
        self, tol: float
    ) -> tuple[MomentsKernel, tuple[tuple[FirstPass, ...], tuple[Float | None, ...]]]:
        """Make the pass; twice where numbers of float64 leave the range of rough products."""
        kernel = self.kernel(gram=True, tol=tol)
        small = name_of(self.design.dtype) in FLOAT32_KIND
        if kernel.gram_dtype == "float64" or small:
            return kernel, self._look(kernel)
        try:
            found = self._look(kernel)
            pairs = zip(found[1], found[0], strict=True)
            known = [_rounding(kernel, gram, first) for gram, first in pairs if gram is not None]
            if max(known, default=0.0) < COARSE:
                return kernel, found
        except DataError:
            pass  # of another kind it comes again
        kernel = replace(kernel, gram_dtype="float64")
        return kernel, self._look(kernel)

    def _look(
        self, kernel: MomentsKernel
    ) -> tuple[tuple[FirstPass, ...], tuple[Float | None, ...]]:
        found = self.design.sum_over_rows(kernel)["moments"].whole()
        if isinstance(self.loss, LogLoss):
            self.loss = self.loss.of_classes(len(found.labels))
        whole = kernel.columns is None and not kernel.by_label
        if whole and self.weightings.folds is not None and self.weightings.by_atoms:
            self.atoms = found
        return summarise(
            *(found, self.weightings, self.design, self.loss),
            *(self.fit_intercept, self.standardize, self.classes, self.class_weight),
        )


def _rounding(kernel: MomentsKernel, gram: Float, first: FirstPass) -> float:
    if kernel.gram_dtype == "float32":
        return _measured(gram, first.second_moment)
    return float(np.finfo(np.float64).eps)


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
