"""A solve within a step of another ends with it, and no other solve does."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import numpy as np
import pytest

from daskreg import ElasticNet, LogisticRegression
from daskreg.solvers import Fista, coordinate_descent, factored_descent
from daskreg.solvers.budget import Budget


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 1200))
    return X, X[:, :6] @ rng.normal(size=6) > 0


class Steps:
    """Counts steps of FISTA, and interrupts one of them."""

    def __init__(self, monkeypatch):
        self.n_steps, self.stop, step = 0, None, Fista.step
        monkeypatch.setattr("daskreg.solvers.screening.inner_solver", lambda *a, **k: Fista())

        def counted(solver, *args):
            self.n_steps += 1
            if self.n_steps == self.stop:
                raise KeyboardInterrupt
            return step(solver, *args)

        monkeypatch.setattr(Fista, "step", counted)


def model(**settings):
    return LogisticRegression(C=5.0, l1_ratio=1.0, solver="screening", **settings)


def test_an_interrupt_is_raised_though_the_last_pass_certifies_all(data, monkeypatch):
    steps = Steps(monkeypatch)
    model().fit(*data)
    steps.n_steps, steps.stop = 0, steps.n_steps
    found = model()
    with pytest.raises(KeyboardInterrupt):
        found.fit(*data)
    assert found.status_ == "converged"


def test_a_round_that_was_cut_short_is_made_again(data, monkeypatch, tmp_path):
    steps = Steps(monkeypatch)
    expected = model().fit(*data)
    steps.n_steps, steps.stop = 0, steps.n_steps // 2
    path = tmp_path / "checkpoint"
    with pytest.warns(match="did not converge"), pytest.raises(KeyboardInterrupt):
        model().fit(*data, checkpoint=path)
    found = model().fit(*data, checkpoint=path, resume=True)
    np.testing.assert_array_equal(found.coef_, expected.coef_)


def test_what_a_callback_fits_has_limits_of_its_own(data):
    class Fits:
        def __init__(self):
            self.status = []

        def on_iteration(self, event):
            other = LogisticRegression(C=1.0, l1_ratio=1.0, solver="fista", tol=1e-3)
            self.status.append(other.fit(*data).status_)

    fits = Fits()
    outer = LogisticRegression(
        C=1.0, l1_ratio=1.0, solver="fista", tol=1e-12, max_passes=3, callbacks=[fits]
    )
    with pytest.warns(match="did not converge"):
        outer.fit(*data)
    assert fits.status == ["converged"] * 3


@pytest.mark.parametrize("n_problems", [1, 3])
@pytest.mark.parametrize(
    ("solver", "module"), [("gram", coordinate_descent), ("screening", factored_descent)]
)
def test_what_is_done_in_memory_ends_where_the_time_does(
    data, monkeypatch, tmp_path, solver, module, n_problems
):
    X, y = data
    if module is coordinate_descent:
        X = X[:, :100]
    Y = np.column_stack([y + 0.01 * k * X[:, k] for k in range(n_problems)])
    if n_problems == 1:
        Y = Y[:, 0]
    looks, asked = [], module.called_off

    def counted():
        looks.append(None)
        return asked()

    monkeypatch.setattr(module, "called_off", counted)
    settings = {"alpha": 0.01, "l1_ratio": 0.9, "solver": solver, "max_iter": 10**6}
    path = tmp_path / "checkpoint"
    with pytest.warns(match="deadline"):
        cut = ElasticNet(**settings, deadline=0.0).fit(X, Y, checkpoint=path)
    assert np.ravel(cut.status_).tolist() == ["deadline"] * n_problems
    assert not looks  # paths that have not begun do not
    again = ElasticNet(**settings).fit(X, Y, checkpoint=path, resume=True)
    assert looks
    np.testing.assert_array_equal(again.coef_, ElasticNet(**settings).fit(X, Y).coef_)
    needed = len(looks)
    looks.clear()
    monkeypatch.setattr(Budget, "late", property(lambda _: len(looks) > 1))
    with pytest.warns(match="did not converge"):
        ElasticNet(**settings, max_passes=3).fit(X, Y)
    assert len(looks) <= 2 * n_problems < needed


def test_newtons_method_on_all_rows_is_one_whole_step_whatever_the_time(data, monkeypatch):
    """Steps that are cut are made again: a job of short runs would never get beyond the first."""
    X, y = data
    monkeypatch.setattr(Budget, "late", property(lambda _: True))
    model = LogisticRegression(C=10.0, solver="sampled_newton", tol=1e-9, max_passes=3)
    assert model.fit(X[:, :20], y).status_ == "converged"


class InterruptedPool(ThreadPoolExecutor):
    """Is interrupted while the second of its threads begins, which it never hears of then."""

    at_work = threading.Event()

    def submit(self, *args):
        future = super().submit(*args)
        if len(self._threads) == 2:
            assert self.at_work.wait(60.0)
            self._threads.pop()
            raise KeyboardInterrupt
        return future


@pytest.mark.parametrize("while_they_begin", [False, True])
def test_an_interrupt_ends_what_other_threads_do_in_memory(data, monkeypatch, while_they_begin):
    """The thread that waits for them is interrupted; they end at their next look."""
    monkeypatch.setattr("daskreg.solvers.parallel.n_cores", lambda: 2)
    if while_they_begin:
        monkeypatch.setattr("daskreg.solvers.parallel.ThreadPoolExecutor", InterruptedPool)
    asked, main = coordinate_descent.called_off, threading.main_thread()
    InterruptedPool.at_work.clear()
    # Both have begun to solve: one that is called off before that does not ask once more.
    together = threading.Barrier(2, action=InterruptedPool.at_work.set, timeout=60)
    ended = Queue()

    def waits():
        if together.wait() == 0 and not while_they_begin:
            signal.pthread_kill(main.ident, signal.SIGINT)
        patience = time.monotonic() + 60.0
        while not asked() and time.monotonic() < patience:
            time.sleep(0.001)
        ended.put(time.monotonic() < patience)
        return True

    monkeypatch.setattr(coordinate_descent, "called_off", waits)
    X, y = data
    with pytest.raises(KeyboardInterrupt):
        ElasticNet(alpha=1e-4, solver="gram").fit(X[:, :100], np.column_stack([y, X[:, 0] + y]))
    assert [ended.get(timeout=60.0) for _ in range(2)] == [True, True]
