"""Which rows a sample holds, and the pass that picks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.design.blocks import Block
from daskreg.design.host import machine_memory
from daskreg.exceptions import DataError
from daskreg.losses import PointwiseLoss

from .kernels.fused import pays
from .kernels.sample import Picked, SampleKernel
from .kernels.tiles import Labels, numeric_target
from .sample import RowSample
from .survey import Survey
from .weightings import ColumnWeights, Weightings

#: Share of this process's memory that a sample may take.
MEMORY_SHARE = 1 / 8


def draw(
    design: Any,
    loss: PointwiseLoss,
    n_rows: int,
    *,
    seed: int = 0,
    n_total: int,
    fit_intercept: bool = True,
    labels: Labels | None = None,
    class_count: npt.ArrayLike | None = None,
    factors: Callable[[Any], AnyArray] | None = None,
    in_pieces: bool = False,
) -> RowSample:
    """Pick about ``n_rows`` rows, or all: one pass.

    Which rows depends on their numbers and the seed only, so that no chunking, order or scheduler
    changes the answer.  Each class gets an equal share of them, as far as it has so many rows.

    Parameters
    ----------
    design : Design
    loss : PointwiseLoss
    n_rows : int
        Rows wanted; fewer where they would take more than an eighth of this process's memory.
    seed : int
    n_total : int
        Rows with a positive weight.
    fit_intercept : bool
    labels : Labels, optional
        How a classification encodes y, and its class weights.
    class_count : array of int, shape (n_classes,), optional
        Rows of each class with a positive weight.
    factors : callable, optional
        As in ``SampleKernel``.
    in_pieces : bool
        Leave dense rows in the pieces that they come in, if these ascend.

    Raises
    ------
    DataError
        Where no row was picked.
    """
    wanted = min(n_rows, affordable_rows(design))
    if labels is None or class_count is None:
        share, classes = (min(1.0, wanted / max(n_total, 1)),), None
    else:
        share = tuple(class_shares(np.asarray(class_count), wanted).tolist())
        classes = tuple(labels.classes)
    kernel = SampleKernel(seed, share, classes, factors)
    picked: Picked = design.sum_over_rows(kernel, {})
    if not in_pieces or not picked.ascends:
        picked = picked.in_order
    if not len(picked.rows):
        raise DataError(
            f"a sample of {wanted} of {n_total} rows is empty: ask for more rows, or use the "
            "metric 'gram'"
        )
    whole = min(share) == 1.0
    return RowSample(_encoded(picked, labels), loss, fit_intercept, pays(design, 1), whole)


def affordable_rows(design: Any) -> int:
    """Return how many rows fit in the share of the memory that a sample may take."""
    memory = design.memory_limit or machine_memory()
    return max(1, int(MEMORY_SHARE * memory / max(design.row_nbytes + 64.0, 1.0)))


def class_shares(count: AnyArray, n_rows: int) -> Float:
    """Return the probability of a row of each class, so that small classes are taken whole.

    An equal number of each class; what a class lacks is shared out among the others.
    """
    quota = np.zeros(len(count))
    left = float(min(n_rows, count.sum()))
    order = np.argsort(count, kind="stable")
    for place, c in enumerate(order):
        quota[c] = min(float(count[c]), left / (len(order) - place))
        left -= quota[c]
    return np.asarray(np.divide(quota, count, out=np.ones(len(count)), where=count > 0))


def _encoded(picked: Picked, labels: Labels | None) -> Picked:
    """Return the rows with y as the loss wants it, and class weights among the multiplicities."""
    if picked.y is None:
        return picked
    if labels is None:
        return replace(picked, y=numeric_target(picked.y))
    y = labels.encode(picked.y)
    factors = picked.factors
    if factors is not None or (labels.weight != 1.0).any():
        by_class = labels.weight[y[:, 0].astype(np.intp)]
        factors = by_class if factors is None else factors * by_class
    return replace(picked, y=y, factors=factors)


@dataclass(frozen=True, eq=False)
class Multiplicities:
    """How often each row of a block counts in every weighting: what the kernel keeps with rows."""

    weightings: Weightings

    def __call__(self, block: Block) -> Float:
        """Return an array of shape (n_rows, n_weightings)."""
        everyone = np.arange(len(self.weightings))
        return ColumnWeights(self.weightings, everyone, block).rows(0, block.n_rows)


def sample_of(survey: Survey, n_rows: int, seed: int = 0, in_pieces: bool = False) -> RowSample:
    """Draw the rows of a datafit's survey, for all its weightings: one pass after the first.

    Parameters
    ----------
    survey : Survey
    n_rows, seed, in_pieces
        As in :func:`draw`.
    """
    first, weightings = survey.firsts()[0], survey.weightings
    return draw(
        survey.design,
        survey.loss,
        n_rows,
        seed=seed,
        n_total=first.n_rows,
        fit_intercept=survey.fit_intercept,
        labels=first.labels,
        class_count=first.class_count,
        factors=Multiplicities(weightings) if len(weightings) > 1 else None,
        in_pieces=in_pieces,
    )
