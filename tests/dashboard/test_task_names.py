"""On Dask's own pages a pass is one bar a shard, with a name that can be read."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from dask.utils import key_split
from distributed import get_task_stream, performance_report

from daskreg import ElasticNetCV, Lasso, cluster


@pytest.fixture(scope="module")
def client():
    with cluster.local(n_workers=2) as client:
        yield client


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 8))
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", X @ rng.normal(size=8) + rng.normal(size=len(X)))
    return folder / "X.npy", folder / "y.npy"


def bars(stream):
    """How many bars of each name there are on the task stream."""
    return Counter(key_split(task["key"]) for task in stream.data)


def test_one_bar_a_shard_a_pass(client, data):
    with get_task_stream(client) as stream:
        model = Lasso(0.01, solver="fista", block_size="100kB").fit(*data)
    n_shards = model.plan_.n_shards
    found = bars(stream)
    # The task that makes a shard is its first pass; large outcomes are taken out where it lies.
    assert found.pop("daskreg-shard") == n_shards
    assert found.pop("daskreg-outcome", n_shards) == n_shards
    # And one small task that stays, so that the scheduler's records go on from pass to pass.
    assert found.pop("daskreg-gradient") == n_shards * (model.n_passes_ - 1) + 1
    assert not found


def test_a_fit_of_one_pass_is_one_bar_a_shard(client, data):
    with get_task_stream(client) as stream:
        model = ElasticNetCV(alphas=5, cv=3, block_size="100kB").fit(*data)
    found = bars(stream)
    assert model.n_passes_ == 1
    assert sum(found.values()) <= 2 * model.plan_.n_shards
    assert max(found.values()) == model.plan_.n_shards
    assert all(name.startswith("daskreg-") for name in found)


def test_the_performance_report_names_the_passes(client, data, tmp_path):
    with performance_report(str(tmp_path / "report.html")):
        Lasso(0.01, solver="fista", block_size="100kB").fit(*data)
    page = (tmp_path / "report.html").read_text()
    assert "daskreg-gradient" in page
    assert "daskreg-shard" in page
