"""Seeded sparse problems of any size, written block by block; any block can be made alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ._typing import AnyArray, Float

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


@dataclass(frozen=True)
class SparseFiles:
    """Where a problem was written: paths of X and y, and the problem with its truth."""

    X: Path
    y: Path
    problem: SparseProblem

    @property
    def coef(self) -> Float:
        return self.problem.coef

    @property
    def intercept(self) -> float:
        return self.problem.intercept


def make_sparse_regression(
    folder: str | os.PathLike[str],
    n_rows: int,
    n_columns: int,
    *,
    n_informative: int = 10,
    correlation: float = 0.0,
    noise: float = 1.0,
    seed: int = 0,
    dtype: Literal["float32", "float64"] = "float32",
    block_rows: int = 0,
    format: Literal["npy", "zarr"] = "npy",
    n_threads: int | None = None,
    on_block: Callable[[int], None] | None = None,
) -> SparseFiles:
    """Write ``X`` and ``y`` of a sparse linear model to ``folder``, in bounded memory.

    Parameters
    ----------
    folder : path-like
        Made if absent; receives ``X.npy`` or ``X.zarr`` and ``y.npy``.
    n_rows, n_columns, n_informative, correlation, noise, seed, dtype, block_rows
        As in `SparseProblem`.
    format : {"npy", "zarr"}
        A zarr array is written uncompressed, with all chunks, one block of rows a chunk.
    n_threads : int, optional
        Blocks made at a time; default one per CPU. Memory is about two blocks a thread.
        The numbers do not depend on it.
    on_block : callable, optional
        Told the bytes of X of each block once it is written, from any thread.

    Returns
    -------
    SparseFiles

    Raises
    ------
    OSError
        If the disk is full; what was begun is removed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     files = make_sparse_regression(folder, n_rows=100, n_columns=5, n_informative=2)
    ...     np.load(files.X).shape, int((files.coef != 0).sum())
    ((100, 5), 2)
    """
    problem = SparseProblem(
        n_rows, n_columns, n_informative, correlation, noise, seed, dtype, block_rows
    )
    return write_problem(problem, folder, format, n_threads, on_block)


def make_sparse_classification(
    folder: str | os.PathLike[str],
    n_rows: int,
    n_columns: int,
    *,
    n_informative: int = 10,
    correlation: float = 0.0,
    seed: int = 0,
    dtype: Literal["float32", "float64"] = "float32",
    block_rows: int = 0,
    format: Literal["npy", "zarr"] = "npy",
    n_threads: int | None = None,
    on_block: Callable[[int], None] | None = None,
) -> SparseFiles:
    """Write ``X`` and ``y`` (0 and 1) of a sparse logistic model to ``folder``.

    See `make_sparse_regression` for the parameters.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     files = make_sparse_classification(folder, 100, 5, n_informative=2)
    ...     np.unique(np.load(files.y))
    array([0, 1], dtype=int8)
    """
    problem = SparseProblem(
        n_rows, n_columns, n_informative, correlation, 0.0, seed, dtype, block_rows, True
    )
    return write_problem(problem, folder, format, n_threads, on_block)


def write_problem(
    problem: SparseProblem,
    folder: str | os.PathLike[str],
    format: Literal["npy", "zarr"] = "npy",
    n_threads: int | None = None,
    on_block: Callable[[int], None] | None = None,
) -> SparseFiles:
    """Write any `SparseProblem`; see `make_sparse_regression`."""
    if format not in ("npy", "zarr"):
        raise ValueError(f"format={format!r} must be 'npy' or 'zarr'")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"X.{format}", folder / "y.npy"
    parts = tuple(path.with_name(path.name + ".part") for path in paths)
    dtype_y = np.dtype(np.int8 if problem.classification else np.float64)
    create = _npy if format == "npy" else _zarr
    shape = problem.n_rows, problem.n_columns
    try:
        with (
            create(parts[0], shape, np.dtype(problem.dtype), problem.block_rows) as put_X,
            _npy(parts[1], shape[:1], dtype_y, 0) as put_y,
        ):

            def write(block: int) -> None:
                X, y = problem.block(block)
                start, _ = problem.rows_of(block)
                put_X(start, X)
                put_y(start, y)
                if on_block is not None:
                    on_block(X.nbytes)

            _run(write, problem.n_blocks, n_threads or os.cpu_count() or 1)
        for part, path in zip(parts, paths, strict=True):
            _remove(path)
            os.replace(part, path)
    finally:
        for part in parts:
            _remove(part)
    return SparseFiles(*paths, problem)


def _run(write: Callable[[int], None], n_blocks: int, n_threads: int) -> None:
    """Call ``write`` for every block; the first failure stops what has not begun."""
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="daskreg-datasets")
    try:
        for _ in pool.map(write, range(n_blocks)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


_Put = Callable[[int, AnyArray], None]


@contextlib.contextmanager
def _npy(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], block_rows: int
) -> Iterator[_Put]:
    """An .npy file of known shape that threads fill in any order."""
    with open(path, "wb") as file:
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        file.flush()
        begin, row = file.tell(), dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        file.truncate(begin + shape[0] * row)

        def put(start: int, rows: AnyArray) -> None:
            data = np.ascontiguousarray(rows).data.cast("B")
            at = begin + start * row
            while data:  # a single pwrite stops at 2 GiB
                done = os.pwrite(file.fileno(), data, at)
                data, at = data[done:], at + done

        yield put


@contextlib.contextmanager
def _zarr(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], block_rows: int
) -> Iterator[_Put]:
    """A zarr array, one block a chunk, every chunk present whatever its values."""
    import zarr

    array = zarr.create_array(
        str(path),
        shape=shape,
        chunks=(block_rows, *shape[1:]),
        dtype=dtype,
        compressors=None,
        fill_value=0,
        dimension_names=("row", "column"),
        overwrite=True,
        config={"write_empty_chunks": True},
    )

    def put(start: int, rows: AnyArray) -> None:
        array[start : start + len(rows)] = rows

    yield put


def _remove(path: Path) -> None:
    import shutil

    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
