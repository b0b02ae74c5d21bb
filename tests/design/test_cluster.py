"""The same passes on worker processes: same bits, nothing moved, a lost worker made good."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, replace

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster, wait

from daskreg.design import as_design
from daskreg.design.host import machine_memory
from daskreg.design.passes.cluster import Cluster
from daskreg.design.passes.roster import workers_of
from daskreg.exceptions import WorkersLostError

from . import helpers
from .helpers import Correlate, make_data, make_design


@pytest.fixture(scope="module", autouse=True)
def helpers_travel_by_value():
    cloudpickle.register_pickle_by_value(helpers)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    cloudpickle.unregister_pickle_by_value(helpers)


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
        while victim in workers_of(client):
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


def test_the_spool_of_a_lost_worker_is_made_anew_from_the_source(client):
    X, y = make_data(n=20_000)
    expected = on_threads(X, y, 1 << 15)
    with make_design(X, y, block_size=1 << 15, cache="disk") as design:
        # Nothing is pinned: every block is on disk after one pass.
        design.prepare()
        design.placement._planned = replace(
            design.plan, bytes_pinned=0, bytes_streamed=design.plan.total_bytes
        )
        design.placement._plan = design.placement._planned
        design.placement._deal(design.placement.scheduler)
        results = [design.sum_over_rows(Correlate(), {"times": 1.0})]
        assert design.bytes_spooled == X.nbytes + y.nbytes
        held = client.run(lambda dask_worker: len(dask_worker.data))
        victim = next(address for address, shards in held.items() if shards)
        os.kill(client.run(os.getpid)[victim], signal.SIGKILL)
        deadline = time.monotonic() + 30
        while victim in workers_of(client):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        results += [design.sum_over_rows(Correlate(), {"times": t}) for t in (2.0, 3.0)]
        assert design.bytes_spooled == X.nbytes + y.nbytes
    for result, same in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, same)


@dataclass(frozen=True)
class Slowly(Correlate):
    """Takes its time over each block."""

    seconds: float = 0.1

    def __call__(self, block, state):
        time.sleep(self.seconds)
        return super().__call__(block, state)


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def tasks_of_workers(client):
    return sum(client.run(lambda dask_worker: len(dask_worker.state.tasks)).values())


def test_ctrl_c_ends_the_pass_on_the_workers_too(client):
    X, y = make_data(n=20_000)
    with make_design(X, y, block_size=1 << 15) as design:
        design.prepare()
        main = threading.main_thread().ident
        timer = threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            design.sum_over_rows(Slowly(seconds=0.5), {"times": 1.0})
        assert time.monotonic() - started < 6
        # Shards of a dozen seconds stop at their next block.
        wait_until(lambda: tasks_of_workers(client) == 0, seconds=5)
        again = design.sum_over_rows(Correlate(), {"times": 1.0})
    np.testing.assert_array_equal(again, on_threads(X, y, 1 << 15)[0])


def test_passes_leave_no_topics_on_the_scheduler(client):
    def topics(dask_scheduler):
        return sum(name.startswith("daskreg") for name in dask_scheduler._broker._topics)

    X, y = make_data(n=2_000)
    seen = []
    for _ in range(3):
        with make_design(X, y, block_size=1 << 15) as design:
            design.progress = lambda rows, read: None
            design.sum_over_rows(Correlate(), {"times": 1.0})
            design.sum_over_rows(Correlate(), {"times": 1.0})
        seen.append(client.run_on_scheduler(topics))
    assert seen[0] == seen[2]


def copies_of_shards(dask_scheduler):
    shards = [k for k in dask_scheduler.tasks if k.startswith("daskreg-shard")]
    return [len(dask_scheduler.tasks[key].who_has) for key in shards]


def test_large_partials_leave_each_shard_on_one_worker(client):
    X, y = make_data(n=20_000)
    expected = on_threads(X, y, 1 << 15)
    with make_design(X, y, block_size=1 << 15) as design:
        design.prepare(partial_bytes=2 << 20)
        for times, same in zip((1.0, 2.0), expected[:2], strict=True):
            np.testing.assert_array_equal(design.sum_over_rows(Correlate(), {"times": times}), same)
            assert set(client.run_on_scheduler(copies_of_shards)) == {1}
        assert design.bytes_read == X.nbytes + y.nbytes


def test_rows_of_the_client_are_planned_as_they_will_be_read(client):
    X, y = np.ones((1 << 18, 8)), np.ones(1 << 18)
    with as_design(X, y) as design:
        said = design.plan
        assert (said.resident, said.peak) == (False, pytest.approx(design.prepare().peak, rel=0.2))
        assert said.bytes_pinned == said.total_bytes


def test_persisted_blocks_count_no_bytes_and_stay(client):
    X, y = make_data(n=20_000)
    blocks = da.from_array(X, chunks=(500, X.shape[1])).map_blocks(np.copy).persist()
    wait(blocks)
    before = client.who_has(blocks)
    with as_design(blocks, y) as design:
        assert design.plan.resident
        assert design.plan.bytes_pinned == 0
        results = [design.sum_over_rows(Correlate(), {"times": t}) for t in (1.0, 2.0)]
        assert design.bytes_read == 0
        assert design.bytes_pinned == 0
        assert client.who_has(blocks) == before
        assert client.run_on_scheduler(moved_or_spilled)[1:] == (0, 1)
    block_size = 500 * X.shape[1] * X.itemsize
    for result, expected in zip(results, on_threads(X, y, block_size), strict=False):
        np.testing.assert_array_equal(result, expected)


def test_scattered_blocks_that_are_lost_are_an_error(client):
    X, y = make_data(n=2_000)
    client.wait_for_workers(2)
    parts = client.scatter([X[i : i + 100] for i in range(0, len(X), 100)], hash=False)
    graph = {("scattered", i, 0): part for i, part in enumerate(parts)}
    rows = da.Array(graph, "scattered", chunks=((100,) * 20, (X.shape[1],)), meta=X[:0])
    with as_design(rows, y) as design:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        kill_a_holder(client)
        wait_until(lambda: any(part.status != "finished" for part in parts))
        with pytest.raises(WorkersLostError, match="cannot be made again"):
            design.sum_over_rows(Correlate(), {"times": 1.0})
    client.wait_for_workers(2)


def kill_a_holder(client):
    held = client.run(lambda dask_worker: len(dask_worker.data))
    victim = next(address for address, shards in held.items() if shards)
    os.kill(client.run(os.getpid)[victim], signal.SIGKILL)


@pytest.mark.parametrize("partial_bytes", [0, 2 << 20])
def test_a_worker_that_dies_with_results_not_yet_fetched(client, monkeypatch, partial_bytes):
    X, y = make_data(n=20_000)
    client.wait_for_workers(2)
    killed = []

    def wait_and_kill(self, tasks, either, original=Cluster._wait):
        done = original(self, tasks, either)
        if done and not killed:
            killed.append(True)
            kill_a_holder(client)
            time.sleep(0.2)
        return done

    monkeypatch.setattr(Cluster, "_wait", wait_and_kill)
    with make_design(X, y, block_size=1 << 15) as design:
        design.prepare(partial_bytes=partial_bytes)
        result = design.sum_over_rows(Correlate(), {"times": 1.0})
    np.testing.assert_array_equal(result, on_threads(X, y, 1 << 15)[0])


def test_results_that_are_no_longer_waited_for_are_fetched_again(client, monkeypatch):
    X, y = make_data(n=2_000)
    gather, asked = client._gather, []

    async def once_cancelled(*args, **kwargs):
        asked.append(None)
        if len(asked) == 1:
            raise asyncio.CancelledError
        return await gather(*args, **kwargs)

    monkeypatch.setattr(client, "_gather", once_cancelled)
    with make_design(X, y, block_size=1 << 15) as design:
        result = design.sum_over_rows(Correlate(), {"times": 1.0})
    assert len(asked) > 1
    np.testing.assert_array_equal(result, on_threads(X, y, 1 << 15)[0])


def test_a_cluster_without_workers_is_an_error(client, cluster):
    X, y = make_data(n=2_000)
    cluster.scale(0)
    wait_until(lambda: not workers_of(client))
    try:
        with (
            dask.config.set({"distributed.scheduler.no-workers-timeout": "0.5s"}),
            pytest.warns(RuntimeWarning, match="no workers: waiting up to 0.5 s"),
            pytest.raises(WorkersLostError, match="had no workers"),
        ):
            make_design(X, y).prepare()
    finally:
        cluster.scale(2)
        client.wait_for_workers(2)


def test_workers_without_a_limit_share_their_machine():
    with (
        LocalCluster(
            n_workers=1, processes=False, memory_limit=0, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        assert Cluster(client).workers[0].memory_limit == machine_memory()
