"""Errors of leaving out one row each, for many ridge strengths, in one look at X."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg._typing import Float, State
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums

from .beside import Runs
from .gradient import Products
from .tiles import row_data, tile_borders, tile_rows


@dataclass(frozen=True)
class LeverageKernel:
    r"""Sum :math:`w_i (e_{ic} / (1 - h_{il}))^2` for each column c, l being its level.

    .. math:: h_{il} = w_i \left(a + \sum_r f_{rl} (x_i'd_r - b_r)^2\right)

    The state holds ``coef`` (p, r + C), directions and then columns of coefficients, ``intercept``
    (r + C,), of the directions minus b, ``factor`` (r, L), ``level`` (C,), ``target`` (C,) and,
    where columns lie far from zero, ``shift`` (p,), as for ``GradientKernel``.

    Parameters
    ----------
    ones : float
        The share a that an intercept has in every leverage.
    keep : bool
        Return the summands of every row as well.
    """

    name: ClassVar[str] = "leverage"
    reads_X: ClassVar[bool] = True
    ones: float = 0.0
    keep: bool = False

    def __call__(self, block: Block, state: State) -> Sums:
        rows = row_data(block, None)
        products = Products(block, state, "float64")
        n_directions = len(state["factor"])
        errors = np.zeros((block.n_rows, len(state["level"]))) if self.keep else None
        total = np.zeros(len(state["level"]))
        for start, stop in tile_borders(block.n_rows, products.rows):
            found = products.tile(start, stop) @ products.coef + products.intercept
            own = rows.tile(start, stop)
            weight = np.ones((stop - start, 1)) if own.weight is None else own.weight
            leverage = self.ones + np.square(found[:, :n_directions]) @ state["factor"]
            left = np.maximum(1.0 - weight * leverage, np.finfo(np.float64).eps)
            residual = own.y[:, state["target"]] - found[:, n_directions:]
            if own.offset is not None:
                wide = own.offset.shape[1] > 1
                residual = residual - (own.offset[:, state["target"]] if wide else own.offset)
            squared = weight * np.square(residual / left[:, state["level"]])
            total += squared.sum(axis=0)
            if errors is not None:
                errors[start:stop] = squared
        sums = Sums(squared=total)
        if errors is not None:
            sums["rows"] = Runs(((block.start, errors),))
        return sums

    def temporaries(
        self, n_features: int, n_columns: int, dtype: np.dtype[Any], sparse: bool = False
    ) -> int:
        """Return the bytes one call needs beside its block and its result."""
        rows = tile_rows(n_features, dtype, sparse)
        return 8 * rows * (4 * n_features + 6 * n_columns)


def leverage_state(
    coef: Float, intercept: Float, directions: Float, base: Float, shift: Float | None
) -> dict[str, Any]:
    """Return directions and coefficients side by side, about the shift of the columns.

    Parameters
    ----------
    coef : ndarray, shape (p, C)
    intercept : ndarray, shape (C,)
    directions : ndarray, shape (p, r)
    base : ndarray, shape (r,)
        Their products with the centre of the columns.
    shift : ndarray, shape (p,), or None
    """
    both = np.concatenate([directions, coef], axis=1)
    start = np.concatenate([-base, intercept])
    if shift is None:
        return {"coef": both, "intercept": start}
    return {"coef": both, "intercept": start + shift @ both, "shift": shift}
