"""Data sets of the benchmark: made once from a seed, block by block, and kept as plain files.

A data set is a folder with ``y.npy``, ``meta.json`` and its columns: ``X.npy`` (rows together),
``X.zarr`` (float32, row chunks, not compressed: random numbers do not shrink), or the three arrays
of a CSR matrix. ``meta.json`` holds the smallest alpha whose solution is zero.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
#: Rows that are made, written and evaluated together.
BLOCK = 65_536
RHO = 0.5


@dataclass(frozen=True)
class DataSet:
    """Recipe of one data set.

    Parameters
    ----------
    n_rows, n_columns
        Sizes at scale 1.
    loss
        ``squared``, ``logistic`` or ``multinomial``: what y follows.
    storage
        ``npy``, ``csr`` or ``zarr``.
    n_classes
        Of a multinomial y.
    per_row
        Entries of a sparse row.
    tiny
        Rows and columns of the same recipe for warming up and for ``--check``.
    scaled
        Which of rows and columns a scale multiplies.
    """

    name: str
    n_rows: int
    n_columns: int
    loss: str = "squared"
    storage: str = "npy"
    n_classes: int = 2
    per_row: int = 30
    tiny: tuple[int, int] = (2_000, 20)
    scaled: tuple[str, ...] = ("rows",)

    def sizes(self, scale: float) -> tuple[int, int]:
        """Return rows and columns at a scale; 0 is the tiny form."""
        if scale == 0:
            return self.tiny
        rows = round(self.n_rows * scale) if "rows" in self.scaled else self.n_rows
        columns = round(self.n_columns * scale) if "columns" in self.scaled else self.n_columns
        return rows, columns

    def folder(self, where: Path, scale: float) -> Path:
        """Return where the files are, or will be."""
        rows, columns = self.sizes(scale)
        return where / "data" / f"{self.name}-{rows}x{columns}"


DATA = {
    data.name: data
    for data in (
        DataSet("tall", 1_000_000, 200),
        DataSet("labels", 500_000, 200, "logistic"),
        DataSet("wide", 2_000, 100_000, tiny=(120, 1_000), scaled=("columns",)),
        DataSet(
            "counts",
            500_000,
            200_000,
            "logistic",
            "csr",
            tiny=(3_000, 400),
            scaled=("rows", "columns"),
        ),
        DataSet("digits", 60_000, 784, "multinomial", n_classes=10, tiny=(2_000, 20)),
        DataSet("stored", 20_000_000, 100, "squared", "zarr"),
        DataSet("stored_labels", 20_000_000, 100, "logistic", "zarr"),
    )
}


def make(data: DataSet, where: Path, scale: float) -> Path:
    """Return the folder of a data set, made first if it is not there."""
    folder = data.folder(where, scale)
    if (folder / "meta.json").exists():
        return folder
    partial = folder.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    sizes = data.sizes(scale)
    y = (
        _write_sparse(data, sizes, partial)
        if data.storage == "csr"
        else _write(data, sizes, partial)
    )
    np.save(partial / "y.npy", y)
    meta = {
        "name": data.name, "n_rows": sizes[0], "n_columns": sizes[1], "loss": data.loss,
        "storage": data.storage, "n_classes": data.n_classes,
    }  # fmt: skip
    meta["alpha_max"] = alpha_max(partial, meta, y)
    (partial / "meta.json").write_text(json.dumps(meta, indent=1))
    partial.rename(folder)
    return folder


def blocks(folder: Path, storage: str) -> Iterator[tuple[slice, Any]]:
    """Yield the rows of a data set in order: their slice, and a dense or CSR block."""
    X = open_columns(folder, storage)
    step = max(1, min(BLOCK, 2**28 // (8 * X.shape[1]))) if storage != "csr" else BLOCK
    for start in range(0, X.shape[0], step):
        rows = slice(start, min(start + step, X.shape[0]))
        yield rows, X[rows]


def open_columns(folder: Path, storage: str) -> Any:
    """Return the columns as they are stored: a mapped array, a zarr array or a CSR matrix."""
    if storage == "npy":
        return np.load(folder / "X.npy", mmap_mode="r")
    if storage == "zarr":
        import zarr

        return zarr.open_array(folder / "X.zarr", mode="r")
    return load_sparse(folder)


def load_sparse(folder: Path) -> Any:
    """Return the CSR matrix of a data set, in memory."""
    from scipy import sparse

    meta = json.loads((folder / "shape.json").read_text())
    parts = [np.load(folder / f"{name}.npy") for name in ("data", "indices", "indptr")]
    return sparse.csr_matrix(tuple(parts), shape=tuple(meta))


def alpha_max(folder: Path, meta: dict[str, Any], y: Array) -> float:
    """Return the largest entry of the gradient at zero coefficients and the best intercept."""
    Y = indicator(y, meta["n_classes"]) if meta["loss"] == "multinomial" else y[:, None]
    residual = Y - Y.mean(axis=0)
    grad = sum(X.T @ residual[rows] for rows, X in blocks(folder, meta["storage"]))
    return float(np.abs(grad).max() / len(y))


def indicator(y: Array, n_classes: int) -> Array:
    """Return y (n_rows,) of class numbers as (n_rows, n_classes) of 0 and 1."""
    return (y[:, None] == np.arange(n_classes)).astype(float)


def _coefficients(data: DataSet, n_columns: int, rng: np.random.Generator) -> Array:
    """Coefficients (n_columns, n_outputs), a tenth of them not zero, at most 100."""
    outputs = data.n_classes if data.loss == "multinomial" else 1
    coef = np.zeros((n_columns, outputs))
    count = min(100, max(5, n_columns // 10))
    for column in coef.T:
        strength = rng.standard_normal(count)
        column[rng.choice(n_columns, count, replace=False)] = strength + 0.5 * np.sign(strength)
    return coef


def _respond(data: DataSet, eta: Array, rng: np.random.Generator, unit: float) -> Array:
    """Draw y (n_rows,) for linear predictors (n_rows, n_outputs) of standard deviation `unit`."""
    if data.loss == "squared":
        return eta[:, 0] + rng.standard_normal(len(eta)) * unit / 2.0
    eta = 2.0 * eta / unit
    if data.loss == "logistic":
        return (eta[:, 0] + rng.logistic(size=len(eta)) > 0).astype(float)
    return np.argmax(eta + rng.gumbel(size=eta.shape), axis=1).astype(float)


def _columns(n_rows: int, n_columns: int, rng: np.random.Generator) -> Array:
    """Rows of an autoregressive process: neighbouring columns correlate by ``RHO``."""
    from scipy.signal import lfilter

    noise = rng.standard_normal((n_rows, n_columns))
    noise[:, 1:] *= np.sqrt(1.0 - RHO**2)
    return np.asarray(lfilter([1.0], [1.0, -RHO], noise, axis=1))


def _write(data: DataSet, sizes: tuple[int, int], folder: Path) -> Array:
    n_rows, n_columns = sizes
    rng = np.random.default_rng(7)
    coef = _coefficients(data, n_columns, rng)
    block = max(1, min(BLOCK, 2**27 // n_columns, n_rows))
    if data.storage == "zarr":
        import zarr

        X = zarr.create_array(
            folder / "X.zarr", shape=sizes, chunks=(block, n_columns), dtype="f4", compressors=None
        )
    else:
        X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float64, sizes)
    y, unit = np.empty(n_rows), 0.0
    for start in range(0, n_rows, block):
        made = _columns(min(block, n_rows - start), n_columns, rng)
        if data.storage == "zarr":
            made = made.astype(np.float32)
        rows = slice(start, start + len(made))
        eta = made @ coef
        unit = unit or float(eta.std())
        X[rows], y[rows] = made, _respond(data, eta, rng, unit)
    return y - y.mean() if data.name == "wide" else y


def _write_sparse(data: DataSet, sizes: tuple[int, int], folder: Path) -> Array:
    """Log counts of words: frequencies fall with the number, and rows of a topic share words."""
    from scipy import sparse

    n_rows, n_columns = sizes
    rng = np.random.default_rng(7)
    frequency = np.cumsum(1.0 / (np.arange(n_columns) + 10.0))
    frequency /= frequency[-1]
    topics = rng.integers(0, n_columns, size=(50, 200))
    words = np.searchsorted(frequency, rng.random((n_rows, data.per_row)))
    own = rng.random(words.shape) < 0.25
    words[own] = topics[rng.integers(0, 50, n_rows)[:, None], rng.integers(0, 200, words.shape)][
        own
    ]
    rows = np.repeat(np.arange(n_rows), data.per_row)
    X = sparse.csr_matrix((np.ones(words.size), (rows, words.ravel())), shape=sizes)
    X.sum_duplicates()
    X.data = np.log1p(X.data)
    coef = np.zeros((n_columns, 1))
    coef[rng.choice(min(2_000, n_columns), min(100, n_columns // 4), replace=False), 0] = (
        rng.standard_normal(min(100, n_columns // 4))
    )
    eta = X @ coef
    for name in ("data", "indices", "indptr"):
        np.save(folder / f"{name}.npy", getattr(X, name))
    (folder / "shape.json").write_text(json.dumps(sizes))
    return _respond(data, eta - np.median(eta), rng, float(eta.std()))
