"""The census of labels of a design: what stratified folds are built from."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.splits.counters import UInts

from .kernels.labels import (
    Ints,
    LabelCensusKernel,
    LabelCounts,
    LabelHashesKernel,
    LabelRanksKernel,
)

#: Sweeps that are made again because the blocks have been laid out anew in between.
ATTEMPTS = 3
#: Bytes of the histograms of one sweep for hashes.
HISTOGRAM_BYTES = 2**22


class DesignCensus:
    """Labels, counts and places, from sweeps over y; X is not read.

    Independent of how the rows are cut into blocks.  Rows of weight zero count like others.

    Parameters
    ----------
    design : Design
    target : int
        Column of y.

    Attributes
    ----------
    labels : ndarray, shape (n_classes,)
        In order of first appearance.
    counts : ndarray of int, shape (n_classes,)
    n_rows : int

    Raises
    ------
    DataError
        If y is no column of labels.
    """

    def __init__(self, design: Any, target: int = 0) -> None:
        self._design = design
        self._target = target
        self._sweep()

    def _sweep(self) -> None:
        kernel = LabelCensusKernel(self._target)
        found: LabelCounts = self._design.sum_over_rows(kernel)["labels"]
        order = np.argsort(found.first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        runs = sorted(found.runs, key=lambda run: run[0])
        # Number of rows of each class before each block, and after the last one.
        before = np.zeros((len(runs) + 1, len(order)), dtype=np.int64)
        for line, (_, labels, counts) in enumerate(runs, start=1):
            before[line, place[np.searchsorted(found.labels, labels)]] = counts
        self._before: Ints = np.cumsum(before, axis=0)
        self._starts: Ints = np.array([start for start, _, _ in runs], dtype=np.int64)
        self.labels: AnyArray = found.labels[order]
        self.counts: Ints = self._before[-1]
        self.n_rows = int(self.counts.sum())

    def row_numbers(self, ranks: Ints) -> Ints:
        """Return the numbers of the rows of given ranks within their class: one sweep.

        Parameters
        ----------
        ranks : ndarray of int, shape (n_classes, m)
            A rank of ``counts`` or more is no row: ``n_rows`` is returned.
        """
        inside = ranks < self.counts[:, None]
        kernel = LabelRanksKernel(self.labels, self._target)
        for _ in range(ATTEMPTS):
            sums = self._design.sum_over_rows(kernel, self._blocks_of(ranks))
            if np.array_equal(sums["found"] == 1, inside):
                return np.where(inside, sums["row"], self.n_rows)
            self._sweep()  # the design was laid out anew: its blocks are others
        raise RuntimeError("the design changes its blocks from sweep to sweep")

    def _blocks_of(self, ranks: Ints) -> dict[str, Ints]:
        block, rest = np.full(ranks.shape, -1), np.zeros(ranks.shape, dtype=np.int64)
        for code, wanted in enumerate(ranks):
            before = self._before[:, code]
            own = np.searchsorted(before, wanted, side="right") - 1
            inside = own < len(self._starts)
            block[code, inside] = self._starts[own[inside]]
            rest[code] = wanted - before[own]
        return {"block": block, "rank": rest}

    def hash_borders(self, key: UInts, ranks: Ints) -> UInts:
        """Return borders below which lie ``ranks`` of the hashes of each class: some sweeps.

        A radix search: each sweep counts the hashes in the bins of a window, and the bin in which
        a rank lies is its next window.  With b bits a sweep, ``log2(n_rows) / b`` sweeps and one
        or two more.

        Parameters
        ----------
        key : ndarray of uint64, shape (1,)
        ranks : ndarray of int, shape (n_classes, m)
        """
        low, rest = np.zeros(ranks.shape, dtype=np.uint64), ranks.copy()
        inside = ranks < self.counts[:, None]
        most = HISTOGRAM_BYTES // (8 * max(1, ranks.size))
        bits = min(max(most.bit_length() - 1, 4), 12)
        left = 64
        while left and rest[inside].any():
            bits = min(bits, left)
            left -= bits
            kernel = LabelHashesKernel(self.labels, left, bits, self._target)
            sums = self._design.sum_over_rows(kernel, {"key": key, "low": low})
            below = np.cumsum(sums["counts"], axis=-1)
            # The bin that holds the hash of this rank: at most `rest` hashes lie before it.
            own = np.minimum((below <= rest[..., None]).sum(axis=-1), 2**bits - 1)
            passed = np.concatenate([np.zeros_like(below[..., :1]), below], axis=-1)
            rest = rest - np.take_along_axis(passed, own[..., None], axis=-1)[..., 0]
            low += own.astype(np.uint64) << np.uint64(left)
        return np.where(inside, low, np.uint64(2**64 - 1))


def census(design: Any, target: int = 0) -> DesignCensus:
    """Return which labels a design holds, how often and, when asked, where: one sweep over y."""
    return DesignCensus(design, target)
