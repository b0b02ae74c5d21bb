"""Which blocks of a shard were seen to have nothing but values that a model can use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daskreg._typing import State
from daskreg.design.blocks import Block

from .validate import check_beside, check_X


class Proofs:
    """Looks at every block once, or lets the sums of a kernel tell that all values are finite.

    Parameters
    ----------
    names : sequence of str, optional
        Column names for error messages.
    """

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = names
        self._seen: set[tuple[str, int]] = set()
        self._unproven: Block | None = None

    def begin(self) -> None:
        """A pass begins."""
        self._unproven = None

    def take(self, block: Block, reads_X: bool, proves: bool) -> None:
        """Look at a block that has come, unless its sums (``proves``) are going to tell.

        Raises
        ------
        DataError
        """
        if reads_X and ("X", block.index) not in self._seen:
            if proves:
                self._unproven = block
            else:
                self._check(block)
        if ("beside", block.index) not in self._seen:
            check_beside(block)
            self._seen.add(("beside", block.index))

    def share(self, kernel: Any, block: Block, state: State, onto: Any = None) -> Any:
        """Sum one block, and look at its values where that has not shown that all are finite.

        Returns None where the kernel has added them to the sum ``onto``, which it then can do
        without memory for another one.
        """
        if self._unproven is not block:
            if onto is not None and hasattr(kernel, "adds") and kernel.adds(block, state, onto):
                return None
            return kernel(block, state)
        try:
            share = kernel(block, state)
        except Exception:
            check_X(block, self._names)  # what it refuses is the cause
            raise
        self._unproven = None
        if kernel.proves_finite(share, block):
            self._seen.add(("X", block.index))
        else:
            self._check(block)
        return share

    def _check(self, block: Block) -> None:
        check_X(block, self._names)
        self._seen.add(("X", block.index))
