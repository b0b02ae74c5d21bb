"""Threads: results in the order of the items, BLAS as it was, errors raised."""

from __future__ import annotations

import threading

import pytest
import threadpoolctl

from daskreg import _blas
from daskreg.solvers import parallel
from daskreg.solvers.parallel import parallel_map


def test_results_come_in_the_order_of_the_items(monkeypatch):
    """Each item waits for the next one, so that they end in reverse."""
    monkeypatch.setattr(parallel, "n_cores", lambda: 4)
    done = [threading.Event() for _ in range(5)]
    done[4].set()

    def work(item):
        assert done[item + 1].wait(timeout=60)
        done[item].set()
        return item, threading.current_thread().name

    results = parallel_map(work, range(4))
    assert [item for item, _ in results] == [0, 1, 2, 3]
    assert len({name for _, name in results}) == 4


def test_blas_has_one_thread_meanwhile_and_then_what_it_had(monkeypatch):
    monkeypatch.setattr(parallel, "n_cores", lambda: 2)

    def threads():
        pools = threadpoolctl.threadpool_info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    before = threads()
    inside = parallel_map(lambda _: threads(), range(3))
    assert all(count == 1 for counts in inside for count in counts)
    assert threads() == before


def test_one_item_runs_where_it_is_called(monkeypatch):
    names = parallel_map(lambda _: threading.current_thread().name, [0])
    assert names == [threading.current_thread().name]
    monkeypatch.setattr(parallel, "n_cores", lambda: 1)
    names = parallel_map(lambda _: threading.current_thread().name, [0, 1])
    assert set(names) == {threading.current_thread().name}
    assert parallel_map(len, []) == []


def test_an_error_is_raised(monkeypatch):
    monkeypatch.setattr(parallel, "n_cores", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda item: 1 / item, [1, 0, 2])


def test_blas_that_is_loaded_after_the_first_work_is_limited_too(monkeypatch):
    class Nothing:
        lib_controllers = ()

        def select(self, **_):
            return self

    monkeypatch.setattr(parallel, "n_cores", lambda: 2)
    with monkeypatch.context() as before:
        before.setattr(threadpoolctl, "ThreadpoolController", Nothing)
        _blas._controller.cache_clear()
        parallel_map(abs, [1, 2])
    _blas.scipy_blas.cache_clear()
    _blas.scipy_blas()
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        found = parallel_map(lambda _: threadpoolctl.threadpool_info(), [0, 1])[0]
    assert {pool["num_threads"] for pool in found if pool["user_api"] == "blas"} == {1}
