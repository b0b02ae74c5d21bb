"""What one kind of scheduler has begun another one ends, with the same bits."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import Client, LocalCluster

from daskreg import checkpoint
from daskreg.checkpoint.running import Running
from daskreg.checkpoint.store import PREVIOUS
from daskreg.design.passes.cluster import Cluster

from .cases import CASES, assert_equal, counted, data, recorded


@pytest.fixture(scope="module", params=[1, 3])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    workers = {"n_workers": request.param, "threads_per_worker": 1, "memory_limit": "1GiB"}
    here = {"host": "127.0.0.1", "dashboard_address": ":0"}
    with LocalCluster(**workers, **here) as cluster, Client(cluster) as client:
        yield client


@pytest.mark.parametrize("name", ["gram", "quasi_newton", "path"])
def test_begun_on_threads_and_ended_on_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client, name: str
) -> None:
    case, path = CASES[name], tmp_path / "fit"
    X, targets = data(tmp_path, case.kind)
    y = targets[case.target]
    with recorded(monkeypatch) as written, dask.config.set(scheduler="threads"):
        plain = case.make().fit(X, y, **case.rows, checkpoint=path, checkpoint_every=0)
    spent = []
    for number in sorted({1, 2, len(written) // 2, len(written) - 1}):
        path.write_bytes(written[number])
        Path(f"{path}{PREVIOUS}").unlink(missing_ok=True)
        with counted(monkeypatch) as passes:
            again = case.make().fit(X, y, **case.rows, checkpoint=path, resume=True)
        assert_equal(again, plain)
        spent.append(sum(passes))
    assert spent == sorted(spent, reverse=True)
    assert spent[-1] == 0


@pytest.mark.parametrize("name", ["gram", "fista"])
def test_begun_on_workers_and_ended_on_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client, name: str
) -> None:
    case, path = CASES[name], tmp_path / "fit"
    X, targets = data(tmp_path, case.kind)
    y = targets[case.target]
    with recorded(monkeypatch) as written:
        plain = case.make().fit(X, y, **case.rows, checkpoint=path, checkpoint_every=0)
    path.write_bytes(written[len(written) // 2])
    with dask.config.set(scheduler="threads"):
        again = case.make().fit(X, y, **case.rows, checkpoint=path, resume=True)
    assert_equal(again, plain)


def test_shards_of_a_running_pass_are_brought_before_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    case, path = CASES["gram"], tmp_path / "fit"
    X, targets = data(tmp_path, case.kind)
    y = targets[case.target]
    brought: list[int] = []
    wait, looks = Cluster._wait, iter([False])

    def look_up(self: Cluster, tasks: list[Any], either: bool) -> bool:
        """Say once that the pass is not over although all shards have ended."""
        ended = wait(self, tasks, either)
        return ended and (not tasks or next(looks, True))

    add = Running.add

    def counting(self: Running, outcome: Any) -> Any:
        brought.append(len(outcome.nodes))
        return add(self, outcome)

    monkeypatch.setattr(Running, "add", counting)
    monkeypatch.setattr("daskreg.checkpoint.data.DataCheck.check", lambda *_: None)
    monkeypatch.setattr(Cluster, "_wait", look_up)
    with recorded(monkeypatch) as written:
        plain = case.make().fit(X, y, **case.rows, checkpoint=path, checkpoint_every=0)
    monkeypatch.undo()
    assert sum(brought) > 1  # every node came early, and none of them twice
    assert_equal(case.make().fit(X, y, **case.rows), plain)
    path.write_bytes(written[len(brought) - 1])
    with counted(monkeypatch) as passes:
        again = case.make().fit(X, y, **case.rows, checkpoint=path, resume=True)
    assert sum(passes) == 0
    assert_equal(again, plain)


def test_a_signal_ends_a_pass_on_workers_and_keeps_their_finished_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    case, path = CASES["gram"], tmp_path / "fit"
    X, targets = data(tmp_path, case.kind)
    y = targets[case.target]
    plain = case.make().fit(X, y, **case.rows)
    wait, signalled = Cluster._wait, iter([os.kill])

    def look_up(self: Cluster, tasks: list[Any], either: bool) -> bool:
        """A signal comes when all shards have ended and nobody has looked."""
        ended = wait(self, tasks, either)
        send = next(signalled, None) if ended and tasks else None
        if send is not None:
            send(os.getpid(), signal.SIGTERM)
        return ended and send is None

    monkeypatch.setattr("daskreg.checkpoint.data.DataCheck.check", lambda *_: None)
    monkeypatch.setattr(Cluster, "_wait", look_up)
    with pytest.raises(SystemExit) as ended, checkpoint.on_signal():
        case.make().fit(X, y, **case.rows, checkpoint=path, checkpoint_every=3600)
    assert ended.value.code == checkpoint.STATUS
    monkeypatch.undo()
    with counted(monkeypatch) as passes:
        again = case.make().fit(X, y, **case.rows, checkpoint=path, resume=True)
    assert sum(passes) == 0
    assert_equal(again, plain)
