"""What a pass will need, said before the first byte is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from daskreg.splits import Folds

from .kernels.gradient import GradientKernel
from .kernels.moments import MomentsKernel
from .kernels.scores import ScoreKernel


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
                moments.temporaries(p, dtype, sparse, design.n_targets),
                gradient.temporaries(p, n_columns, dtype, sparse),
            ),
            n_outputs,
            libraries,
        )

    def or_scores(
        self, datafit: Any, metrics: Sequence[str], folds: Folds | None, n_columns: int
    ) -> Footprint:
        """Return the larger needs of these passes and of one that scores C columns.

        Histograms of the AUC are larger than anything else that a column sums.
        """
        design, q = datafit.design, self.n_outputs
        kernel = ScoreKernel(datafit.loss, tuple(metrics), None, folds, n_outputs=q)
        p = design.n_features
        need = kernel.temporaries(p, n_columns, design.dtype, design.sparse)
        return replace(
            self,
            partial=max(self.partial, kernel.partial_nbytes(p, n_columns)),
            state=max(self.state, 8 * (p + 2) * n_columns * q),
            temporaries=max(self.temporaries, need),
        )
