"""One more pass for a lower bound where a logistic problem has unpenalised columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg._array import take_rows, to_dense
from daskreg._typing import AnyArray, Float, State
from daskreg.compiled.sums import ENTROPY_SCALES
from daskreg.datafit.weightings import ALL_ROWS, Weightings
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.losses import Logistic

from .gradient import Products
from .pointwise import add_pointwise, empty_sums
from .tiles import Labels, row_data


class Largest:
    """Elementwise maximum under the name of ``+``."""

    def __init__(self, values: Float) -> None:
        self.values = values

    def __add__(self, other: Any) -> Largest:
        if not isinstance(other, Largest):
            return NotImplemented
        return Largest(np.maximum(self.values, other.values))

    @property
    def nbytes(self) -> int:
        return int(self.values.nbytes)


@dataclass(frozen=True)
class ClosingKernel:
    r"""Sums of the gradient pass, and how they move when the means follow the free columns.

    With Z the free columns of X (and a column of ones where there is an intercept), centred and
    scaled as the solver sees them, and curvature weights :math:`h = \mu (1 - \mu)`, the dual
    point :math:`u = \mu - h \cdot Z a` meets the constraint of the free columns exactly for the
    right a, and stays in its domain where :math:`|Z a| \le 1`.  This kernel sums ``cross`` =
    X' w h Z, ``free`` = Z' w h Z, ``slope`` = Z' w h logit(u_s) at each scale s between label and
    mean, ``free_grad`` = Z' w r, ``offset_free`` = Z' w h offset, and the largest ``|Z|``.

    The state is that of the gradient kernel with ``columns`` (f,), ``center`` (f,) and ``scale``
    (f,), the reciprocal standard deviation or one.
    """

    name: ClassVar[str] = "closing"
    reads_X: ClassVar[bool] = True
    labels: Labels | None = None
    fit_intercept: bool = True
    weightings: Weightings = ALL_ROWS

    def __call__(self, block: Block, state: State) -> Sums:
        loss = Logistic()
        rows = row_data(block, self.labels, self.weightings, state.get("weighting"))
        sums = empty_sums(loss, state["coef"], rows.offset is not None)
        n_columns = state["coef"].shape[1]
        n_free = len(state["columns"]) + self.fit_intercept
        sums["free"] = np.zeros((n_free, n_free, n_columns))
        sums["free_grad"] = np.zeros((n_free, n_columns))
        sums["slope"] = np.zeros((len(ENTROPY_SCALES), n_free, n_columns))
        sums["largest"] = Largest(np.zeros(n_free))
        if rows.offset is not None:
            sums["offset_free"] = np.zeros((n_free, n_columns))

        def residual(start: int, stop: int, eta: Float) -> Float:
            tile = rows.tile(start, stop)
            gradient = add_pointwise(loss, sums, tile, eta, state["target"])
            Z = self._free_columns(block, state, start, stop)
            curved = loss.curvature(tile.y, eta)
            if tile.weight is not None:
                curved = curved * tile.weight
            self._add(sums, Z, curved, gradient)
            if tile.offset is not None:
                sums["offset_free"] += Z.T @ (curved * tile.offset)
            for total, logit in zip(sums["slope"], _path_logits(tile.y, eta), strict=True):
                total += Z.T @ (curved * logit)
            crossed = (curved[:, None, :] * Z[:, :, None]).reshape(len(eta), -1)
            return np.concatenate([gradient, crossed], axis=1)

        products = Products(block, state, "float64").walk(residual)
        sums["grad"] = products[:, :n_columns]
        sums["cross"] = products[:, n_columns:].reshape(len(products), n_free, n_columns)
        return sums

    def _free_columns(self, block: Block, state: State, start: int, stop: int) -> Float:
        chosen: AnyArray = to_dense(take_rows(block.X, start, stop)[:, state["columns"]])
        Z = (chosen - state["center"]) * state["scale"]
        ones = np.ones((len(Z), int(self.fit_intercept)))
        return np.concatenate([ones, Z], axis=1)

    @staticmethod
    def _add(sums: Sums, Z: Float, curved: Float, gradient: Float) -> None:
        sums["free"] += np.einsum("if,ig,ic->fgc", Z, Z, curved, optimize=True)
        sums["free_grad"] += Z.T @ gradient
        sums["largest"] = sums["largest"] + Largest(np.abs(Z).max(axis=0))


def _path_logits(y: Float, eta: Float) -> list[Float]:
    """Logits of ``(1 - s) y + s mu`` for each entropy scale; eta itself at s = 1."""
    side = 1.0 - 2.0 * y
    miss = np.abs(Logistic().gradient(y, eta))
    wrong = side * eta
    log_miss = -np.logaddexp(0.0, -wrong)
    paths = [side * (np.log(s) + log_miss - np.log1p(-s * miss)) for s in ENTROPY_SCALES if s < 1.0]
    return [*paths, eta]
