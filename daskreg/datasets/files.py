"""Sparse problems in files, written block by block by several threads in bounded memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from daskreg._typing import AnyArray, Float

from .problem import SparseProblem


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

    Parameters
    ----------
    folder, n_rows, n_columns, n_informative, correlation, seed, dtype, block_rows, format, \
n_threads, on_block
        As in `make_sparse_regression`.

    Returns
    -------
    SparseFiles

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
    """Write any `SparseProblem`.

    Parameters
    ----------
    problem : SparseProblem
    folder, format, n_threads, on_block
        As in `make_sparse_regression`.

    Returns
    -------
    SparseFiles

    Raises
    ------
    ValueError
        Another format.
    """
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
