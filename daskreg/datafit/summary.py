"""From the moments of the first pass to its summaries, one for each weighting of the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import DataError
from daskreg.losses import Logistic, Multinomial, PointwiseLoss

from .classes import Classes, ClassWeight, join_classes
from .first import FirstPass, Geometry, require_weight, settled
from .groups import ALL, Groups
from .kernels.classes import refuse_many
from .label_sums import centred
from .moments import Moments
from .null import null_from_moments, null_from_rows
from .weightings import Weightings


def summarise(
    found: Groups,
    weightings: Weightings,
    design: Any,
    loss: PointwiseLoss,
    fit_intercept: bool,
    standardize: bool,
    given_classes: AnyArray | None,
    class_weight: ClassWeight,
) -> tuple[tuple[FirstPass, ...], tuple[Float | None, ...]]:
    """Return summaries and, where their sums are there, Gram columns in solver coordinates.

    With an offset the null model of a classification takes a few sweeps over the targets; they
    read no column of X.

    Raises
    ------
    DataError
        For classes that the loss cannot tell apart, several with an offset, where nothing has a
        weight in a training or test set, or where squares overflow.
    """
    weightings.check_rows(found)
    names = [_name(pair) for pair in weightings.pairs]
    parts = [_moments_of(found, weightings, number) for number in range(len(weightings))]
    classes = None
    if loss.is_classifier:
        coupled = isinstance(loss, Multinomial)
        _require_known(found.labels, loss, design.has_offset)
        classes = join_classes(found, parts, names, given_classes, class_weight, coupled)
        joined = classes.moments
    else:
        joined = [_only(part[0], name) for part, name in zip(parts, names, strict=True)]
    firsts, grams = [], []
    # A Gram matrix of all labels together has no class weights: a metric may be off, as long as it
    # bends like the problem.
    whole = found.moments.get((ALL, None)) if loss.is_classifier else None
    for number, moments in enumerate(joined):
        metric = moments if number or whole is None else centred(whole)
        first, gram = _first(moments, metric, loss, fit_intercept, standardize)
        firsts.append(first if classes is None else _with_classes(first, classes, number))
        grams.append(gram)
    if classes is not None and design.has_offset:
        firsts = _null_with_offset(firsts, design, loss, weightings, fit_intercept)
    return tuple(firsts), tuple(grams)


def _require_known(labels: AnyArray, loss: PointwiseLoss, has_offset: bool) -> None:
    """Raise ``DataError`` for labels that the loss cannot tell apart, and what it cannot offset."""
    if isinstance(loss, Logistic):
        refuse_many(labels)
    elif has_offset:
        raise DataError(
            f"y holds {len(labels)} classes and an offset was given: the same number in the linear "
            "predictors of all classes changes nothing; leave the offset out"
        )


def _name(pair: tuple[int, int]) -> str:
    """Return what a message calls the rows of a weighting."""
    fold, bootstrap = pair
    words = [f"training rows of fold {fold}"] if fold >= 0 else []
    words += [f"resample {bootstrap}"] if bootstrap >= 0 else []
    return ", ".join(words) or "all rows"


def _moments_of(found: Groups, weightings: Weightings, number: int) -> list[Moments | None]:
    """Return the moments of one weighting by label; None where no row of a label counts."""
    whole = number == 0 or (number, None) not in found.moments
    if not weightings.by_atoms and number and whole:
        return [
            found.batches[label].of(number) if label in found.batches else None
            for label in found.label_keys
        ]
    if not weightings.by_atoms:
        return [found.of([number if number else ALL], label) for label in found.label_keys]
    labels = found.label_keys
    if not number and all((ALL, label) in found.moments for label in labels):
        return [found.of([ALL], label) for label in labels]
    atoms = np.flatnonzero(weightings.trained([number])[:, 0]).tolist()
    return [
        found.of([ALL], label) if not number and (ALL, label) in found.moments
        else found.of(atoms, label)
        for label in labels
    ]  # fmt: skip


def _only(moments: Moments | None, name: str) -> Moments:
    if moments is None:
        raise DataError(f"{name}: there is no row to fit on; use fewer folds")
    return moments


def _first(
    moments: Moments,
    metric: Moments,
    loss: PointwiseLoss,
    fit_intercept: bool,
    standardize: bool,
) -> tuple[FirstPass, Float | None]:
    """Return the summary of moments, and the Gram columns of ``metric``, of mostly the same."""
    require_weight(moments.weight)
    same, moments = metric is moments, settled(moments)
    metric = moments if same else settled(metric)
    geometry = Geometry.of(moments, fit_intercept, standardize)
    mean = moments.target_mean
    cross = geometry.products(moments, moments.cross, mean)
    square = moments.target_m2 / moments.weight
    if not fit_intercept:
        square = square + np.square(mean)
    ones = (geometry.mean - geometry.center) * geometry.inverse_scale
    value, intercept, grad = null_from_moments(loss, mean, square, cross, fit_intercept, ones)
    gram = geometry.gram(metric)
    first = FirstPass(
        total_weight=moments.weight,
        n_rows=moments.n_rows,
        mean=geometry.mean,
        sd=geometry.sd,
        center=geometry.center,
        inverse_scale=geometry.inverse_scale,
        target_mean=mean,
        target_square=square,
        cross=cross,
        null_value=value,
        null_intercept=intercept,
        null_grad=grad,
        free=moments.columns,
        free_gram=None if moments.columns is None else gram,
    )
    return first, gram


def _with_classes(first: FirstPass, classes: Classes, number: int) -> FirstPass:
    return replace(
        first,
        labels=classes.labels,
        classes=classes.classes,
        class_count=classes.count[number],
        class_sum=classes.sums[number],
    )


def _null_with_offset(
    firsts: list[FirstPass],
    design: Any,
    loss: PointwiseLoss,
    weightings: Weightings,
    fit_intercept: bool,
) -> list[FirstPass]:
    """Return the summaries with the null model of the offset, whose gradient takes a pass."""
    start = np.array([first.null_intercept[0, 0] for first in firsts])
    value, intercept = null_from_rows(
        design, loss, firsts[0].labels, weightings, start, fit_intercept
    )
    return [
        replace(
            first,
            null_value=value[number : number + 1] / first.total_weight,
            null_intercept=intercept[:, number : number + 1],
            null_grad=None,
        )
        for number, first in enumerate(firsts)
    ]
