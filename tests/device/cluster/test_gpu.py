"""What only a GPU can show: the card itself, and clusters of dask-cuda."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from daskreg import Lasso, LogisticRegression, cluster
from daskreg._device import gpu_available
from daskreg.design.device.at_hand import card_of_process
from daskreg.design.device.shelf import SHELF
from tests.device.movement.test_fits import rows_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not gpu_available(), reason="there is no GPU that CuPy can use here"),
]


@pytest.fixture(autouse=True)
def chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody has chosen a device, the one that is found comes with a warning."""
    monkeypatch.setenv("DASKREG_DEVICE", "auto")


@contextmanager
def on(device: str) -> Iterator[None]:
    before = os.environ.get("DASKREG_DEVICE")
    os.environ["DASKREG_DEVICE"] = device
    try:
        yield
    finally:
        del os.environ["DASKREG_DEVICE"]
        if before is not None:
            os.environ["DASKREG_DEVICE"] = before


def model(name: str, **settings: Any) -> Any:
    settings = {"block_size": 1 << 18, "tol": 1e-12, "max_passes": 3000} | settings
    if name == "lasso":
        return Lasso(alpha=0.05, solver="fista", **settings)
    return LogisticRegression(C=0.01, **settings)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "float16", "bfloat16", "float32"])
def test_a_buffer_gives_back_what_was_put_into_it(dtype):
    card = card_of_process()
    values = (np.arange(3000) % 2).astype(dtype).reshape(30, 100)
    host = card.page_locked(values.shape, values.dtype)
    host[...] = values
    buffer = card.empty(2 * values.nbytes + 256)
    card.wait(card.copy, card.event(card.compute))
    array = card.put(host, buffer, 256)
    copied = card.event(card.copy)
    card.wait(card.compute, copied)
    card.wait_here(copied)
    host[...] = 0
    assert card.is_array(array)
    np.testing.assert_array_equal(card.fetch(array), values)


def test_a_full_memory_is_known_as_such_and_leaves_the_card_usable():
    card = card_of_process()
    with pytest.raises(Exception) as error:
        card.empty(card.free_bytes() + (1 << 40))
    assert card.is_out_of_memory(error.value)
    assert not card.is_out_of_memory(ValueError("other"))
    card.trim()
    np.testing.assert_array_equal(card.fetch(card.send(np.arange(5.0))), np.arange(5.0))


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize(
    ("dtype", "sparse", "bound"),
    [
        ("float64", False, 1e-10),
        ("float32", False, 1e-5),
        ("int8", False, 1e-10),
        ("float64", True, 1e-10),
    ],
)
@pytest.mark.parametrize("name", ["lasso", "logistic"])
def test_a_fit_has_the_coefficients_of_processors(monkeypatch, name, dtype, sparse, bound, stays):
    X, y = rows_of(dtype, sparse, n=200_000)
    y = y if name == "lasso" else (y > y.mean()).astype(int)
    with on("cpu"):
        expected = model(name).fit(X, y)
    if not stays:
        monkeypatch.setattr(SHELF, "claim", lambda *_: False)
    with on("gpu"):
        found = model(name).fit(X, y)
        again = model(name).fit(X, y)
    np.testing.assert_array_equal(found.coef_, again.coef_)
    np.testing.assert_allclose(
        found.coef_, expected.coef_, rtol=0, atol=bound * max(1, np.abs(expected.coef_).max())
    )


@contextmanager
def two_on_one_gpu() -> Iterator[Any]:
    """A scheduler and two ``dask cuda worker`` processes that share a GPU."""
    from distributed import Client, LocalCluster

    own = {"CUDA_VISIBLE_DEVICES": "0", "CUPY_GPU_MEMORY_LIMIT": "45%"}
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as scheduler:
        command = [sys.executable, "-m", "dask", "cuda", "worker", scheduler.scheduler_address]
        settings = ["--device-memory-limit", "0", "--no-dashboard", "--pre-import", "cupy"]
        workers = [subprocess.Popen(command + settings, env=os.environ | own) for _ in range(2)]
        try:
            with Client(scheduler) as client:
                client.wait_for_workers(2, timeout=120)
                yield client
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait(timeout=60)


class KillsOne:
    """Ends a worker in the middle of a fit."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def on_iteration(self, progress: Any) -> None:
        if progress.n_iter == 2:
            os.kill(self.pid, signal.SIGKILL)


@pytest.mark.parametrize("kills", [False, True])
@pytest.mark.parametrize("start", ["cuda", "two"])
def test_a_cluster_of_dask_cuda_fits_what_threads_fit(tmp_path, start, kills):
    pytest.importorskip("dask_cuda")
    X, y = rows_of("float64", False, n=200_000)
    y = (y > y.mean()).astype(int)
    path = str(tmp_path / "X.npy")
    np.save(path, X)
    with on("cpu"):
        expected = model("logistic").fit(path, y)
    with cluster.cuda(1) if start == "cuda" else two_on_one_gpu() as client:
        victim = min(client.run(os.getpid).values())
        found = model("logistic", callbacks=[KillsOne(victim)] if kills else ()).fit(path, y)
        assert found.plan_.device is not None
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=0, atol=1e-10)
