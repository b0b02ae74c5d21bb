"""Data, kernels and rows of results that all parts of ``benchmarks.gpu`` share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from daskreg.datafit.kernels.gradient import GradientKernel
from daskreg.datafit.kernels.tiles import Labels
from daskreg.design.blocks import Block
from daskreg.design.device import Csr, DeviceBlock, Kept

try:
    import ml_dtypes  # noqa: F401 - numpy knows bfloat16 by its name from now on
except ImportError:
    HAS_BFLOAT16 = False
else:
    HAS_BFLOAT16 = True

N_FEATURES = 256
#: Bytes of a block of a pass.
BLOCK_BYTES = 2**28
LABELS = Labels((0, 1), np.ones((2, 1)))


@dataclass(frozen=True)
class Bench:
    """What a part is told, and where its results go.

    Attributes
    ----------
    xp : module
        CuPy, or what stands in for it.
    part : str
        Its name.
    path : Path or None
        A file to which each row of results is added as a line of JSON at once: what a part has
        found stays, whatever becomes of it.
    size, fit_size : int
        Bytes of X of passes, and of fits.
    check_only : bool
        Time nothing.
    """

    xp: Any
    part: str = ""
    path: Path | None = None
    size: int = 0
    fit_size: int = 0
    check_only: bool = False

    def add(self, row: dict[str, Any]) -> None:
        """Print a row of results, and write it down."""
        print(told(row), flush=True)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"part": self.part} | row) + "\n")


def told(row: dict[str, Any]) -> str:
    """Return a row of results as a line for people."""
    words = [f"{'WRONG ' if row.get('wrong') else ''}{row['pass']:40}"]
    if "seconds" in row:
        rate = row["bytes"] / row["seconds"] / 1e9
        words.append(f"{1e3 * row['seconds']:10.2f} ms {rate:8.1f} GB/s ")
    words += [f"{100 * row[key]:5.1f}% {key[9:]}" for key in row if key.startswith("share")]
    if "distance" in row:
        words.append(f"distance {row['distance']:.0e}")
    words += [f"{key} {row[key]}" for key in row if key not in KNOWN and key[:5] != "share"]
    return " ".join(words)


#: What has a place of its own in a line.
KNOWN = ("pass", "bytes", "seconds", "distance", "wrong")


def data(stored: str, n_rows: int) -> Any:
    """Return X as it is stored; of sparse rows one number in ten."""
    rng = np.random.default_rng(0)
    if stored == "int8":
        return rng.integers(-100, 101, (n_rows, N_FEATURES), dtype=np.int8)
    if stored == "csr":
        size = n_rows, N_FEATURES
        return scipy.sparse.random_array(size, density=0.1, format="csr", rng=rng)
    return rng.standard_normal((n_rows, N_FEATURES), dtype=np.float32).astype(stored, copy=False)


def block_rows(stored: str) -> int:
    """Return the rows of a block: a stored number of sparse rows takes twelve bytes."""
    row = N_FEATURES * (1.2 if stored == "csr" else np.dtype(stored).itemsize)
    return int(BLOCK_BYTES / row)


def parts_of(X: Any) -> list[Any]:
    """Return the arrays that X consists of."""
    return [X.data, X.indices, X.indptr] if hasattr(X, "indptr") else [X]


def on_card(xp: Any, block: Block) -> DeviceBlock:
    """Return a block whose X lies on the card."""
    X = block.X
    if scipy.sparse.issparse(X):
        moved = Csr(*(xp.asarray(part) for part in parts_of(X)), X.shape)
    else:
        moved = xp.asarray(X)
    return beside(xp, block, moved)


def beside(xp: Any, block: Block, X: Any) -> DeviceBlock:
    """Return a block with that X, which is on the card."""
    return DeviceBlock(block, X, Kept(lambda nbytes: True), xp, xp.asarray, fetched)


def fetched(array: Any) -> np.ndarray:
    """Return an array on the host."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def pass_of(loss: Any, stored: str, X: Any, n_columns: int) -> tuple[Any, Block, dict[str, Any]]:
    """Return kernel, block and state of a gradient pass."""
    rng = np.random.default_rng(1)
    n_rows, p = X.shape
    y = rng.integers(0, 2, (n_rows, 1)).astype(np.float64)
    product = "float64" if stored in ("float64", "csr") else "float32"
    scale = 1.0 / np.sqrt(p) / (60.0 if stored == "int8" else 1.0)
    state = {
        "coef": (scale * rng.normal(size=(p, n_columns))).astype(product).astype(np.float64),
        "intercept": np.zeros(n_columns),
        "target": np.zeros(n_columns, dtype=np.intp),
    }
    kernel = GradientKernel(loss, product, LABELS if loss.is_classifier else None)
    return kernel, Block(X, y, None, None, 0, 0), state


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Give a variable of the environment another value for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def error(found: Any, expected: Any) -> float:
    """Return the largest difference beside the largest number."""
    return float(np.abs(found - expected).max() / max(1e-300, np.abs(expected).max()))
