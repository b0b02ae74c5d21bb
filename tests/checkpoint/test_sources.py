"""Fits go on whatever X is: files of every kind, collections, persisted blocks, labelled arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from distributed import Client
from scipy import sparse

from daskreg import CheckpointError, LogisticRegression
from daskreg.checkpoint.store import PREVIOUS

from .cases import assert_equal, counted, recorded

N, P = 1200, 10
RNG = np.random.default_rng(11)
X = RNG.normal(size=(N, P))
Y = (X[:, 0] - X[:, 1] + RNG.normal(size=N) > 0).astype(int)


def _frame() -> Any:
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(P)]).assign(y=Y)


def _zarr(folder: Path) -> Any:
    zarr.create_array(folder / "X.zarr", data=X, chunks=(100, P))
    return folder / "X.zarr", Y


def _csv(folder: Path) -> Any:
    _frame().to_csv(folder / "X.csv", index=False)
    return folder / "X.csv", "y"


def _parquet(folder: Path) -> Any:
    _frame().to_parquet(folder / "X.parquet", row_group_size=150, index=False)
    return folder / "X.parquet", "y"


def _computed(folder: Path) -> Any:
    rows = da.from_array(X, chunks=(100, P))
    return (rows * 2.0) / 2.0, da.from_array(Y, chunks=100)


def _labelled(folder: Path) -> Any:
    return xr.DataArray(X.reshape(N, 2, P // 2), dims=("time", "a", "b")), Y


SOURCES: dict[str, Callable[[Path], Any]] = {
    "zarr": _zarr,
    "csv": _csv,
    "parquet": _parquet,
    "frame": lambda folder: (_frame(), "y"),
    "collection": _computed,
    "xarray": _labelled,
    "csr": lambda folder: (sparse.csr_array(np.where(np.abs(X) > 1, X, 0.0)), Y),
    "text": lambda folder: (X, np.where(Y == 1, "yes", "no")),
}


def fitted(X: Any, y: Any, **keeping: Any) -> Any:
    # Not the solver of a few rows, which ends before there is much to go on from.
    model = LogisticRegression(C=0.1, l1_ratio=1.0, solver="quasi_newton", block_size="12KiB")
    dim = {"sample_dim": "time"} if isinstance(X, xr.DataArray) else {}
    return model.fit(X, y, **dim, **keeping)


def goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, X: Any, y: Any) -> None:
    path = tmp_path / "fit"
    plain = fitted(X, y)
    with recorded(monkeypatch) as written:
        assert_equal(fitted(X, y, checkpoint=path, checkpoint_every=0), plain)
    spent = []
    for number in sorted({1, len(written) // 2, len(written) - 1}):
        path.write_bytes(written[number])
        Path(f"{path}{PREVIOUS}").unlink(missing_ok=True)
        with counted(monkeypatch) as passes:
            assert_equal(fitted(X, y, checkpoint=path, resume=True), plain)
        spent.append(sum(passes))
    assert spent[0] > spent[1] > spent[2] == 0


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_of_every_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Callable[[Path], Any]
) -> None:
    goes_on(tmp_path, monkeypatch, *source(tmp_path))


def test_of_persisted_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    goes_on(tmp_path, monkeypatch, da.from_array(X, chunks=(100, P)).persist(), Y)


def test_a_random_collection_is_told_from_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "fit"
    fitted(da.random.default_rng(1).normal(size=(N, P), chunks=(100, P)), Y, checkpoint=path)
    other = da.random.default_rng(2).normal(size=(N, P), chunks=(100, P))
    with pytest.raises(CheckpointError, match="rows of X differ"):
        fitted(other, Y, checkpoint=path, resume=True)
