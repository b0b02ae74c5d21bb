"""The gradient pass over blocks on a card: one run of blocks is added up before it is fetched."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import State
from daskreg.design.device import DeviceBlock
from daskreg.design.partials import Sums

from .arrays import ArrayForm
from .launch import FusedRows, SparseRows, TileRows, program_of
from .rows import DeviceRows, device_rows


class GradientRun:
    """The sums of :class:`GradientKernel` over blocks on a card, in the order of ``add``.

    Nothing waits for the card.  One column of coefficients of a loss that has CUDA C is read once;
    several go through matrix products over row tiles that stay in the card's cache, with one
    kernel between them; without CUDA C there are array functions between them, of any library.

    Parameters
    ----------
    kernel : GradientKernel
    state : mapping
        As the kernel receives it.
    """

    def __init__(self, kernel: Any, state: State) -> None:
        self.kernel = kernel
        self.state = state
        self.dtype = np.dtype(kernel.dtype)
        self.columns = np.asarray(state.get("weighting", np.zeros(len(state["target"]), np.intp)))
        self.target = np.asarray(state["target"])
        self._form: Any = None

    def add(self, block: DeviceBlock) -> None:
        """Add the rows of a block."""
        kernel = self.kernel
        rows = device_rows(block, kernel.labels, kernel.weightings, self.columns, self.target)
        if self._form is None:
            self._form = self._form_for(block, rows)
        self._form.add(block, rows)

    def result(self) -> Sums:
        """Return the sums, as float64 arrays on the card."""
        assert self._form is not None, "a run of no blocks has no sums"
        return self._form.result()

    def _form_for(self, block: DeviceBlock, rows: DeviceRows) -> Any:
        loss, has_offset = self.kernel.loss, rows.offset is not None
        program = program_of(loss, self.state, self.dtype, block, has_offset)
        if program is None:
            return ArrayForm(loss, self.state, self.dtype, block, has_offset)
        if program.indices is not None:
            return SparseRows(program, self.state, block)
        return (FusedRows if program.fused else TileRows)(program, self.state, block)
