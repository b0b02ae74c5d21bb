"""What lies beside X on a card: targets, weights, offset, and how often rows count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.datafit.kernels.tiles import Labels, RowData, numeric_target
from daskreg.datafit.weightings import Weightings, row_keys
from daskreg.design.device import DeviceBlock
from daskreg.exceptions import DataError


@dataclass(frozen=True, eq=False)
class DeviceRows:
    """Device arrays, float64 unless said otherwise; row i counts in column c as often as
    ``weight[i] * table[codes[i], c] * drawn[i, place[c]]``, without what is None.

    Attributes
    ----------
    xp : module
    y : shape (n_rows, n_targets)
        Of labels the number of the class.
    weight : shape (n_rows,), or None
    offset : shape (n_rows, 1 or n_targets), or None
    codes : int32, shape (n_rows,), or None
    table : shape (n_lines, C), or None
    drawn : uint8 or float64, shape (n_rows, n_resamples + 1), or None
        The last column is one.
    place : int64, shape (C,), or None
    target : int64, shape (C,), or None
        Column of y and of the offset that belongs to each column; None: the only one.
    """

    xp: Any
    y: Any
    weight: Any
    offset: Any
    codes: Any
    table: Any
    drawn: Any
    place: Any
    target: Any

    def tile(self, start: int, stop: int) -> RowData:
        """Return targets and weights of some rows, one column or one for each coefficient's."""
        xp = self.xp
        weight = None if self.weight is None else self.weight[start:stop, None]
        if self.codes is not None:
            counts = xp.take(self.table, self.codes[start:stop], axis=0)
            weight = counts if weight is None else counts * weight
        drawn = self.multiplicities(start, stop)
        if drawn is not None:
            weight = drawn if weight is None else drawn * weight
        offset = self.of_columns(self.offset, start, stop)
        return RowData(self.of_columns(self.y, start, stop), weight, offset)

    def of_columns(self, values: Any, start: int, stop: int) -> Any:
        """Return y or offset of some rows, (rows, 1), or (rows, C) where columns differ."""
        if values is None:
            return None
        part = values[start:stop, :]
        return part if values.shape[1] == 1 else self.xp.take(part, self.target, axis=1)

    def multiplicities(self, start: int, stop: int) -> Any:
        """Return how often a resample counts the rows in each column, (rows, C), or None."""
        if self.drawn is None:
            return None
        drawn = self.xp.take(self.drawn[start:stop, :], self.place, axis=1)
        return self.xp.astype(drawn, self.xp.float64)


def device_rows(
    block: DeviceBlock,
    labels: Labels | None,
    weightings: Weightings,
    columns: AnyArray,
    target: AnyArray,
) -> DeviceRows:
    """Return what lies beside the rows of a block, encoded on the host, once while it is kept.

    Parameters
    ----------
    block : DeviceBlock
    labels : Labels or None
    weightings : Weightings
    columns, target : ndarray of int, shape (C,)
        Weighting of each column, and its column of y.
    """
    host = block.host
    if host.y is None:
        raise DataError("the data have no target: expected y, got None")
    raw, classes = host.y, None if labels is None else labels.classes
    several = raw.shape[1] > 1 or (host.offset is not None and host.offset.shape[1] > 1)

    def kept(key: Any, make: Any) -> Any:
        # Kernels know of no strides, and an array keeps the order that it had on the host.
        return block.kept.get(key, lambda: block.send_beside(np.ascontiguousarray(make())))

    def encoded() -> Any:
        return numeric_target(raw) if labels is None else labels.encode(raw)

    weight = None if host.sample_weight is None else kept("weight", lambda: host.sample_weight)
    offset = None if host.offset is None else kept("offset", lambda: host.offset)
    return DeviceRows(
        block.xp,
        kept(("y", classes), encoded),
        weight,
        offset,
        *_counts(block, labels, weightings, columns, kept),
        block.upload("target", target.astype(np.int64)) if several else None,
    )


def _counts(
    block: DeviceBlock, labels: Labels | None, weightings: Weightings, columns: AnyArray, kept: Any
) -> tuple[Any, Any, Any, Any]:
    """Return codes, table, drawn and place of :class:`DeviceRows`.

    A line of the table is an atom of the folds and a class of the labels.
    """
    if len(weightings) == 1 and labels is None:
        return None, None, None, None
    own = bool(columns.any())
    table = weightings.trained(columns.tolist() if own else [0] * len(columns))
    by_class = None if labels is None else labels.weight[:, columns]
    if by_class is not None and bool((by_class == 1.0).all()):
        by_class = None
    n_classes = 1 if by_class is None else len(by_class)
    codes = None
    if (own and weightings.folds is not None) or by_class is not None:

        def encode() -> Any:
            return _codes(block, labels if by_class is not None else None, weightings)

        if by_class is not None:
            table = (table[:, None] * by_class).reshape(-1, len(columns))
        classes = None if by_class is None or labels is None else labels.classes
        codes = kept(("codes", weightings.token, classes), encode)
        assert len(table) == (weightings.n_atoms + 1) * n_classes
    bootstrap = np.array([weightings.pairs[number][1] for number in columns.tolist()])
    which = np.unique(bootstrap[bootstrap >= 0])
    drawn, place = None, None
    if weightings.resamples is not None and which.size:
        key = ("drawn", weightings.token, tuple(which.tolist()))
        drawn = kept(key, lambda: _drawn(block, weightings, which))
        found = np.where(bootstrap >= 0, np.searchsorted(which, bootstrap), which.size)
        place = block.upload("place", found.astype(np.int64))
    return (
        codes,
        None if codes is None else block.upload("table", np.ascontiguousarray(table)),
        drawn,
        place,
    )


def _codes(block: DeviceBlock, labels: Labels | None, weightings: Weightings) -> AnyArray:
    """Return the line of each row in the table."""
    host = block.host
    codes: AnyArray = np.zeros(block.n_rows, dtype=np.int64)
    if weightings.folds is not None:
        found = weightings.folds.codes(row_keys(host))
        codes = np.where(found < 0, weightings.n_atoms, found)
    if labels is not None and host.y is not None:
        codes = codes * len(labels.classes) + labels.encode(host.y)[:, 0].astype(np.int64)
    return codes.astype(np.int32)


def _drawn(block: DeviceBlock, weightings: Weightings, which: AnyArray) -> AnyArray:
    """Return the multiplicities of the resamples ``which``, and ones; a byte each if they fit."""
    assert weightings.resamples is not None
    factors = weightings.resamples.factors(row_keys(block.host), which)
    drawn = np.concatenate([factors, np.ones((len(factors), 1))], axis=1)
    whole = drawn.astype(np.uint8)
    return whole if bool((whole == drawn).all()) else drawn
