"""The same passes on worker processes: same bits, nothing moved, a lost worker made good."""

from __future__ import annotations

import os
import signal
import time

import cloudpickle
import numpy as np
import pytest
from distributed import Client, LocalCluster

from daskreg.design.passes.cluster import Cluster

from . import helpers
from .helpers import Correlate, make_data, make_design


@pytest.fixture(scope="module", autouse=True)
def helpers_travel_by_value():
    cloudpickle.register_pickle_by_value(helpers)
    yield
    cloudpickle.unregister_pickle_by_value(helpers)


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        memory_limit="1GiB",
        host="127.0.0.1",
        dashboard_address=":0",
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        yield client


def on_threads(X, y, block_size, times=(1.0, 2.0, 3.0)):
    with make_design(X, y, block_size=block_size) as design:
        return [design.sum_over_rows(Correlate(), {"times": t}) for t in times]


def moved_or_spilled(dask_scheduler):
    """Bytes that workers sent to each other, and bytes they hold on disk."""
    sent = sum(
        sum(worker.metrics.get("transfer", {}).values())
        for worker in dask_scheduler.workers.values()
    )
    spilled = sum(
        worker.metrics["spilled_bytes"]["disk"] for worker in dask_scheduler.workers.values()
    )
    replicas = max(
        (len(task.who_has) for key, task in dask_scheduler.tasks.items() if task.who_has),
        default=0,
    )
    return sent, spilled, replicas


def test_bits_of_threads_and_of_two_processes_agree(client):
    X, y = make_data(n=20_000)
    expected = on_threads(X, y, 1 << 15)
    with make_design(X, y, block_size=1 << 15) as design:
        for times, same in zip((1.0, 2.0, 3.0), expected, strict=True):
            np.testing.assert_array_equal(design.sum_over_rows(Correlate(), {"times": times}), same)
        assert design.bytes_read == X.nbytes + y.nbytes
        assert client.run_on_scheduler(moved_or_spilled)[1:] == (0, 1)


def test_partials_too_large_for_the_client_are_added_on_the_workers(client):
    X, y = make_data(n=20_000)
    with make_design(X, y, block_size=1 << 15) as design:
        design.prepare(passes=1, partial_bytes=2 << 20)
        result = design.sum_over_rows(Correlate(), {"times": 1.0})
    np.testing.assert_array_equal(result, on_threads(X, y, 1 << 15)[0])


def test_large_state_goes_through_the_scheduler_as_one_task(client):
    X, y = make_data(n=20_000)
    ballast = np.zeros(1 << 18)
    with make_design(X, y, block_size=1 << 15) as design:
        result = design.sum_over_rows(Correlate(), {"times": 1.0, "ballast": ballast})
    np.testing.assert_array_equal(result, on_threads(X, y, 1 << 15)[0])


def test_one_task_for_each_shard_and_pass(client):
    def count(dask_scheduler):
        return dask_scheduler.transition_counter, len(dask_scheduler.tasks)

    X, y = make_data(n=20_000)
    with make_design(X, y, block_size=1 << 15) as design:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 4
        kept = client.run_on_scheduler(
            lambda dask_scheduler: sorted(key.rsplit("-", 1)[0] for key in dask_scheduler.tasks)
        )
        assert kept == ["daskreg-shard"] * 4
    time.sleep(0.3)
    assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0


def test_progress_of_a_pass_comes_back_while_it_runs(client):
    X, y = make_data(n=20_000)
    heard = []
    with make_design(X, y, block_size=1 << 15) as design:
        design.progress = lambda rows, read: heard.append((rows, read))
        design.sum_over_rows(Correlate(), {"times": 1.0})
        deadline = time.monotonic() + 5
        while sum(rows for rows, _ in heard) < len(X) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert sum(rows for rows, _ in heard) == len(X)
    assert sum(read for _, read in heard) == X.nbytes + y.nbytes


def test_an_asynchronous_client_is_refused_clearly():
    class Asynchronous:
        asynchronous = True

    with pytest.raises(TypeError, match="synchronous"):
        Cluster(Asynchronous())


def test_a_worker_that_dies_between_passes_costs_a_reread_and_no_bit(client):
    X, y = make_data(n=20_000)
    expected = on_threads(X, y, 1 << 15)
    with make_design(X, y, block_size=1 << 15) as design:
        np.testing.assert_array_equal(
            design.sum_over_rows(Correlate(), {"times": 1.0}), expected[0]
        )
        once = design.bytes_read
        held = client.run(lambda dask_worker: len(dask_worker.data))
        victim = next(address for address, shards in held.items() if shards)
        os.kill(client.run(os.getpid)[victim], signal.SIGKILL)
        deadline = time.monotonic() + 30
        while victim in client.scheduler_info(n_workers=-1)["workers"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        np.testing.assert_array_equal(
            design.sum_over_rows(Correlate(), {"times": 2.0}), expected[1]
        )
        np.testing.assert_array_equal(
            design.sum_over_rows(Correlate(), {"times": 3.0}), expected[2]
        )
        reread = design.bytes_read - once
        assert 0 < reread <= 0.6 * once
        assert client.run_on_scheduler(moved_or_spilled)[1] == 0
