"""Moments of groups of rows: of each label, each atom of the folds, each resample."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from daskreg._array import beside, concatenated, namespace
from daskreg._typing import AnyArray

from .label_sums import LabelSums, absorbed, centred
from .moments import Moments, MomentsBatch, sum_of

#: Part of :class:`Groups` that stands for all rows.
ALL = -1
#: Labels whose Gram matrices are kept apart; of more there is one of all rows.
APART = 2

Key = tuple[int, Any]
Parts = dict[Key, Moments | LabelSums]
#: Rows of a positive weight, and the sum of their weights.
Tally = tuple[int, float]


class Groups:
    """Moments of groups of rows; ``+`` joins the groups that blocks have found.

    Attributes
    ----------
    labels : ndarray, shape (n_classes,)
        Distinct labels in ascending order, in the type of y; empty for a regression.
    moments : dict
        By part and label (None for a regression).  A part is an atom of the folds, ``ALL`` rows
        or, with resamples, the number of a weighting.  Of a classification (ALL, None) are the
        moments of all labels with their Gram matrix, where labels do not have their own.
        What has no class weights has a target there for each label, 1 where a row has it, and no
        moments of ALL rows by label; of sparse rows these are ``LabelSums`` until ``whole``.
    batches : dict
        By label: moments of all weightings together.
    tallies : dict
        By label: of all rows, where (ALL, None) has targets.
    """

    def __init__(
        self,
        labels: AnyArray,
        moments: Parts,
        batches: dict[Any, MomentsBatch] | None = None,
        tallies: dict[Any, Tally] | None = None,
    ) -> None:
        self.labels = labels
        self.moments = moments
        self.batches = batches or {}
        self.tallies = tallies or {}

    def __add__(self, other: Any) -> Groups:
        if not isinstance(other, Groups):
            return NotImplemented
        return self._joined(other, operator.add)

    def absorb(self, other: Groups) -> Groups:
        """Add like ``+``, sums of sparse columns and Gram matrices in their own memory: of no use
        afterwards itself."""
        return self._joined(other, absorbed)

    def _joined(self, other: Groups, plus: Callable[[Any, Any], Any]) -> Groups:
        labels = np.union1d(self.labels, other.labels)
        moments, added = self.moments, other.moments
        whole = (ALL, None) in moments or (ALL, None) in added
        if len(labels) and (whole or len(labels) > APART):
            moments, added = _together(moments), _together(added)
        if len(labels) and whole:
            moments, added = (
                _widened(moments, self.labels, labels),
                _widened(added, other.labels, labels),
            )
        moments, batches = dict(moments), dict(self.batches)
        for key, more in added.items():
            moments[key] = plus(moments[key], more) if key in moments else more
        for label, batch in other.batches.items():
            batches[label] = batches[label] + batch if label in batches else batch
        tallies = dict(self.tallies)
        for label, (n_rows, weight) in other.tallies.items():
            before = tallies.get(label, (0, 0.0))
            tallies[label] = before[0] + n_rows, before[1] + weight
        return Groups(labels, moments, batches, tallies)

    def mapped(self, change: Callable[[Any], Any]) -> Groups:
        """Return the groups with changed arrays: fetched from a card, or sent to one.

        ``LabelSums`` never were on one.
        """
        moments: Parts = {
            key: part.mapped(change) if isinstance(part, Moments) else part
            for key, part in self.moments.items()
        }
        return Groups(self.labels, moments, self.batches, self.tallies)

    def whole(self) -> Groups:
        """Return the groups with their Gram matrices as arrays."""
        moments: Parts = {key: centred(part).whole() for key, part in self.moments.items()}
        return Groups(self.labels, moments, self.batches, self.tallies)

    @property
    def label_keys(self) -> list[Any]:
        """Labels as keys of the moments, in ascending order; None alone for a regression."""
        return self.labels.tolist() if len(self.labels) else [None]

    def of(self, parts: list[int], label: Any) -> Moments | None:
        """Return the joined moments of some parts under one label; None where no row is theirs."""
        known = [self.moments[part, label] for part in parts if (part, label) in self.moments]
        return sum_of([centred(part) for part in known]) if known else None

    @property
    def nbytes(self) -> int:
        """Bytes of labels and moments."""
        moments = sum(part.nbytes for part in self.moments.values())
        batches = sum(batch.nbytes for batch in self.batches.values())
        return int(self.labels.nbytes) + moments + batches


def _widened(moments: Parts, own: AnyArray, labels: AnyArray) -> Parts:
    """Return moments whose (ALL, None), if it has targets, has one for each of ``labels``."""
    if (ALL, None) not in moments or len(own) == len(labels):
        return moments
    part = centred(moments[ALL, None])
    if not part.target_mean.shape[0]:
        return moments
    place = np.searchsorted(own, labels)
    place = np.where(np.isin(labels, own), place, len(own))  # of zeros, behind the others

    def wide(values: Any) -> Any:
        xp = namespace(values)
        padded = concatenated([values, xp.zeros_like(values[..., :1])], axis=-1)
        return xp.take(padded, beside(values, place), axis=-1)

    wider = replace(
        part,
        target_mean=wide(part.target_mean),
        target_m2=wide(part.target_m2),
        cross=wide(part.cross),
    )
    return {**moments, (ALL, None): wider}


def _together(moments: Parts) -> Parts:
    """Return moments whose labels have no Gram matrices of their own: they are in (ALL, None)."""
    own = {
        key: part
        for key, part in moments.items()
        if key[1] is not None and isinstance(part, Moments) and part.gram is not None
    }
    if not own:
        return moments
    plain = {key: replace(part, gram=None, columns=None) for key, part in own.items()}
    before = [centred(moments[ALL, None])] if (ALL, None) in moments else []
    return {**moments, **plain, (ALL, None): sum_of([*before, *own.values()])}
