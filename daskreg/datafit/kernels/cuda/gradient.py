"""The gradient pass over a block on a card."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import State
from daskreg.design.device import DeviceBlock
from daskreg.design.partials import Sums

from .arrays import ArrayForm
from .launch import FusedRows, SparseRows, TileRows, program_of
from .rows import device_rows
from .tf32 import rough_products


def device_sums(kernel: Any, block: DeviceBlock, state: State) -> Sums:
    """Return the sums of a ``GradientKernel`` over a block, as float64 arrays on the card.

    Nothing waits for the card.  One column of coefficients of a loss that has CUDA C is read once;
    several go through matrix products over row tiles, with one kernel between them; without CUDA C
    there are array functions between them, of any library.

    Parameters
    ----------
    kernel : GradientKernel
    block : DeviceBlock
    state : mapping
        As the kernel receives it.
    """
    dtype, target = np.dtype(kernel.dtype), np.asarray(state["target"])
    columns = np.asarray(state.get("weighting", np.zeros(len(target), np.intp)))
    rows = device_rows(block, kernel.labels, kernel.weightings, columns, target)
    program = program_of(kernel.loss, state, dtype, block, rows.offset is not None)
    if program is not None and program.indices is not None:
        return SparseRows(program, state).sums(block, rows)
    if program is not None and program.fused:
        return FusedRows(program, state).sums(block, rows)
    with rough_products(block.xp, dtype):
        if program is None:
            return ArrayForm(kernel.loss, state, dtype).sums(block, rows)
        return TileRows(program, state).sums(block, rows)
