"""The first pass: moments of every column, with or without the Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from daskreg._array import is_sparse, name_of, take_rows
from daskreg._typing import AnyArray, Matrix, State
from daskreg.datafit.groups import ALL, APART, Groups, Parts
from daskreg.datafit.label_sums import LabelSums
from daskreg.datafit.moments import Moments, MomentsBatch
from daskreg.datafit.weightings import ALL_ROWS, ColumnWeights, Weightings
from daskreg.design.blocks import Block
from daskreg.design.device import DeviceBlock
from daskreg.design.partials import Sums
from daskreg.exceptions import DataError

from .cuda.moments import device_moments
from .cuda.tiles import STORED
from .one_hot import OneHot
from .resampled import resampled_moments
from .row_groups import RowGroups
from .running import Running
from .sparse_rows import SparseRows
from .tiles import (
    BLOCK_BYTES,
    block_rows,
    gram_tile_rows,
    moment_tile_rows,
    tile_borders,
)
from .wide import BAND, WIDE, bands, is_wide, side_by_side, wide_moments


@dataclass(frozen=True)
class MomentsKernel:
    """Moments of the columns and of ``y - offset``; for a classification, of each class.

    Columns are shifted tile by tile by the mean of the tile before, sums are float64.

    Parameters
    ----------
    by_label : bool
        y holds labels of any kind: find them and keep the sums of each apart.
    columns : tuple of int or None
        Gram columns wanted; empty: none, None: all of them.
    gram_dtype : str
        Type of the Gram products of one tile; tiles are added in float64.
    apart_by_label : bool
        Keep the moments of labels apart, for weights that are not known yet, and their Gram
        matrices where no more than two are about; else there is one of all rows.  Without it
        moments of all rows are taken once, with a target for each label, and no row is gathered.
    weightings : Weightings
        Where rows count differently in different problems.  Of folds, each atom has moments of its
        own, those of a regression with their Gram columns; of resamples, each weighting has.
    plain_gram : bool
        Only all rows have Gram columns, resamples have none.
    compiled : bool
        Run compiled loops over dense blocks.
    """

    name: ClassVar[str] = "moments"
    reads_X: ClassVar[bool] = True
    by_label: bool = False
    columns: tuple[int, ...] | None = ()
    gram_dtype: str = "float64"
    weightings: Weightings = ALL_ROWS
    apart_by_label: bool = False
    plain_gram: bool = False
    compiled: bool = False

    def __call__(self, block: Block, state: State) -> Sums:
        return self._sums(block, block.X)

    def _sums(self, block: Block, X: Matrix | DeviceBlock) -> Sums:
        """Return the sums of a block whose X lies in host memory, or on a card."""
        if block.y is None:
            raise DataError("the data have no target: expected y, got None")
        rows = RowGroups.by_label(block) if self.by_label else RowGroups.numbers(block)
        moments: Parts = {}
        batches: dict[Any, MomentsBatch] = {}
        alone = len(self.weightings) == 1
        by_atom = not alone and self.weightings.by_atoms
        whole = self.by_label and self.columns is None
        together = whole and not (self.apart_by_label and len(rows.labels) <= APART)
        coded = together and not self.apart_by_label
        if self.by_label and self.columns == () and alone and not self.apart_by_label:
            coded = together = True
        each = replace(self, columns=()) if together else self
        if together and len(rows.labels):
            shared = rows.coded if coded else rows
            found = self._label_sums(X, shared) if coded else None
            moments[ALL, None] = self._moments(X, shared) if found is None else found
        for label, chosen in rows.groups:
            if (alone or not by_atom or whole) and not coded:
                moments[ALL, label] = each._moments(X, rows, chosen)
            if by_atom:
                self._add_atoms(moments, block, X, rows, label, chosen)
        if not alone and not by_atom:
            self._add_resamples(moments, batches, block, X, rows)
        tallies = rows.tallies if coded else None
        return Sums(moments=Groups(rows.labels, moments, batches, tallies))

    def runs_on_device(self, X_dtype: np.dtype[Any], sparse: bool, state: State) -> bool:
        """Whether a card can sum such blocks: dense ones with all Gram columns or none, and sparse
        ones without; these are sorted by column there, which the gradient needs as well.

        Gram matrices of sparse rows are sums over pairs of numbers of a row, at places that no two
        threads could write to in a fixed order.  Moments of many resamples are sums over lists of
        rows, and each of a batch would be one more array of the card's memory.
        """
        kinds = ((),) if sparse else ((), None)
        known = name_of(X_dtype) in STORED and self.columns in kinds
        if sparse and X_dtype.kind != "f":
            return False
        return known and (self.weightings.by_atoms or not self._batched)

    def on_device(self, block: DeviceBlock, state: State) -> Sums:
        """Return the sums of a block on a card, their arrays there; nothing waits for it."""
        return self._sums(block.host, block)

    @property
    def _batched(self) -> bool:
        """Whether moments of all resamples are taken together."""
        return self.by_label or self.columns == () or self.plain_gram

    def proves_finite(self, share: Sums, block: Block) -> bool:
        """Whether the sums of a block could not be finite if a value of X were not."""
        found = share["moments"].moments.get((ALL, None))
        if found is None or found.n_rows < block.n_rows:
            return False  # rows that weigh nothing hide their values
        if isinstance(found, LabelSums):
            return found.finite
        return bool(np.isfinite(found.mean).all())

    def _add_atoms(
        self,
        moments: Parts,
        block: Block,
        X: Matrix | DeviceBlock,
        rows: RowGroups,
        label: Any,
        chosen: AnyArray | None,
    ) -> None:
        """Add the moments of each atom of the folds, by which every training set is a sum."""
        codes = self.weightings.codes(block)
        assert codes is not None
        codes = codes % (self.weightings.n_atoms + 1)  # -1, in no atom, is the last one
        own = codes if chosen is None else codes[chosen]
        plain = replace(self, columns=()) if self.by_label else self
        for atom in np.unique(own).tolist():
            inside = np.flatnonzero(own == atom)
            if len(inside) < len(codes):
                inside = inside if chosen is None else chosen[inside]
                moments[atom, label] = plain._moments(X, rows, inside)
            else:
                moments[atom, label] = plain._moments(X, rows, None)

    def _add_resamples(
        self,
        moments: Parts,
        batches: dict[Any, MomentsBatch],
        block: Block,
        X: Matrix | DeviceBlock,
        rows: RowGroups,
    ) -> None:
        """Add the moments under each weighting; together, where no Gram columns are wanted."""
        if self._batched:
            batches.update(resampled_moments(block, rows, self.weightings, self.rows(block.X)))
            return
        for number in range(1, len(self.weightings)):
            own = ColumnWeights(self.weightings, np.array([number]), block)
            counts = own.rows(0, block.n_rows)[:, 0]
            weight = counts if rows.weight is None else counts * rows.weight
            counted = replace(rows, weight=weight)
            moments[number, None] = self._moments(X, counted, np.flatnonzero(counts))

    def _label_sums(self, X: Matrix | DeviceBlock, rows: RowGroups) -> LabelSums | None:
        """Return the sums of sparse rows by label, where they are all that is wanted.

        None of other rows, and where some column is stored in each of them.
        """
        if self.columns != () or isinstance(X, DeviceBlock) or not self.compiled:
            return None
        if not is_sparse(X):
            return None
        assert isinstance(rows.z, OneHot)
        return SparseRows(X, np.arange(X.shape[0])).label_sums(rows.z, rows.weight)

    def _moments(
        self, X: Matrix | DeviceBlock, rows: RowGroups, chosen: AnyArray | None = None
    ) -> Moments:
        """Return the moments of the chosen rows; None: of all."""
        if isinstance(X, DeviceBlock):
            dtype = np.dtype(self.gram_dtype) if self.columns is None else None
            return device_moments(X, chosen, rows.z, rows.weight, dtype)
        if self.columns == () and is_wide(X):
            found = self._wide_moments(X, rows, chosen)
            if found is None:
                each = [self._moments(X[:, band], rows, chosen) for band in bands(X.shape[1])]
                found = side_by_side(each)
            return found
        z, weight = rows.z, rows.weight
        if chosen is not None:
            z, weight = z[chosen], None if weight is None else weight[chosen]
        few = self.columns is None and not is_sparse(X) and 2 * len(z) <= X.shape[1]
        sizes = X.shape[1], z.shape[1]
        sums = Running(*sizes, self.columns, self.gram_dtype, few, self.compiled, is_sparse(X))
        run = _run(chosen)
        root = None if weight is None else np.sqrt(weight)
        # Rows that are gathered are a copy; others are taller, but looked at in smaller pieces.
        gathered = self.columns == () and chosen is not None and run is None
        pick = moment_tile_rows if gathered else gram_tile_rows
        n_rows = pick(X.shape[1], X.dtype, is_sparse(X))
        if isinstance(z, OneHot):
            n_rows = z.tile_rows(n_rows)
            sums.tell_one_hot()
        with np.errstate(over="ignore", invalid="ignore"):
            for start, stop in tile_borders(len(z), n_rows):
                if sums.takes_rows:
                    own = np.arange(start, stop) if chosen is None else chosen[start:stop]
                    tile = SparseRows(X, own)
                elif chosen is None or run is not None:
                    tile = take_rows(X, (run or 0) + start, (run or 0) + stop)
                else:
                    tile = X[chosen[start:stop]]
                sums.add(tile, z[start:stop], None if root is None else root[start:stop])
            return sums.result()

    def _wide_moments(self, X: Matrix, rows: RowGroups, chosen: AnyArray | None) -> Moments | None:
        """Return moments from one look, where rows lie side by side and some count."""
        first = 0 if chosen is None else _run(chosen)
        if first is None or isinstance(rows.z, OneHot):
            return None
        own = slice(first, first + (len(X) if chosen is None else len(chosen)))
        root = None if rows.weight is None else np.sqrt(rows.weight[own])
        with np.errstate(over="ignore", invalid="ignore"):
            return wide_moments(X[own], rows.z[own], root)

    def rows(self, X: Matrix) -> int:
        """Return the rows of one tile of the moments of resamples."""
        plain = self.columns == () and not self.compiled
        rows = moment_tile_rows if plain else gram_tile_rows
        return rows(X.shape[1], X.dtype, is_sparse(X))

    def temporaries(
        self, n_features: int, dtype: np.dtype[Any], sparse: bool = False, n_targets: int = 1
    ) -> int:
        """Return the bytes one call needs beside its block and its result."""
        gram = n_features**2 if self.columns is None else 0
        targets = 0 if self.by_label else self._targets(n_features, dtype, sparse, n_targets)
        if sparse:
            return 24 * gram + BLOCK_BYTES + targets
        pick = moment_tile_rows if self.columns == () else gram_tile_rows
        rows = min(pick(n_features, dtype), block_rows(n_features, dtype))
        keys = 64 if self.by_label else 0
        keys += 32 if len(self.weightings) > 1 else 0
        batch = 0 if self.weightings.by_atoms else 8 * (rows + 6 * n_features)
        keyed = keys * block_rows(n_features, dtype) + batch * len(self.weightings)
        if self.columns == () and n_features >= WIDE:
            # Tiles of a band; vectors of all columns.
            return 24 * ((rows + 64) * BAND + 16 * n_features) + keyed + targets
        return (rows + 64) * n_features * 24 + 12 * gram + keyed + targets

    def _targets(self, n_features: int, dtype: np.dtype[Any], sparse: bool, n_targets: int) -> int:
        """Bytes of targets: less their offset, those of an atom, and a tile that is centred."""
        width = np.dtype(dtype).itemsize * n_features + 8 * n_targets
        block = BLOCK_BYTES // (8 * (n_targets + 1) if sparse else width)
        rows = min(gram_tile_rows(n_features, dtype, sparse), block)
        return 8 * n_targets * (2 * block + 4 * rows)

    def partial_nbytes(self, n_features: int, n_targets: int, n_labels: int = 2) -> int:
        """Return the bytes of one partial."""
        plain = 2 + (1 if self.by_label else n_targets)
        gram = n_features if self.columns is None else len(self.columns)
        n = len(self.weightings)
        if self.by_label:
            parts = 0
            if n > 1:
                parts = self.weightings.n_atoms + 1 if self.weightings.by_atoms else n
            whole = gram + plain if gram else 0
            grams = gram * APART if self.apart_by_label else whole
            return 8 * n_features * (n_labels * plain * (parts + 1) + grams)
        if n == 1:
            return 8 * n_features * (plain + gram)
        if self.plain_gram and not self.weightings.by_atoms:
            return 8 * n_features * (plain * (n + 1) + gram)
        parts = self.weightings.n_atoms + 1 if self.weightings.by_atoms else n + 1
        return 8 * n_features * parts * (plain + gram)


def _run(chosen: AnyArray | None) -> int | None:
    """Return the first of rows that lie side by side, which are read without gathering them."""
    if chosen is None or not len(chosen) or chosen[-1] - chosen[0] != len(chosen) - 1:
        return None
    return int(chosen[0])
