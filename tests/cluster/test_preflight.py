"""Workers that could not take part are named before the first pass; one look at each is enough."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from daskreg import Lasso, cluster
from daskreg.cluster import preflight as room
from daskreg.cluster.preflight import facts, odd_ones, preflight
from daskreg.exceptions import ClusterError

OWN = facts(room.REQUIRED)


@pytest.fixture(scope="module")
def client():
    with cluster.local(2, memory_limit="512MiB") as client:
        yield client


@pytest.fixture(autouse=True)
def unseen():
    room._seen.clear()


def _one_without_llvmlite(names, dask_worker=None):
    """As ``facts``, where the second worker lacks a library."""
    return facts(names) | ({"llvmlite": None} if getattr(dask_worker, "name", 0) == 1 else {})


def _one_with_older_zarr(names, dask_worker=None):
    return facts(names) | ({"zarr": "3.0.0"} if getattr(dask_worker, "name", 0) == 1 else {})


def test_equal_workers_pass_in_one_round_trip(client, monkeypatch):
    asked = []
    run = type(client).run

    def counted(self, function, *args, **settings):
        if function is room.facts:
            asked.append(settings["workers"])
        return run(self, function, *args, **settings)

    monkeypatch.setattr(type(client), "run", counted)
    X = np.random.default_rng(0).normal(size=(40, 3))
    for _ in range(3):
        Lasso(0.1).fit(X, X[:, 0])
    assert [len(workers) for workers in asked] == [2]


def test_a_fit_is_refused_and_the_odd_one_named(client, monkeypatch):
    monkeypatch.setattr(room, "facts", _one_without_llvmlite)
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(
        ClusterError, match=r"1 of 2 workers cannot.*worker 1 at tcp:.* no llvmlite"
    ):
        Lasso(0.1).fit(X, X[:, 0])
    assert room._seen[client] == set()  # it is looked at again


def test_another_version_is_a_warning(client, monkeypatch):
    monkeypatch.setattr(room, "facts", _one_with_older_zarr)
    with pytest.warns(UserWarning, match=r"worker 1 at tcp:.* has zarr 3\.0\.0, this process"):
        preflight(client)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        preflight(client)


def test_no_cluster_no_look():
    preflight(None)


def test_a_cluster_that_is_lost_is_for_the_pass_to_tell(client, monkeypatch):
    def gone(*_, **__):
        raise TimeoutError

    monkeypatch.setattr(type(client), "run", gone)
    preflight(client)
    assert room._seen[client] == set()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"daskreg": "0.0.1"}, "has daskreg 0.0.1"),
        ({"python": "3.9"}, "has python 3.9"),
        ({"numpy": "1.26.4"}, "has numpy 1.26.4"),
        ({"zarr": None}, "has no zarr"),
    ],
)
def test_what_rules_a_worker_out(change, message):
    broken, unlike = odd_ones(OWN, {"a": OWN, "b": OWN | change, "c": OWN})
    assert len(broken) == 1
    assert f"worker b {message}" in broken[0]
    assert unlike == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numpy": OWN["numpy"] + ".post1"}, "numpy"),
        ({"dask": "1.0"}, "has dask 1.0"),
        ({"processor": "riscv Linux"}, "has riscv Linux, 2 others have"),
        ({"gpu": "H200"}, "has H200, 2 others have none"),
    ],
)
def test_what_is_only_unlike(change, message):
    broken, unlike = odd_ones(OWN, {"a": OWN, "b": OWN | change, "c": OWN})
    assert broken == []
    assert len(unlike) == 1
    assert "worker b has" in unlike[0]
    assert message in unlike[0]


def test_the_one_without_a_gpu_is_odd_among_those_with():
    own, gpu = OWN | {"gpu": None}, OWN | {"gpu": "H200"}
    assert odd_ones(own, {"a": gpu, "b": gpu}) == ([], [])
    _, unlike = odd_ones(own, {"a": gpu, "b": gpu, "c": own})
    assert "worker c has no gpu, 2 others have H200" in unlike[0]


def test_one_that_cannot_even_say():
    answers = {"a": Exception("ModuleNotFoundError('daskreg')"), "b": OSError("gone"), "c": OWN}
    broken, unlike = odd_ones(OWN, answers)
    assert len(broken) == 1
    assert "worker a has no daskreg" in broken[0]
    assert unlike == []


def test_a_library_that_is_asked_for_only_where_it_is_used():
    assert odd_ones(OWN, {"a": OWN | {"pyarrow": None}}) == ([], [])
    broken, unlike = odd_ones(OWN | {"pyarrow": "20"}, {"a": OWN | {"pyarrow": None}})
    assert broken == []
    assert "worker a has no pyarrow" in unlike[0]
