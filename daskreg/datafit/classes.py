"""From moments by class to those of a classification, under each weighting of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import DataError

from .first import require_weight
from .groups import ALL, Groups
from .kernels.tiles import Labels
from .label_sums import centred
from .moments import Moments, sum_of

ClassWeight = Mapping[Any, float] | str | None


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes under every weighting.

    Attributes
    ----------
    labels : Labels
    classes : ndarray, shape (n_classes,)
        In ascending order, in the type of y.
    moments : list of Moments
        Of all rows of each weighting, with class weights; the one target is 0 or 1, of coupled
        classes there is one for each, 1 where a row is of the class.
    count : list of ndarray of int, shape (n_classes,)
        Rows of each class with a positive weight.
    sums : list of ndarray, shape (n_classes,)
        Sum of the weights of each class, before class weights.
    """

    labels: Labels
    classes: AnyArray
    moments: list[Moments]
    count: list[AnyArray]
    sums: list[Float]


def join_classes(
    groups: Groups,
    found: Sequence[Sequence[Moments | None]],
    names: Sequence[str],
    given: AnyArray | None,
    class_weight: ClassWeight,
    coupled: bool = False,
) -> Classes:
    """Join the moments of classes under their class weights.

    Parameters
    ----------
    groups : Groups
        Of the first pass, with the labels that y was found to hold.
    found : sequence, one for each weighting
        Of the moments of each class; None where no row of it counts.  Of all rows, the first, they
        are not looked at where the groups have targets of their own.
    names : sequence of str
        What the weightings are called in a message; empty for all rows.
    given : ndarray or None
        Labels that y may hold.
    class_weight : mapping, "balanced" or None
        "balanced" is that of the rows of each weighting.
    coupled : bool
        Whether each class has a target of its own.

    Raises
    ------
    DataError
        For less than two classes, for labels that are not among ``given``, or where a weighting
        or a class weight leaves a class without weight.
    """
    classes = _checked_classes(groups.labels, given)
    targets = np.eye(len(classes)) if coupled else np.arange(len(classes), dtype=float)[:, None]
    table, joined, count, sums = [], [], [], []
    for number, (own, name) in enumerate(zip(found, names, strict=True)):
        if number == 0 and groups.tallies:
            tallies = np.array([groups.tallies[label] for label in groups.label_keys])
            table.append((1.0,) * len(classes))
            count.append(tallies[:, 0].astype(np.intp))
            sums.append(tallies[:, 1])
            joined.append(_chosen_targets(centred(groups.moments[ALL, None]), coupled))
            continue
        parts = _complete(own, classes, name)
        factors = _class_factors(parts, classes, class_weight)
        table.append(factors)
        count.append(np.array([m.n_rows for m in parts]))
        sums.append(np.array([m.weight for m in parts]))
        weighted = [
            _with_target(moments.scaled(factor), target)
            for moments, factor, target in zip(parts, factors, targets, strict=True)
        ]
        joined.append(sum_of(weighted))
    weight = np.array(table).T
    return Classes(Labels(tuple(classes.tolist()), weight), classes, joined, count, sums)


def _checked_classes(found: AnyArray, given: AnyArray | None) -> AnyArray:
    if given is not None:
        known = np.asarray(given)
        strange = [label for label in found.tolist() if label not in known.tolist()]
        if strange:
            raise DataError(f"y holds {strange[0]!r}, which is not among the classes {known}")
    if len(found) == 0:
        require_weight(0.0)
    if len(found) == 1:
        raise DataError(
            f"y holds one class only, {found.tolist()[0]!r} (rows of weight zero do not count): "
            "a classification needs two"
        )
    return found


def _complete(own: Sequence[Moments | None], classes: AnyArray, name: str) -> list[Moments]:
    """Return the moments of every class; raise ``DataError`` where a weighting lacks one."""
    parts = [part for part in own if part is not None and part.weight > 0.0]
    if len(parts) == len(own):
        return parts
    absent = [
        label
        for label, part in zip(classes.tolist(), own, strict=True)
        if part is None or not part.weight > 0.0
    ]
    raise DataError(
        f"{name}: no row of class {absent[0]!r} has a weight there; a classification needs every "
        "class in the rows it is fitted on: use fewer folds or stratified ones"
    )


def _class_factors(
    parts: Sequence[Moments], classes: AnyArray, class_weight: ClassWeight
) -> tuple[float, ...]:
    labels = classes.tolist()
    if class_weight is None:
        return tuple(1.0 for _ in labels)
    sums = [m.weight for m in parts]
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                f"class_weight must be None, 'balanced' or a mapping, got {class_weight!r}"
            )
        return tuple(sum(sums) / (len(sums) * weight) for weight in sums)
    unknown = [label for label in class_weight if label not in labels]
    if unknown:
        raise DataError(f"class_weight names {unknown[0]!r}, but y holds the classes {labels}")
    factors = tuple(float(class_weight.get(label, 1.0)) for label in labels)
    for label, factor in zip(labels, factors, strict=True):
        if not factor > 0.0:
            raise DataError(
                f"class_weight leaves class {label!r} without weight: "
                "every class needs a positive one"
            )
    return factors


def _chosen_targets(moments: Moments, coupled: bool) -> Moments:
    """Return moments with the targets of all classes, or that of the second of two."""
    chosen = slice(None) if coupled else slice(1, 2)
    names = ("target_mean", "target_m2", "cross")
    return replace(moments, **{name: getattr(moments, name)[..., chosen] for name in names})


def _with_target(moments: Moments, y: Float) -> Moments:
    """Return the moments with targets (q,) that are the same in every row."""
    p, q = len(moments.mean), len(y)
    return Moments(
        *(moments.weight, moments.n_rows, moments.mean, moments.m2),
        y,
        np.zeros(q),
        np.zeros((p, q)),
        moments.gram,
        moments.columns,
    )
