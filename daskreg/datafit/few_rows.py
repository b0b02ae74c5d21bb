"""The Gram matrix of fewer rows than columns: the rows themselves, which are smaller."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daskreg._array import is_on_host
from daskreg._blas import single_threaded_blas
from daskreg._typing import AnyArray, Float

#: Rows of an outer product that are made together.
AT_ONCE = 64


@dataclass(frozen=True)
class FewRows:
    """``rows.T @ rows``, not yet multiplied.

    Adding is putting side by side.  A block of few rows would else write and add p x p numbers,
    which takes longer than its product; and folds and shards each have such sums.

    Attributes
    ----------
    parts : tuple of ndarray, shape (n_rows, p)
        Rows times the roots of their weights, in the type of the products.
    """

    parts: tuple[AnyArray, ...]

    @property
    def n_rows(self) -> int:
        return sum(len(part) for part in self.parts)

    @property
    def n_features(self) -> int:
        return int(self.parts[0].shape[1])

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts)

    @property
    def pays(self) -> bool:
        """Whether this is smaller than the matrix, with as much again added."""
        return 2 * self.n_rows <= self.n_features

    def with_row(self, row: Float) -> FewRows:
        """Add the outer product of a vector of shape (p,) with itself."""
        return FewRows((*self.parts, row[None].astype(self.parts[0].dtype)))

    def __add__(self, other: FewRows) -> FewRows:
        return FewRows(self.parts + other.parts)

    def __mul__(self, factor: float) -> FewRows:
        root = self.parts[0].dtype.type(np.sqrt(factor))
        return FewRows(tuple(root * part for part in self.parts))

    def matrix(self) -> Float:
        """The Gram matrix, (p, p) in float64.

        On one BLAS thread wherever it is called, so that its bits do not depend on where.
        """
        rows = np.concatenate(self.parts) if len(self.parts) > 1 else self.parts[0]
        with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(rows.T @ rows, dtype=np.float64)


def matrix_of(gram: Float | FewRows) -> Float:
    """The matrix, multiplied now if need be."""
    return gram.matrix() if isinstance(gram, FewRows) else gram


def joined(
    first: Float | FewRows, second: Float | FewRows, row: Float, own: bool = False
) -> Float | FewRows:
    """Add two Gram matrices and the outer product of ``row`` (p,) with itself.

    In the memory of the first, if it is our ``own``.
    """
    if isinstance(first, FewRows) and isinstance(second, FewRows):
        rows = (first + second).with_row(row)
        return rows if rows.pays else rows.matrix()
    if isinstance(first, FewRows):
        return first.with_row(row).matrix() + matrix_of(second)
    if isinstance(second, FewRows):
        return first + second.with_row(row).matrix()
    if not is_on_host(first):
        return first + second + row[:, None] * row[None, :]
    in_place = own and first.flags.writeable
    total = np.add(first, second, out=first) if in_place else first + second
    for start in range(0, len(row), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        total[part] += row[part, None] * row[None, :]
    return total
