"""Sweeps over the labels alone: which there are, and where in the data each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, State
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.exceptions import DataError
from daskreg.splits.counters import UInts, draw

from .classes import find_labels

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """Labels of a set of rows, and of each block how many rows of which label it has.

    Attributes
    ----------
    labels : ndarray, shape (m,)
        In ascending order.
    first : ndarray of int, shape (m,)
        Smallest row number of each label.
    runs : tuple of (int, ndarray, ndarray)
        Of each block its first row, its labels and how often it holds them.
    """

    labels: AnyArray
    first: Ints
    runs: tuple[tuple[int, AnyArray, Ints], ...]

    def __add__(self, other: LabelCounts) -> LabelCounts:
        labels, codes = find_labels(np.concatenate([self.labels, other.labels]))
        first = np.full(len(labels), np.iinfo(np.int64).max)
        np.minimum.at(first, codes, np.concatenate([self.first, other.first]))
        return LabelCounts(labels, first, self.runs + other.runs)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        runs = sum(labels.nbytes + counts.nbytes for _, labels, counts in self.runs)
        return int(self.labels.nbytes + self.first.nbytes + runs)


@dataclass(frozen=True)
class LabelCensusKernel:
    """Count the labels of each block, whatever the weights of its rows.

    Parameters
    ----------
    target : int
        Column of y.
    """

    name: ClassVar[str] = "labels"
    reads_X: ClassVar[bool] = False
    target: int = 0

    def __call__(self, block: Block, state: State) -> Sums:
        labels, codes = find_labels(label_column(block, self.target))
        first = np.full(len(labels), block.n_rows)
        np.minimum.at(first, codes, np.arange(block.n_rows))
        counts = np.bincount(codes, minlength=len(labels)).astype(np.int64)
        runs = ((block.start, labels, counts),)
        return Sums(labels=LabelCounts(labels, block.start + first, runs))


@dataclass(frozen=True, eq=False)
class LabelRanksKernel:
    """Find the rows of given ranks within their class.

    The state holds ``block`` (m, t), the first row of the block in which each of the t rows of
    class m lies, and ``rank`` (m, t), its rank among the rows of its class in that block.

    Parameters
    ----------
    labels : ndarray, shape (m,)
    target : int
        Column of y.

    Returns
    -------
    Sums
        ``row`` (m, t), the row number, and ``found`` (m, t), whether this block has it.
    """

    name: ClassVar[str] = "label-ranks"
    reads_X: ClassVar[bool] = False
    labels: AnyArray
    target: int = 0

    def __call__(self, block: Block, state: State) -> Sums:
        y = label_column(block, self.target)
        ranks = np.asarray(state["rank"])
        row, found = np.zeros(ranks.shape, np.int64), np.zeros(ranks.shape, np.int64)
        here = np.asarray(state["block"]) == block.start
        for code in np.flatnonzero(here.any(axis=1)).tolist():
            places = np.flatnonzero(y == self.labels[code])
            own = here[code] & (ranks[code] < len(places))
            row[code, own] = block.start + places[ranks[code, own]]
            found[code, own] = 1
        return Sums(row=row, found=found)


@dataclass(frozen=True, eq=False)
class LabelHashesKernel:
    """Histograms of hashes of the row numbers of each class, in one window for each border.

    The state holds ``key`` (1,), the stream of hashes, and ``low`` (m, t), the first hash of each
    window.

    Parameters
    ----------
    labels : ndarray, shape (m,)
    shift : int
        Bins are ``2**shift`` wide ...
    bits : int
        ... and ``2**bits`` in number.
    target : int
        Column of y.

    Returns
    -------
    Sums
        ``counts`` (m, t, 2**bits).
    """

    name: ClassVar[str] = "label-hashes"
    reads_X: ClassVar[bool] = False
    labels: AnyArray
    shift: int
    bits: int
    target: int = 0

    def __call__(self, block: Block, state: State) -> Sums:
        y = label_column(block, self.target)
        hashes = draw(state["key"], np.arange(block.start, block.start + block.n_rows))
        low: UInts = state["low"]
        counts = np.zeros((*low.shape, 2**self.bits), dtype=np.int64)
        for code, label in enumerate(self.labels):
            own = hashes[y == label]
            for place, start in enumerate(low[code]):
                bins = (own[own >= start] - start) >> np.uint64(self.shift)
                inside = bins[bins < 2**self.bits].astype(np.intp)
                counts[code, place] = np.bincount(inside, minlength=2**self.bits)
        return Sums(counts=counts)


def label_column(block: Block, target: int) -> AnyArray:
    """Return one column of y as it is stored; raise ``DataError`` where there is none."""
    if block.y is None:
        raise DataError("the data have no target: expected y, got None")
    return block.y[:, target]
