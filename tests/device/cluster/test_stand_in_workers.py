"""Workers with cards of their own fit what threads fit, and so do those that are left."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import cloudpickle
import numpy as np
import pytest
from distributed import Client, LocalCluster

from daskreg import LogisticRegression
from daskreg.cluster.preflight import preflight
from daskreg.design.device.shelf import SHELF
from daskreg.design.passes.roster import workers_of
from daskreg.exceptions import MissingDependencyError
from tests.device import preload
from tests.faults.common import wait_until

PRELOAD = "from tests.device.preload import begin; begin()"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit="1GiB",
            host="127.0.0.1",
            dashboard_address=":0",
            preload=[PRELOAD],
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


class KillsOne:
    """Ends a worker in the middle of a fit."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def on_iteration(self, progress: Any) -> None:
        if progress.n_iter == 2:
            os.kill(self.pid, signal.SIGKILL)


def model(**settings: Any) -> LogisticRegression:
    return LogisticRegression(C=0.01, tol=1e-12, block_size=1 << 16, **settings)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((60_000, 20)) + 0.5
    y = (X[:, 0] - X[:, 1] + rng.logistic(size=len(X)) > 0).astype(int)
    path = tmp_path_factory.mktemp("rows") / "X.npy"
    np.save(path, X)
    expected = model().fit(str(path), y)
    return str(path), y, expected.coef_, X.nbytes


def close(found: Any, coef: Any) -> None:
    np.testing.assert_allclose(found.coef_, coef, rtol=0, atol=1e-10 * np.abs(coef).max())


def test_cards_of_two_workers_fit_what_threads_fit(client, data):
    X, y, coef, nbytes = data
    with client.as_current():
        found = model().fit(X, y)
    close(found, coef)
    told = client.run(preload.told)
    # All blocks went over the link once, and none is left when the fit has ended.
    assert sum(moved for moved, _ in told.values()) == nbytes
    assert all(moved > 0.3 * nbytes for moved, _ in told.values())
    wait_until(lambda: all(kept == 0 for _, kept in client.run(preload.told).values()))
    assert found.plan_.device.names == ("stand-in", "stand-in")
    assert found.fit_report_.bytes["device"] > nbytes


def test_a_worker_that_dies_in_a_fit_leaves_its_rows_to_the_others_card(client, data):
    X, y, coef, _ = data
    pid = min(client.run(os.getpid).values())
    with client.as_current():
        found = model(callbacks=[KillsOne(pid)]).fit(X, y)
    close(found, coef)
    assert "worker_lost" in {event["kind"] for event in found.fit_report_.events}
    assert SHELF.n_shards == 0  # cards of the workers: this process makes no pass


def test_another_kind_of_card_is_told_of(client, monkeypatch):
    client.wait_for_workers(2, timeout=60)
    one = min(workers_of(client))
    monkeypatch.setattr("daskreg.cluster.preflight._seen", {})
    client.run(preload.rename, "another card", workers=[one])
    with pytest.warns(UserWarning, match="has (another card|stand-in), 1 others"):
        preflight(client)
    client.run(preload.rename, "stand-in", workers=[one])


def test_a_worker_that_is_told_to_use_a_card_it_lacks_is_named(client, data):
    def without_card(wanted: str) -> None:
        from daskreg.design.device import at_hand

        os.environ["DASKREG_DEVICE"] = wanted
        at_hand.install(None)
        if wanted == "auto":
            preload.begin()

    one = min(workers_of(client))
    client.run(without_card, "gpu", workers=[one])
    try:
        with (
            client.as_current(),
            pytest.raises(MissingDependencyError, match=f"worker {one}: a GPU is asked for"),
        ):
            model().fit(data[0], data[1])
    finally:
        client.run(without_card, "auto", workers=[one])
