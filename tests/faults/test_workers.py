"""Workers that die, hang, dawdle, come late or are not there: the same bits, and said so."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from distributed import Client, LocalCluster

import daskreg
from daskreg.design.blocks import Block
from daskreg.design.passes import poison as quarantine
from daskreg.design.passes import relay, roster, slow
from daskreg.design.passes.roster import workers_of
from daskreg.events import collecting
from daskreg.exceptions import PoisonBlockError, WorkersLostError
from tests.design.helpers import Correlate, make_data, make_design

from .common import BLOCK, Deadly, Once, Slowly, first, kinds, pids, wait_until


@pytest.fixture(scope="module")
def data() -> Any:
    return make_data(n=20_000)


@pytest.fixture(scope="module")
def expected(data: Any) -> Any:
    with make_design(*data, block_size=BLOCK) as design:
        return design.sum_over_rows(Correlate(), {"times": 1.0})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize("passes", [0, 2])
def test_a_worker_that_dies_in_a_pass_costs_its_shards_and_no_bit(
    client: Client, data: Any, expected: Any, tmp_path: Path, number: int, passes: int
) -> None:
    X, y = data
    with make_design(X, y, block_size=BLOCK) as design, collecting() as log:
        for _ in range(passes):
            design.sum_over_rows(Correlate(), {"times": 1.0})
        before = design.bytes_read
        kernel = Once(path=str(tmp_path / "once"), number=number)
        np.testing.assert_array_equal(design.sum_over_rows(kernel, {"times": 1.0}), expected)
        read = design.bytes_read - before
        again = design.sum_over_rows(Correlate(), {"times": 1.0})
        read_again = design.bytes_read - before - read
    np.testing.assert_array_equal(again, expected)
    whole = X.nbytes + y.nbytes
    assert read <= (whole if passes == 0 else 0.6 * whole)
    assert read_again <= 0.6 * whole  # what a worker takes that has come in its place, if one has
    assert {"worker_lost", "shard_moved"} <= set(kinds(log))
    lost = next(event for event in log.events if event.kind == "worker_lost")
    assert lost.n_pass == passes + 1
    assert str(lost.details["worker"]).startswith("tcp://")


def test_a_worker_that_is_retired_in_a_pass(
    client: Client, cluster: LocalCluster, data: Any, expected: Any
) -> None:
    victim = sorted(workers_of(client))[0]
    timer = threading.Timer(0.3, client.retire_workers, ([victim],))
    with make_design(*data, block_size=BLOCK) as design, collecting() as log:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        timer.start()
        found = design.sum_over_rows(Slowly(seconds=0.02), {"times": 1.0})
        timer.join()
        wait_until(lambda: victim not in workers_of(client))
        again = design.sum_over_rows(Correlate(), {"times": 1.0})
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again, expected)
    assert "worker_lost" in kinds(log)


def test_a_worker_that_stops_is_bypassed(
    client: Client, data: Any, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "SILENT", 4.0)
    victim, pid = sorted(pids(client).items())[0]
    with make_design(*data, block_size=BLOCK) as design, collecting() as log:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        os.kill(pid, signal.SIGSTOP)
        try:
            found = design.sum_over_rows(Correlate(), {"times": 1.0})
            again = design.sum_over_rows(Correlate(), {"times": 1.0})
        finally:
            os.kill(pid, signal.SIGCONT)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again, expected)
    hung = [event for event in log.events if event.kind == "hung"]
    assert [event.details["worker"] for event in hung] == [victim]


@dataclass(frozen=True)
class Dawdling(Correlate):
    """Whoever comes first to one block takes for ever over what follows."""

    path: str = ""
    name: ClassVar[str] = "dawdling"

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        if block.index == 3 and first(self.path):
            time.sleep(8)
        return super().__call__(block, state)


def test_a_slow_task_is_done_by_somebody_else_too(
    client: Client, data: Any, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow, "SLOW", 1.0)
    monkeypatch.setattr(slow, "SLOW_TIMES", 1.25)
    with make_design(*data, block_size=BLOCK) as design, collecting() as log:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        kernel = Dawdling(path=str(tmp_path / "once"))
        # The shard behind it waits for the same thread: it is slow as well.
        found = design.sum_over_rows(kernel, {"times": 1.0})
        again = design.sum_over_rows(Correlate(), {"times": 1.0})
        assert "hung" in kinds(log)
        # Nobody waits for the slow one: its task ends at the next block.
        wait_until(lambda: not any(running(client).values()))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again, expected)


def running(client: Client) -> dict[str, int]:
    """Tasks that workers are at."""
    return dict(client.run(lambda dask_worker: dask_worker.state.executing_count))


def test_who_comes_late_gets_shards_between_passes(
    client: Client, cluster: LocalCluster, data: Any, expected: Any
) -> None:
    with make_design(*data, block_size=BLOCK) as design, collecting() as log:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        cluster.scale(3)
        client.wait_for_workers(3)
        found = design.sum_over_rows(Correlate(), {"times": 1.0})
        homes = design.placement.placed().homes
        again = design.sum_over_rows(Correlate(), {"times": 1.0})
        assert design.placement.placed().homes == homes
    assert set(homes) == set(workers_of(client))
    assert {"worker_joined", "shard_moved"} <= set(kinds(log))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again, expected)


def test_workers_are_seen_while_the_client_looks_at_its_scheduler_too(client: Client) -> None:
    ended = threading.Event()

    def look() -> None:  # as the clock of the client does every other second
        while not ended.is_set():
            client.sync(client._update_scheduler_info)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        seen = [len(workers_of(client)) for _ in range(300)]
    finally:
        ended.set()
        thread.join()
    assert min(seen) == max(seen) >= 2


def test_a_cluster_that_goes_to_nothing_and_comes_back(
    client: Client, cluster: LocalCluster, data: Any, expected: Any
) -> None:
    def vanish() -> None:
        cluster.scale(0)
        wait_until(lambda: not cluster.scheduler.workers)
        time.sleep(2)  # long enough to be noticed
        cluster.scale(2)

    with make_design(*data, block_size=BLOCK) as design, collecting() as log:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        thread = threading.Thread(target=vanish)
        thread.start()
        with pytest.warns(RuntimeWarning, match="no workers: waiting up to 300 s"):
            found = design.sum_over_rows(Slowly(seconds=0.05), {"times": 1.0})
        thread.join()
    np.testing.assert_array_equal(found, expected)
    assert "waiting" in kinds(log)


def test_nobody_for_longer_than_worker_timeout_is_an_error(
    client: Client, cluster: LocalCluster, tmp_path: Path
) -> None:
    X, y = make_data(n=2000)
    np.save(tmp_path / "X.npy", X)
    cluster.scale(0)
    wait_until(lambda: not workers_of(client))
    try:
        with (
            pytest.warns(RuntimeWarning, match="no workers"),
            pytest.raises(WorkersLostError, match=r"no workers for 0\.5 s \(worker_timeout\)"),
        ):
            daskreg.Lasso(worker_timeout=0.5).fit(str(tmp_path / "X.npy"), y[:, 0])
    finally:
        cluster.scale(2)


@pytest.mark.parametrize("wrong", [-1.0, "a minute"])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="worker_timeout must be a number"):
        daskreg.Lasso(worker_timeout=wrong).fit(np.eye(3), np.ones(3))


def test_an_adaptive_cluster_is_given_a_reason_to_start_somebody(tmp_path: Path) -> None:
    X, y = make_data(n=2000)
    np.save(tmp_path / "X.npy", X)
    with (
        LocalCluster(
            n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        cluster.adapt(minimum=0, maximum=1, interval="100ms")
        model = daskreg.Lasso(alpha=0.1).fit(str(tmp_path / "X.npy"), y[:, 0])
    assert model.status_ == "converged"
    assert {"waiting", "worker_joined"} <= {event.kind for event in model.events_}


@dataclass(frozen=True)
class TwoDeaths(Correlate):
    """Notes each block, ends a process at one of them, and later another one at another.

    Parameters
    ----------
    folder : str
        Of a file for each block, and of those that say what has happened.
    blocks : (int, int)
        The second death waits for the file "brought".
    """

    folder: str = ""
    blocks: tuple[int, int] = (0, 0)
    name: ClassVar[str] = "twice"

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        folder = Path(self.folder)
        with open(folder / f"block-{block.index}", "ab") as file:
            file.write(b"x")
        for number, deadly in enumerate(self.blocks):
            if block.index == deadly and first(str(folder / f"death-{number}")):
                until = time.monotonic() + 20 * number
                while not (folder / "brought").exists() and time.monotonic() < until:
                    time.sleep(0.05)
                os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(block, state)


@pytest.mark.parametrize("partial_bytes", [0, 2 << 20])
def test_what_a_worker_has_finished_outlives_it_once_workers_have_died(
    client: Client,
    data: Any,
    expected: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    partial_bytes: int,
) -> None:
    bring = relay.Relay._brought

    def brought(*args: Any) -> Any:
        outcome = bring(*args)
        if outcome is not None:
            (tmp_path / "brought").touch()
        return outcome

    monkeypatch.setattr(relay.Relay, "_brought", brought)
    with make_design(*data, block_size=BLOCK) as design:
        design.prepare(partial_bytes=partial_bytes)
        blocks = [[spec.index for spec in s.specs] for s in design.placement.placed().shards]
        assert len(blocks) == 4  # the first and the third are on one worker
        kernel = TwoDeaths(folder=str(tmp_path), blocks=(blocks[2][0], blocks[3][0]))
        found = design.sum_over_rows(kernel, {"times": 1.0})
    np.testing.assert_array_equal(found, expected)
    visits = [len((tmp_path / f"block-{index}").read_bytes()) for index in blocks[1]]
    assert visits == [1] * len(visits)


def test_a_deadly_block_is_named_and_nobody_else_is_blamed(
    client: Client, data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_design(*data, block_size=BLOCK) as design, collecting() as log:
        design.prepare()
        start, stop = design.layout.rows[3:5]
        with pytest.raises(PoisonBlockError) as error:
            design.sum_over_rows(Deadly((3,)), {})
    assert error.value.blocks == (3,)
    assert error.value.rows == (start, stop - 1)
    for said in (
        f"block 3 (rows {start} to {stop - 1} of array",
        "block_size",
        "KiB a block",
        "memory limit of a worker: 1.0 GiB",
    ):
        assert said in str(error.value)
    (poison,) = [event for event in log.events if event.kind == "poison"]
    assert poison.details["blocks"] == [3]
    wait_until(lambda: not any(running(client).values()))


def test_a_deadly_block_among_several_of_a_segment(
    client: Client, data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daskreg.design.dealing.MAX_SEGMENTS", 8)
    monkeypatch.setattr(quarantine, "SUSPECT", 1)  # each death takes a second
    monkeypatch.setattr(quarantine, "GUILTY", 2)
    with make_design(*data, block_size=BLOCK) as design:
        design.prepare()
        assert design.layout.n_blocks > 2 * design.layout.n_segments
        with pytest.raises(PoisonBlockError) as error:
            design.sum_over_rows(Deadly((7,)), {})
    assert error.value.blocks == (7,)
