"""What passes tell of themselves: every byte has a tier, every row a shard, every shard a place."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest

from daskreg import Lasso, cluster
from daskreg.callbacks import History
from daskreg.design import as_design
from daskreg.design.passes.roster import workers_of
from tests.design.helpers import Correlate

N, P = 6000, 8


class Records:
    """Keeps the records of passes."""

    def __init__(self):
        self.records = []

    def on_iteration(self, event):
        pass

    def on_pass(self, record):
        if record.counted:
            self.records.append(record)


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P))
    y = X @ rng.normal(size=P) + rng.normal(size=N)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    return tmp_path, X, y


def fit(X, y, **settings):
    records = Records()
    settings = {"solver": "fista", "block_size": "40kB", "max_iter": 5, "tol": 0.0} | settings
    with pytest.warns(match="did not converge"):
        model = Lasso(0.1, callbacks=[records], **settings).fit(X, y)
    assert len(records.records) == model.n_passes_
    return model, records.records


def tiers(record):
    return [record.total(name) for name in ("memory", "disk", "source")]


def test_rows_in_memory_are_read_from_nowhere(data):
    _, X, y = data
    model, records = fit(X, y)
    for record in records:
        assert record.total("n_rows") == N
        assert tiers(record) == [X.nbytes + y.nbytes, 0, 0]
    assert model.fit_report_.bytes["memory"] == model.n_passes_ * (X.nbytes + y.nbytes)


@pytest.mark.parametrize(("cache", "later"), [(None, "source"), ("memory", "memory"), ("disk", 0)])
def test_every_byte_of_a_file_has_a_tier(data, cache, later):
    folder, X, y = data
    if cache == "disk":
        cache, later = "disk", "memory"  # there is room for all of it
    model, records = fit(folder / "X.npy", folder / "y.npy", cache=cache)
    whole = X.nbytes + y.nbytes
    assert tiers(records[0]) == [0, 0, whole]
    for record in records[1:]:
        assert record.total(later) == whole
        assert sum(tiers(record)) == whole
    assert model.bytes_read_ == sum(sum(tiers(record)[1:]) for record in records)


def test_phases_fit_into_the_seconds(data):
    folder, _, _ = data
    model, records = fit(folder / "X.npy", folder / "y.npy", cache=None)
    for record in records:
        for shard in record.shards:
            assert shard.compute > 0
            assert shard.compute + shard.wait <= shard.seconds
            assert shard.resident > 0
        assert record.reduce <= record.seconds
    seconds = model.fit_report_.seconds
    assert seconds["passes"] == pytest.approx(sum(record.seconds for record in records), rel=0.5)
    assert seconds["passes"] + seconds["solve"] == pytest.approx(seconds["total"])


def test_shards_say_where_they_were(data):
    folder, _, _ = data
    with cluster.local(n_workers=2) as client:
        addresses = set(workers_of(client))
        model, records = fit(folder / "X.npy", folder / "y.npy")
    for record in records:
        assert {shard.where for shard in record.shards} == addresses
        assert record.total("n_rows") == N
    assert set(model.fit_report_.memory["measured"]) == addresses


def test_passes_beside_X_are_no_passes():
    history = History()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    model = Lasso(0.1, callbacks=[history]).fit(X, X[:, 0])
    assert history.n_passes == model.n_passes_ == 1


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_block_costs_a_few_readings_of_clocks(data, kind, monkeypatch):
    folder, X, y = data
    read = {"wall": 0, "processor": 0}

    def counting(name, clock):
        def counted(*args):
            read[name] += 1
            return clock(*args)

        return counted

    given = (X, y) if kind == "memory" else (folder / "X.npy", folder / "y.npy")
    with as_design(*given, block_size="20kB", cache=None) as design:
        records = []
        design.on_pass = records.append
        design.sum_over_rows(Correlate(), {"times": 1.0})
        with monkeypatch.context() as patch:
            patch.setattr(time, "perf_counter", counting("wall", time.perf_counter))
            patch.setattr(resource, "getrusage", counting("processor", resource.getrusage))
            design.sum_over_rows(Correlate(), {"times": 1.0})
        n_blocks, n_shards = design.layout.n_blocks, len(records[-1].shards)
    assert n_blocks == 20
    assert read["wall"] <= 6 * n_blocks + 6 * n_shards + 3
    assert read["processor"] <= 2 * n_blocks + 2 * n_shards
