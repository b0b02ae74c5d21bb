"""Kernels with a form for processors and one for cards, and no other purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg.design.device import DeviceBlock
from daskreg.design.partials import Sums

from .stand_in import StandInOutOfMemory


@dataclass(frozen=True)
class Products:
    """X'y, the column sums and the rows; state ``times`` multiplies the products.

    A form for cards that takes more than ``most_rows`` at once is out of memory.
    """

    name: ClassVar[str] = "products"
    most_rows: int | None = None
    on_cards: bool = True

    def __call__(self, block: Any, state: Any) -> Sums:
        X, y = block.X.astype(float), block.y[:, 0].astype(float)
        times = state["times"]
        return Sums(
            products=X.T @ y * times, sums=np.asarray(X.sum(axis=0)), rows=np.ones(1) * len(y)
        )

    def runs_on_device(self, dtype: Any, sparse: bool, state: Any) -> bool:
        return self.on_cards

    def on_device(self, block: DeviceBlock, state: Any) -> Sums:
        xp = block.xp
        if self.most_rows is not None and block.n_rows > self.most_rows:
            raise StandInOutOfMemory("more rows than there is room for")
        y = block.kept.get("y", lambda: block.send_beside(block.host.y[:, 0].astype(float)))
        times = block.upload("times", np.asarray(state["times"]))
        if hasattr(block.X, "indptr"):
            numbers = block.send_beside(np.arange(block.n_rows))
            rows = np.repeat(numbers, np.diff(block.X.indptr))
            numbers, columns = block.X.data * 1.0, block.X.indices
            products = np.bincount(columns, numbers * np.take(y, rows), block.n_features)
            sums = np.bincount(columns, numbers, block.n_features)
        else:
            X = xp.astype(block.X, xp.float64)
            products, sums = X.T @ y, xp.sum(X, axis=0)
        ones = block.upload("one", np.ones(1))
        return Sums(products=products * times, sums=sums, rows=ones * block.n_rows)


@dataclass(frozen=True)
class OnProcessors(Products):
    """The same for processors alone."""

    runs_on_device: ClassVar[None] = None


@dataclass(frozen=True)
class Targets:
    """The sum of y, without a look at X."""

    name: ClassVar[str] = "targets"
    reads_X: ClassVar[bool] = False

    def __call__(self, block: Any, state: Any) -> Sums:
        return Sums(y=block.y.sum(axis=0), columns=np.array([block.X.shape[1]]))
