"""One problem in every dress: the same coefficients, and the same bits where that is promised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import xarray as xr
import zarr
from sklearn.base import clone

from daskreg.cluster import local
from daskreg.linear_model import ElasticNet, Lasso, LassoCV, LogisticRegression, Ridge

N, P = 600, 7
NAMES = [f"x{j}" for j in range(P)]


def problem() -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, P)) + rng.standard_normal(P)
    X[np.abs(X) < 0.4] = 0.0
    y = X @ np.array([1.0, -2.0, 0, 0, 0.5, 0, 0]) + 3 + rng.standard_normal(N)
    return X, y, rng.random(N) + 0.1, (y > y.mean()).astype(int)


X, Y, WEIGHT, LABEL = problem()
CHUNKS = ((250, 17, 333), (P,))
KINDS: dict[str, Callable[[Any], Any]] = {}


def kind(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    KINDS[make.__name__] = make
    return make


@kind
def lists(tmp_path):
    return X.tolist(), Y.tolist(), WEIGHT.tolist()


@kind
def fortran_order(tmp_path):
    return np.asfortranarray(X), Y, WEIGHT


@kind
def read_only(tmp_path):
    frozen = X.copy()
    frozen.flags.writeable = False
    return frozen, Y, WEIGHT


@kind
def npy_path(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return tmp_path / "X.npy", Y, WEIGHT


@kind
def memmap(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r"), Y, WEIGHT


@kind
def zarr_path_in_two_dimensional_chunks(tmp_path):
    zarr.create_array(tmp_path / "X.zarr", data=X, chunks=(130, 3))
    return str(tmp_path / "X.zarr"), Y, WEIGHT


@kind
def zarr_array(tmp_path):
    return zarr.create_array(tmp_path / "X.zarr", data=X, chunks=(130, P)), Y, WEIGHT


@kind
def csr(tmp_path):
    return sp.csr_array(X), Y, WEIGHT


@kind
def csc(tmp_path):
    return sp.csc_matrix(X), Y, WEIGHT


@kind
def pandas_frame(tmp_path):
    frame = pd.DataFrame(X, columns=NAMES).assign(y=Y, w=WEIGHT)
    return frame, "y", "w"


@kind
def polars_frame(tmp_path):
    frame = pl.DataFrame(dict(zip(NAMES, X.T, strict=True)) | {"y": Y, "w": WEIGHT})
    return frame, "y", "w"


@kind
def parquet(tmp_path):
    frame = pd.DataFrame(X, columns=NAMES).assign(y=Y, w=WEIGHT)
    frame.to_parquet(tmp_path / "data.parquet", row_group_size=190, index=False)
    return tmp_path / "data.parquet", "y", "w"


@kind
def csv(tmp_path):
    frame = pd.DataFrame(X, columns=NAMES).assign(y=Y, w=WEIGHT)
    frame.to_csv(tmp_path / "data.csv", index=False)
    return tmp_path / "data.csv", "y", "w"


@kind
def dask_rows_and_y_chunked_otherwise(tmp_path):
    return da.from_array(X, chunks=CHUNKS), da.from_array(Y, chunks=70), da.from_array(WEIGHT)


@kind
def dask_column_chunks(tmp_path):
    return da.from_array(X, chunks=(N, 2)), Y, WEIGHT


@kind
def dask_unknown_chunks(tmp_path):
    frame = dd.from_pandas(pd.DataFrame(X, columns=NAMES).assign(y=Y, w=WEIGHT), npartitions=4)
    return frame[NAMES].to_dask_array(), frame["y"].to_dask_array(), frame["w"].to_dask_array()


@kind
def dask_frame(tmp_path):
    frame = pd.DataFrame(X, columns=NAMES).assign(y=Y, w=WEIGHT)
    return dd.from_pandas(frame, npartitions=4), "y", "w"


@kind
def dask_csr_blocks(tmp_path):
    return da.from_array(X, chunks=CHUNKS).map_blocks(sp.csr_array), Y, WEIGHT


@kind
def dask_persisted(tmp_path):
    return da.from_array(X, chunks=CHUNKS).persist(), Y, WEIGHT


@kind
def data_array(tmp_path):
    return xr.DataArray(X, dims=("time", "feature")), xr.DataArray(Y, dims="time"), WEIGHT


@kind
def data_array_stacked_and_lazy(tmp_path):
    cube = xr.DataArray(X.reshape(30, 20, P), dims=("a", "b", "f")).transpose("b", "f", "a")
    target = xr.DataArray(Y.reshape(30, 20), dims=("a", "b"))
    weight = xr.DataArray(WEIGHT.reshape(30, 20), dims=("a", "b"))
    return cube.chunk(a=7), target, weight


@kind
def dataset(tmp_path):
    columns = {name: ("time", column) for name, column in zip(NAMES, X.T, strict=True)}
    return xr.Dataset(columns | {"y": ("time", Y), "w": ("time", WEIGHT)}), "y", "w"


@pytest.fixture(scope="module")
def expected():
    return ElasticNet(alpha=0.05, l1_ratio=0.7, standardize=True).fit(X, Y, WEIGHT)


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
def test_every_kind_of_input_gives_the_same_model(make, tmp_path, expected):
    data, y, weight = make(tmp_path)
    stacked = {"sample_dim": ["a", "b"]} if make.__name__.startswith("data_array_st") else {}
    model = ElasticNet(alpha=0.05, l1_ratio=0.7, standardize=True)
    model.fit(data, y, weight, **stacked)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9, atol=1e-11)
    assert model.intercept_ == pytest.approx(expected.intercept_, rel=1e-9)
    assert model.n_passes_ == 1
    assert model.certificate_ == "gap"
    assert model.relative_gap_ <= 1e-6


@pytest.mark.parametrize("block_size", [1 << 11, 1 << 13, 1 << 30])
def test_block_size_changes_rounding_only(block_size, expected):
    model = ElasticNet(alpha=0.05, l1_ratio=0.7, standardize=True, block_size=block_size)
    np.testing.assert_allclose(model.fit(X, Y, WEIGHT).coef_, expected.coef_, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_storage_type_changes_rounding_only(dtype, expected):
    model = ElasticNet(alpha=0.05, l1_ratio=0.7, standardize=True)
    atol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(
        model.fit(X.astype(dtype), Y, WEIGHT).coef_, expected.coef_, atol=atol
    )


@pytest.fixture(scope="module")
def wide_file(tmp_path_factory):
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("bits") / "X.npy"
    large = rng.standard_normal((40_000, 64), dtype=np.float32)
    np.save(path, large)
    y = large[:, :5].sum(axis=1) + rng.standard_normal(len(large))
    return str(path), y, (y > 0).astype(int)


class Classes(LogisticRegression):
    """Of three classes instead of two."""

    def fit(self, X, y):
        large = np.load(X, mmap_mode="r")
        return super().fit(X, y + (large[:, 0] > 1.0))


MODELS = {
    "gram": lambda: Lasso(alpha=0.05, block_size=1 << 17),
    "fista": lambda: Ridge(alpha=1.0, block_size=1 << 17, solver="fista"),
    "logistic": lambda: LogisticRegression(C=1e-3, l1_ratio=1, block_size=1 << 17),
    "classes": lambda: Classes(C=1e-3, l1_ratio=1, block_size=1 << 17, class_weight="balanced"),
}


def fitted_bits(make, wide_file):
    path, y, label = wide_file
    model = make()
    model.fit(path, label if isinstance(model, LogisticRegression) else y)
    assert model.plan_.n_blocks > 16
    return np.append(model.coef_, model.intercept_).tobytes(), model.n_passes_


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_threads_and_processes_give_the_same_bits(make, wide_file):
    with dask.config.set(num_workers=1):
        alone = fitted_bits(make, wide_file)
    for threads in (2, 3, 7):
        with dask.config.set(num_workers=threads):
            assert fitted_bits(make, wide_file) == alone
    with dask.config.set(scheduler="synchronous"):
        assert fitted_bits(make, wide_file) == alone
    for processes in (1, 2):
        with local(processes, 3 - processes, "1GiB"):
            assert fitted_bits(make, wide_file) == alone


@pytest.mark.parametrize("estimator", [Lasso(alpha=0.1, solver="gram"), LassoCV(cv=5, alphas=5)])
def test_blocks_that_are_chosen_do_not_depend_on_threads(estimator):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 362))
    y = X[:, :50].sum(axis=1) + rng.standard_normal(2000)
    coefs = []
    for n_threads in (1, 4, 16):
        with dask.config.set(num_workers=n_threads):
            coefs.append(clone(estimator).fit(X, y).coef_)
    np.testing.assert_array_equal(coefs[1], coefs[0])
    np.testing.assert_array_equal(coefs[2], coefs[0])
