"""What a pass will need, said before the first byte is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .kernels.gradient import GradientKernel
from .kernels.moments import MomentsKernel


@dataclass(frozen=True)
class Footprint:
    """Bytes of one pass: ``partial`` per sum, ``state`` sent, ``temporaries`` per thread.

    Attributes
    ----------
    n_outputs : int
        Coefficients of a feature and problem, as far as it is known.
    libraries : tuple of str
        What the kernels import in every process.
    """

    partial: int
    state: int
    temporaries: int
    n_outputs: int = 1
    libraries: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        design: Any,
        moments: MomentsKernel,
        gradient: GradientKernel,
        n_columns: int,
        n_outputs: int = 1,
        n_labels: int = 2,
        libraries: tuple[str, ...] = (),
    ) -> Footprint:
        """Return the larger needs of the first pass and of a gradient pass over C columns."""
        p, dtype, sparse = design.n_features, design.dtype, design.sparse
        n_columns = n_columns * n_outputs
        return cls(
            max(
                moments.partial_nbytes(p, design.n_targets, n_labels),
                gradient.partial_nbytes(p, n_columns, n_outputs),
            ),
            8 * (p + 2) * max(2, n_columns),
            max(
                moments.temporaries(p, dtype, sparse),
                gradient.temporaries(p, n_columns, dtype, sparse),
            ),
            n_outputs,
            libraries,
        )
