"""Held-out scores of many columns, each on the test rows of its own fold, in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float, Matrix, State
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.exceptions import DataError
from daskreg.losses import PointwiseLoss
from daskreg.splits import Folds, RowKeys

from .gradient import Products
from .ranking import bin_numbers, class_logits, log_total
from .spread import Spread
from .tiles import BLOCK_BYTES, Labels, column_sums, numeric_target, tile_borders, tile_rows

#: The sums over rows that each metric needs.
SUMS_OF = {
    "loss": ("loss",),
    "deviance": ("loss",),
    "log_loss": ("loss",),
    "mse": ("squared",),
    "mae": ("absolute",),
    "r2": ("squared", "spread"),
    "accuracy": ("right",),
    "auc": ("bins",),
}
N_BINS = 4096


@dataclass(frozen=True, eq=False)
class _Group:
    """The columns that are scored on the same rows.

    ``rows`` are numbers in the block in ascending order, None: all of them.
    """

    columns: npt.NDArray[np.intp]
    rows: npt.NDArray[np.intp] | None

    def within(self, start: int, stop: int) -> AnyArray | slice:
        """Return the rows in ``start:stop``, counted from start."""
        if self.rows is None:
            return slice(0, stop - start)
        first, last = np.searchsorted(self.rows, [start, stop])
        if last - first == stop - start:
            return slice(0, stop - start)
        return self.rows[first:last] - start


@dataclass(frozen=True)
class ScoreKernel:
    """Weighted sums, for each column over the held-out rows of its fold, of what metrics need.

    The state holds, for C columns, ``coef`` (p, n_outputs * C) in original units with the columns
    of an output side by side, ``intercept`` (n_outputs * C,), ``target`` (C,), ``fold`` (C,),
    -1: all rows, for "auc" ``center`` and ``spread`` (n_outputs, C), where bins are finest and
    how far they reach, and where columns lie far from zero ``shift`` (p,), as for
    ``GradientKernel``.

    Each row is multiplied with the columns of the folds that hold it out, so that k folds cost no
    more than one.  Class weights do not count: they are part of the fit.

    Parameters
    ----------
    loss : PointwiseLoss
        With several outputs it is the log loss of the softmax, whatever is given here.
    metrics : tuple of str
        Keys of ``SUMS_OF``.
    labels : Labels or None
        The classes, of which only the values are used.
    folds : Folds or None
    dtype : str
        Type of the product; everything else is float64.
    n_outputs : int
    n_bins : int
        Bins of the histograms that make the AUC.

    Returns
    -------
    Sums
        ``weight`` (C,), ``overflow`` (C,), rows whose eta is not finite, and as wanted ``loss``,
        ``squared``, ``absolute``, ``right`` (C,), ``spread`` of y for each distinct pair of fold
        and target, and ``bins`` (n_outputs, C, 2, n_bins), of the rows of other classes and of
        the class.
    """

    name: ClassVar[str] = "scores"
    reads_X: ClassVar[bool] = True
    loss: PointwiseLoss
    metrics: tuple[str, ...]
    labels: Labels | None = None
    folds: Folds | None = None
    dtype: str = "float64"
    n_outputs: int = 1
    n_bins: int = N_BINS

    @property
    def wanted(self) -> set[str]:
        """Names of the sums that the metrics need."""
        return {name for metric in self.metrics for name in SUMS_OF[metric]}

    def __call__(self, block: Block, state: State) -> Sums:
        y, weight = self._target(block), block.sample_weight
        fold, target = np.asarray(state["fold"]), np.asarray(state["target"])
        sums = self._empty(len(fold))
        groups = list(self._groups(block, fold))
        if "spread" in self.wanted:
            sums["spread"] = _spread(y, weight, groups, target)
        # A step too far overflows: its score is then not finite, which the caller is shown.
        with np.errstate(over="ignore", invalid="ignore"):
            for group, rows, eta in self._predictors(block, state, groups):
                own = np.ones((len(rows), 1)) if weight is None else weight[rows, None]
                columns = target[group.columns]
                seen = y[rows][:, columns] if y.shape[1] > 1 else y[rows]
                self._add(sums, group.columns, seen, own, eta, state)
        return sums

    def _target(self, block: Block) -> Float:
        """Return y as numbers or as numbers of classes, shape (n_rows, n_targets)."""
        if block.y is None:
            raise DataError("the data have no target: expected y, got None")
        if self.labels is None:
            return numeric_target(block.y)
        codes = np.full(block.y.shape, -1.0)
        for code, label in enumerate(self.labels.classes):
            codes[block.y == label] = code
        if (codes < 0).any():
            stranger = block.y[codes < 0].tolist()[0]
            raise DataError(f"y holds the label {stranger!r}, which the model was not fitted to")
        return codes

    def _empty(self, n_columns: int) -> Sums:
        names = [
            "weight",
            "overflow",
            *sorted(self.wanted & {"loss", "squared", "absolute", "right"}),
        ]
        sums = Sums({name: np.zeros(n_columns) for name in names})
        if "bins" in self.wanted:
            sums["bins"] = np.zeros((self.n_outputs, n_columns, 2, self.n_bins))
        return sums

    def _groups(self, block: Block, fold: AnyArray) -> Iterator[_Group]:
        distinct = np.unique(fold)
        held_out = np.ones((block.n_rows, len(distinct)), dtype=bool)
        within = distinct >= 0
        if within.any():
            if self.folds is None:
                raise ValueError("columns are scored on a fold, but there are no folds")
            labels = None if block.y is None else block.y[:, 0]
            groups = getattr(block, "groups", None)
            keys = RowKeys(block.start, block.n_rows, labels, groups)
            held_out[:, within] = self.folds.held_out(keys, distinct[within]) > 0.0
        for place, number in enumerate(distinct):
            rows = None if number < 0 else np.flatnonzero(held_out[:, place])
            yield _Group(np.flatnonzero(fold == number), rows)

    def _predictors(
        self, block: Block, state: State, groups: list[_Group]
    ) -> Iterator[tuple[_Group, AnyArray, Float]]:
        """Yield group, row numbers in the block and eta (rows, n_outputs, columns), by tiles."""
        products = Products(block, state, self.dtype)
        n_columns, q = len(state["fold"]), self.n_outputs
        coef = np.asarray(state["coef"], dtype=self.dtype).reshape(-1, q, n_columns)
        intercept = np.asarray(state["intercept"]).reshape(q, n_columns)
        coefs = [coef[:, :, group.columns].reshape(len(coef), -1) for group in groups]
        offset = block.offset
        for start, stop in tile_borders(block.n_rows, products.rows):
            tile: Matrix = products.tile(start, stop)
            for group, own in zip(groups, coefs, strict=True):
                within = group.within(start, stop)
                chosen = tile if isinstance(within, slice) else tile[within]
                if not chosen.shape[0]:
                    continue
                rows = np.arange(start, stop)[within]
                eta = np.asarray(chosen @ own, dtype=np.float64).reshape(len(rows), q, -1)
                eta = eta + intercept[:, group.columns]
                if offset is not None:
                    eta += _offset(offset[rows], q, np.asarray(state["target"])[group.columns])
                yield group, rows, eta

    def _add(
        self, sums: Sums, columns: AnyArray, y: Float, weight: Float, eta: Float, state: State
    ) -> None:
        """Add rows: y (rows, 1 or m), weight (rows, 1), eta (rows, n_outputs, m)."""
        one = eta[:, 0]
        sums["weight"][columns] += np.add.reduce(weight[:, 0])
        sums["overflow"][columns] += (~np.isfinite(eta)).any(axis=1).sum(axis=0)
        if "loss" in sums:
            values = self.loss.value(y, one) if self.n_outputs == 1 else _cross_entropy(y, eta)
            sums["loss"][columns] += column_sums(values, weight)
        if "right" in sums:
            called = one > 0.0 if self.n_outputs == 1 else eta.argmax(axis=1)
            sums["right"][columns] += column_sums((called == y).astype(np.float64), weight)
        if "squared" in sums or "absolute" in sums:
            error = y - self.loss.inverse_link(one)
            if "squared" in sums:
                sums["squared"][columns] += column_sums(np.square(error), weight)
            if "absolute" in sums:
                sums["absolute"][columns] += column_sums(np.abs(error), weight)
        if "bins" in sums:
            logits = eta if self.n_outputs == 1 else class_logits(eta)
            for output in range(self.n_outputs):
                place = state["center"][output, columns], state["spread"][output, columns]
                bins = bin_numbers(logits[:, output], *place, self.n_bins)
                side = (y == (1 if self.n_outputs == 1 else output)).astype(np.intp)
                flat = (columns * 2 + side) * self.n_bins + bins
                own = np.broadcast_to(weight, flat.shape)
                np.add.at(sums["bins"][output].reshape(-1), flat.ravel(), own.ravel())

    def temporaries(
        self, n_features: int, n_columns: int, dtype: np.dtype[Any], sparse: bool = False
    ) -> int:
        """Return the bytes one call needs beside its block and its result."""
        rows = tile_rows(n_features, dtype, sparse, self.n_outputs * n_columns)
        columns = 8 * self.n_outputs * n_columns * (10 * rows + 2 * n_features)
        per_row = 40 + 9 * (self.folds.n if self.folds is not None else 1)
        block_rows = BLOCK_BYTES // max(1, n_features * np.dtype(dtype).itemsize)
        return columns + 16 * rows * n_features + per_row * block_rows

    def partial_nbytes(self, n_features: int, n_columns: int) -> int:
        """Return the bytes of one partial."""
        bins = 2 * self.n_outputs * self.n_bins if "bins" in self.wanted else 0
        return 8 * n_columns * (9 + bins)


def fold_targets(fold: AnyArray, target: AnyArray) -> tuple[AnyArray, npt.NDArray[np.intp]]:
    """Return the distinct (fold, target) pairs (2, u) in order, and the pair of each column."""
    pairs, column = np.unique(np.stack([fold, target]), axis=1, return_inverse=True)
    return pairs, np.asarray(column, dtype=np.intp).ravel()


def _spread(y: Float, weight: Float | None, groups: list[_Group], target: AnyArray) -> Spread:
    """Return the spread of y, one entry for each distinct pair of fold and target."""
    parts = []
    for group in groups:
        rows = np.arange(len(y)) if group.rows is None else group.rows
        columns = np.unique(target[group.columns])
        parts.append(Spread.of(y[np.ix_(rows, columns)], None if weight is None else weight[rows]))
    return Spread.joined(parts)


def _offset(offset: Float, n_outputs: int, target: AnyArray) -> Float:
    """Return the offset of the rows, shape (rows, n_outputs or 1, m or 1)."""
    if offset.shape[1] == 1:
        return offset[:, :, None]
    return offset[:, :, None] if n_outputs > 1 else offset[:, None, target]


def _cross_entropy(y: Float, eta: Float) -> Float:
    """Return minus the log probability of the class of each row, shape (rows, m)."""
    own = np.take_along_axis(eta, y.astype(np.intp)[:, :1, None], axis=1)[:, 0]
    return log_total(eta) - own
