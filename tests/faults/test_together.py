"""Many fits one after the other leave nothing; several at once, or inside tasks, do not meet."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster, worker_client

import daskreg
from tests.design.helpers import make_data

from .common import wait_until

N = 2000


@pytest.fixture
def files(tmp_path: Path) -> Any:
    X, y = make_data(n=N, p=8, dtype="float64")
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", X[:, 0] + y[:, 0])
    return str(tmp_path / "X.npy"), str(tmp_path / "y.npy")


def model(alpha: float = 0.1) -> Any:
    return daskreg.Lasso(alpha=alpha, solver="fista", tol=1e-9, block_size="32KiB", cache=None)


def left_over(client: Client) -> dict[str, Any]:
    """What fits leave on scheduler, workers and client, in counts."""

    def of_scheduler(dask_scheduler: Any) -> dict[str, int]:
        state = dask_scheduler
        return {
            "tasks": len(state.tasks),
            "groups": len(state.task_groups),
            "prefixes": len([name for name in state.task_prefixes if "daskreg" in name]),
            "clients": len(state.clients),
            "topics": len(state._broker._topics),
            "desires": sum(len(one.wants_what) for one in state.clients.values()),
            "replicas": sum(len(one.has_what) for one in state.workers.values()),
        }

    def of_worker(dask_worker: Any) -> dict[str, int]:
        from daskreg.design.passes.ledger import LEDGER

        return {
            "tasks": len(dask_worker.state.tasks),
            "data": len(dask_worker.data),
            "pinned": LEDGER.nbytes,
            "shards": LEDGER.n_shards,
            "threads": threading.active_count(),
        }

    found: dict[str, Any] = {"scheduler": client.run_on_scheduler(of_scheduler)}
    workers = client.run(of_worker)
    found |= {f"worker {i}": workers[address] for i, address in enumerate(sorted(workers))}
    found["client"] = {"futures": len(client.futures), "threads": threading.active_count()}
    return found


def n_tasks(dask_scheduler: Any) -> int:
    return len(dask_scheduler.tasks)


@pytest.mark.slow
def test_many_fits_leave_nothing_that_grows(client: Client, files: Any) -> None:
    def fits(n: int) -> dict[str, Any]:
        for _ in range(n):
            model().fit(*files)
        wait_until(lambda: not client.run_on_scheduler(n_tasks))
        wait_until(lambda: not any(c["tasks"] for k, c in left_over(client).items() if "work" in k))
        return left_over(client)

    fits(20)
    before = fits(10)
    assert fits(70) == before
    for part in before.values():
        assert part.get("tasks", 0) == part.get("pinned", 0) == part.get("futures", 0) == 0


def test_two_fits_at_once_on_one_client(client: Client, files: Any) -> None:
    alphas = [0.01, 0.1, 0.2, 0.3]
    with dask.config.set(scheduler="threads"):
        expected = [model(alpha).fit(*files).coef_ for alpha in alphas]
    found: dict[float, Any] = {}

    def fit(alpha: float) -> None:
        found[alpha] = model(alpha).fit(*files)

    threads = [threading.Thread(target=fit, args=(alpha,)) for alpha in alphas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for alpha, coef in zip(alphas, expected, strict=True):
        np.testing.assert_array_equal(found[alpha].coef_, coef)
        assert found[alpha].events_ == []


def test_a_fit_inside_a_task_uses_the_threads_of_its_worker(client: Client, files: Any) -> None:
    expected = model().fit(*files).coef_
    made = model()  # travels with its class, which workers import
    tasks = [client.submit(_fitted, made, *files, pure=False) for _ in range(4)]
    for task in tasks:
        coef, processes = task.result(timeout=60)
        np.testing.assert_array_equal(coef, expected)
        assert processes == 1


def _fitted(made: Any, X: str, y: str) -> Any:
    fit = made.fit(X, y)
    return fit.coef_, fit.plan_.n_workers


def test_a_fit_inside_a_task_that_gave_its_thread_back_uses_the_cluster(
    client: Client, files: Any
) -> None:
    def fitted(made: Any, X: str, y: str) -> Any:
        with worker_client():
            fit = made.fit(X, y)
        return fit.coef_, fit.plan_.n_workers

    expected = model().fit(*files).coef_
    tasks = [client.submit(fitted, model(), *files, pure=False) for _ in range(2)]
    for task in tasks:
        coef, n_workers = task.result(timeout=60)
        np.testing.assert_array_equal(coef, expected)
        assert n_workers == 2
    # The client that this has left in the workers is not taken for one to wait for.
    coef, n_workers = client.submit(_fitted, model(), *files, pure=False).result(timeout=60)
    np.testing.assert_array_equal(coef, expected)
    assert n_workers == 1


def test_a_fit_beside_an_asynchronous_client_is_refused_or_done_in_a_thread(
    cluster: LocalCluster, files: Any
) -> None:
    async def attempt() -> Any:
        async with Client(cluster.scheduler_address, asynchronous=True):
            with pytest.raises(TypeError, match=r"synchronous.*asyncio\.to_thread"):
                model().fit(*files)
            return await asyncio.to_thread(in_a_thread)

    def in_a_thread() -> Any:
        with Client(cluster.scheduler_address) as client:
            client.wait_for_workers(2)
            return model().fit(*files).coef_

    found = asyncio.run(attempt())
    with dask.config.set(scheduler="threads"):
        np.testing.assert_array_equal(found, model().fit(*files).coef_)
