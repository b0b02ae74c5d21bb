"""A scheduler that is gone, or says nothing: a bounded failure that keeps what there is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from distributed import Client
from sklearn.exceptions import ConvergenceWarning

import daskreg
from daskreg.design.design import Design
from daskreg.design.passes import roster
from daskreg.exceptions import ClusterLostError, PoisonBlockError, WorkersLostError
from tests.design.helpers import make_data

N = 4000


@pytest.fixture
def files(tmp_path: Path) -> Any:
    X, _ = make_data(n=N, p=12, dtype="float64")
    y = (X[:, 0] - X[:, 1] + np.random.default_rng(0).standard_normal(N) > 0).astype(int)
    np.save(tmp_path / "X.npy", X)
    return str(tmp_path / "X.npy"), y


def no_longer_the_scheduler(client: Client) -> None:
    """Close a client, and wait until it has taken itself out of Dask's configuration.

    One that gives its scheduler up closes itself, in a thread of its own, and may be at it.
    """
    client.close()
    patience = time.monotonic() + 60.0
    while dask.config.get("scheduler", None) is not None and time.monotonic() < patience:
        time.sleep(0.01)
    assert dask.config.get("scheduler", None) is None


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Any]:
    """A scheduler and a worker in processes of their own, and a client of them."""
    file = str(tmp_path / "scheduler.json")
    here = ["--scheduler-file", file, "--host", "127.0.0.1", "--no-dashboard"]
    started = [
        subprocess.Popen([sys.executable, "-m", f"distributed.cli.{one}", *here, *more])
        for one, more in (
            ("dask_scheduler", ["--port", "0"]),
            ("dask_worker", ["--no-nanny", "--nthreads", "1", "--death-timeout", "30"]),
        )
    ]
    try:
        with closing(Client(scheduler_file=file, timeout=8)) as client:
            client.wait_for_workers(1)
            yield client, started[0]
        no_longer_the_scheduler(client)
    finally:
        for process in started:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


class After:
    """Calls a function after some iterations."""

    def __init__(self, n_iter: int, function: Any) -> None:
        self.n_iter, self.function = n_iter, function

    def on_iteration(self, progress: Any) -> None:
        if progress.n_iter == self.n_iter:
            self.function()


def model(**settings: Any) -> Any:
    return daskreg.LogisticRegression(
        C=0.1, l1_ratio=1.0, solver="fista", tol=1e-12, block_size="32KiB", **settings
    )


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_scheduler_that_is_gone_ends_the_fit_within_a_minute(
    files: Any, processes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    client, scheduler = processes
    monkeypatch.setattr(roster, "LOST_AFTER", 2.0)
    number = signal.SIGKILL if how == "killed" else signal.SIGSTOP
    path, began = tmp_path / "fit.checkpoint", []

    def end() -> None:
        began.append(time.monotonic())
        scheduler.send_signal(number)

    fit = model(callbacks=[After(3, end)])
    with (
        pytest.warns(ConvergenceWarning, match="interrupted"),
        pytest.raises(ClusterLostError, match="the best coefficients so far") as error,
    ):
        fit.fit(*files, checkpoint=path)
    assert time.monotonic() - began[0] < 60
    assert str(path) in str(error.value)
    assert fit.status_ == "interrupted"
    assert np.any(fit.coef_)
    no_longer_the_scheduler(client)
    calm = model().fit(*files)
    again = model().fit(*files, checkpoint=path, resume=True)
    np.testing.assert_array_equal(again.coef_, calm.coef_)


def test_a_client_that_is_closed_ends_the_fit(client: Client, files: Any) -> None:
    fit = model(callbacks=[After(3, client.close)])
    with (
        pytest.warns(ConvergenceWarning),
        pytest.raises(ClusterLostError, match="client"),
    ):
        fit.fit(*files)
    assert np.any(fit.coef_)
    assert dask.config.get("scheduler", None) is None


# ------------------------------------------------------------------ what is kept


def failing(monkeypatch: pytest.MonkeyPatch, after: int, error: Exception) -> None:
    """Let passes over X fail after so many."""
    sums, seen = Design.sum_over_rows, [0]

    def sum_over_rows(self: Design, kernel: Any, state: Any = None) -> Any:
        seen[0] += bool(getattr(kernel, "reads_X", True))
        if seen[0] > after:
            raise error
        return sums(self, kernel, state)

    monkeypatch.setattr(Design, "sum_over_rows", sum_over_rows)


@pytest.mark.parametrize("kind", [WorkersLostError, PoisonBlockError, ClusterLostError])
def test_the_best_iterate_is_in_the_model(
    files: Any, monkeypatch: pytest.MonkeyPatch, kind: type[WorkersLostError]
) -> None:
    limited = model(max_passes=4)
    with pytest.warns(ConvergenceWarning):
        limited.fit(*files)
    failing(monkeypatch, 4, kind("block 7 is bad"))
    fit = model()
    with pytest.warns(ConvergenceWarning, match="interrupted"), pytest.raises(kind) as error:
        fit.fit(*files)
    assert str(error.value) == (
        "block 7 is bad. LogisticRegression.fit: the best coefficients so far are in coef_"
    )
    np.testing.assert_array_equal(fit.coef_, limited.coef_)
    assert fit.relative_gap_ == limited.relative_gap_


def test_nothing_is_kept_of_a_first_pass(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, 0, WorkersLostError("nobody is there"))
    fit = model()
    with pytest.raises(WorkersLostError, match=r"nobody is there$"):
        fit.fit(*files)
    assert not hasattr(fit, "coef_")


def test_nothing_is_chosen_that_nobody_can_score(
    files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"alphas": [1.0, 1e-4], "cv": 3, "solver": "fista", "tol": 1e-12}
    failing(monkeypatch, 6, WorkersLostError("nobody is there"))
    fit = daskreg.LassoCV(**settings)
    with pytest.raises(WorkersLostError, match="nobody is there"):
        fit.fit(*files)
    assert not hasattr(fit, "alpha_")


def test_a_path_says_what_ended_it(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, 6, WorkersLostError("nobody is there"))
    with (
        pytest.warns(RuntimeWarning, match="path: nobody is there"),
        pytest.warns(ConvergenceWarning),
    ):
        daskreg.lasso_path(*files, alphas=[1e-3, 1e-4], solver="fista", tol=1e-12)


def test_resamples_keep_the_alphas_that_all_have(
    files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, 12, WorkersLostError("nobody is there"))
    fit = daskreg.BootstrapPaths(
        n_replicates=4, alphas=[1.0, 1e-5], solver="fista", tol=1e-12, max_iter=10**5
    )
    with pytest.raises(WorkersLostError, match="in the attributes"):
        fit.fit(*files)
    assert len(fit.alphas_) == 1


@pytest.mark.parametrize("end", ["ctrl-c", "deadline", "max_passes", "callback"])
def test_whatever_ends_a_fit_lets_go_of_all_futures(client: Client, files: Any, end: str) -> None:
    def interrupt() -> None:
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)

    settings: dict[str, Any] = {
        "ctrl-c": {"callbacks": [After(2, interrupt)]},
        "deadline": {"deadline": 0.3},
        "max_passes": {"max_passes": 3},
        "callback": {"callbacks": [After(2, _fail)]},
    }[end]
    fit = model(**settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            fit.fit(*files)
        except (KeyboardInterrupt, ZeroDivisionError):
            assert end in ("ctrl-c", "callback")
    held = lambda: client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))  # noqa: E731
    deadline = time.monotonic() + 5
    while held() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert held() == 0
    assert not client.futures
    assert os.getpid() not in client.run(os.getpid).values()


def _fail() -> None:
    raise ZeroDivisionError
