"""Collections cost the passes and the bytes that are promised, on threads and on processes."""

from __future__ import annotations

from contextlib import nullcontext

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr
from distributed import wait

from daskreg.cluster import local
from daskreg.linear_model import Lasso, LogisticRegression

N, P = 20_000, 40


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("promised")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P)).astype("float32")
    y = X[:, :5].sum(axis=1) + rng.standard_normal(N)
    zarr.create_array(folder / "rows.zarr", data=X, chunks=(1000, P))
    zarr.create_array(folder / "boxes.zarr", data=X, chunks=(1500, 16))
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(P)]).assign(y=y)
    frame.to_parquet(folder / "table.parquet", row_group_size=2500)
    return folder, X, y


@pytest.fixture(scope="module", params=["threads", "processes"])
def client(request):
    with local(2, 1, "1GiB") if request.param == "processes" else nullcontext() as client:
        yield client


def reads(model, X):
    """Passes, and bytes read over the bytes of X."""
    return model.n_passes_, model.bytes_read_ / X.nbytes


def test_lazily_standardised(client, data):
    folder, X, y = data
    lazy = da.from_zarr(folder / "rows.zarr")
    lazy = (lazy - lazy.mean(axis=0)) / lazy.std(axis=0)
    # Read once for the means, once for the fit; the blocks then stay in memory.
    assert reads(Lasso(0.05).fit(lazy, y), X) == (1, pytest.approx(2, rel=0.01))
    model = Lasso(0.05, solver="fista").fit(lazy, y)
    assert model.n_passes_ == 1 + model.n_iter_
    assert model.bytes_read_ == pytest.approx(2 * X.nbytes, rel=0.01)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(model.coef_, Lasso(0.05).fit(Z, y).coef_, atol=1e-3)


def test_parquet_with_columns_selected(client, data):
    folder, X, y = data
    columns = [f"c{j}" for j in range(0, P, 4)]
    model = Lasso(0.05).fit(folder / "table.parquet", "y", feature_names=columns)
    assert model.n_passes_ == 1
    assert model.bytes_read_ == X[:, ::4].nbytes + y.nbytes
    np.testing.assert_allclose(model.coef_, Lasso(0.05).fit(X[:, ::4], y).coef_, atol=1e-6)


@pytest.mark.parametrize("lazy", [False, True])
def test_two_dimensional_chunks(client, data, lazy):
    folder, X, y = data
    path = folder / "boxes.zarr"
    model = Lasso(0.05).fit(da.from_zarr(path) if lazy else path, y)
    assert reads(model, X) == (1, pytest.approx(1, rel=0.06))


def test_persisted_blocks_are_used_where_they_are(client, data):
    folder, _, y = data
    blocks = da.from_zarr(folder / "rows.zarr").persist()
    if client is not None:
        wait(blocks)
        before = client.who_has(blocks)
    gram = Lasso(0.05).fit(blocks, y)
    logistic = LogisticRegression(C=1e-3, l1_ratio=1.0).fit(blocks, (y > 0).astype(int))
    assert gram.n_passes_ == 1
    assert logistic.status_ == "converged"
    assert gram.bytes_read_ == logistic.bytes_read_ == 0
    if client is not None:
        assert client.who_has(blocks) == before
        assert all(len(holders) == 1 for holders in before.values())
