"""A seeded sparse problem; any block of its rows can be made alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float

_TILE_BYTES = 1 << 19  # working set of one tile of rows: about a core's cache
_BLOCK_BYTES = 32 << 20


@dataclass(frozen=True)
class SparseProblem:
    """A seeded problem: rows from a counter-based generator, few columns that matter.

    Row i has columns x_j = correlation x_{j-1} + sqrt(1 - correlation^2) z_j with z standard
    normal, so every column has variance one and corr(x_j, x_k) = correlation^|j - k|.  Then
    eta = intercept + x . coef, and y = eta + noise e (regression) or y = 1 with probability
    1 / (1 + exp(-eta)) (classification).

    Attributes
    ----------
    n_rows, n_columns, n_informative : int
    correlation : float
        Of neighbouring columns, in (-1, 1).
    noise : float
        Standard deviation of e, in the unit of y.
    seed : int
    dtype : str
        "float32" or "float64".
    block_rows : int
        Rows made at a time.  Part of the seed: other block lengths give other numbers.
    classification : bool
    intercept : float
    coef : ndarray of float64, shape (n_columns,)
        The truth; non-zero entries lie in [0.5, 1.5] with random signs.
    """

    n_rows: int
    n_columns: int
    n_informative: int = 10
    correlation: float = 0.0
    noise: float = 1.0
    seed: int = 0
    dtype: str = "float32"
    block_rows: int = 0
    classification: bool = False
    intercept: float = 0.5
    coef: Float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.n_rows < 1 or self.n_columns < 1:
            raise ValueError(f"expected rows and columns, got {self.n_rows} x {self.n_columns}")
        if not 0 <= self.n_informative <= self.n_columns:
            raise ValueError(
                f"n_informative={self.n_informative} must lie in 0..n_columns={self.n_columns}"
            )
        if not -1 < self.correlation < 1:
            raise ValueError(f"correlation={self.correlation} must lie between -1 and 1")
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"dtype={self.dtype!r} must be 'float32' or 'float64'")
        if self.block_rows < 0:
            raise ValueError(f"block_rows={self.block_rows} must be positive, or 0 for automatic")
        if self.block_rows == 0:
            rows = max(1, _BLOCK_BYTES // self.row_nbytes)
            object.__setattr__(self, "block_rows", min(self.n_rows, rows))
        rng = np.random.default_rng([self.seed, 0])
        coef = np.zeros(self.n_columns)
        support = rng.choice(self.n_columns, self.n_informative, replace=False)
        coef[support] = rng.uniform(0.5, 1.5, self.n_informative) * rng.choice(
            [-1.0, 1.0], self.n_informative
        )
        coef.setflags(write=False)
        object.__setattr__(self, "coef", coef)

    @property
    def row_nbytes(self) -> int:
        return self.n_columns * np.dtype(self.dtype).itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of X."""
        return self.n_rows * self.row_nbytes

    @property
    def n_blocks(self) -> int:
        return -(-self.n_rows // self.block_rows)

    @property
    def support(self) -> npt.NDArray[np.intp]:
        """Sorted numbers of the columns that matter."""
        return np.flatnonzero(self.coef)

    def rows_of(self, block: int) -> tuple[int, int]:
        """First row of a block and the row after its last."""
        start = block * self.block_rows
        return start, min(start + self.block_rows, self.n_rows)

    def block(self, block: int) -> tuple[AnyArray, AnyArray]:
        """Make one block alone.

        Returns
        -------
        X : ndarray of ``dtype``, shape (rows, n_columns)
        y : ndarray, shape (rows,)
            float64 for regression, int8 of 0 and 1 for classification.

        Examples
        --------
        >>> problem = SparseProblem(n_rows=10, n_columns=3, n_informative=1, block_rows=4)
        >>> X, y = problem.block(2)
        >>> X.shape, y.shape, problem.n_blocks
        ((2, 3), (2,), 3)
        """
        if not 0 <= block < self.n_blocks:
            raise IndexError(f"block {block} of {self.n_blocks}")
        start, stop = self.rows_of(block)
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, 1, block])))
        X = np.empty((stop - start, self.n_columns), self.dtype)
        if self.correlation:
            for first in range(0, len(X), self._tile_rows):
                tile = X[first : first + self._tile_rows]
                tile[:] = self._correlated(rng, len(tile)).T
        else:
            rng.standard_normal(out=X, dtype=X.dtype.type)
        eta = self.intercept + X[:, self.support].astype(np.float64) @ self.coef[self.support]
        if self.classification:
            return X, (rng.random(len(X)) * (1 + np.exp(-eta)) < 1).astype(np.int8)
        return X, eta + self.noise * rng.standard_normal(len(X))

    @property
    def _tile_rows(self) -> int:
        return max(1, _TILE_BYTES // self.row_nbytes)

    def _correlated(self, rng: np.random.Generator, n_rows: int) -> AnyArray:
        """Columns of an AR(1) process, one a row: the recurrence then runs over whole vectors."""
        columns = rng.standard_normal((self.n_columns, n_rows), dtype=np.dtype(self.dtype).type)
        columns[1:] *= np.sqrt(1 - self.correlation**2)
        for j in range(1, self.n_columns):
            columns[j] += self.correlation * columns[j - 1]
        return columns
