"""One BLAS thread while kernels run, whichever threads they run on."""

import threading

import pytest
import scipy.linalg
import threadpoolctl

from daskreg._blas import scipy_blas, single_threaded_blas


def limits():
    libraries = threadpoolctl.ThreadpoolController().select(user_api="blas").info()
    return {library["num_threads"] for library in libraries}


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.fixture
def two_threads():
    assert scipy.linalg.blas.ddot([1.0], [2.0]) == 2.0  # its library is loaded, and counted
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield


def test_every_thread_may_be_the_first_and_the_last(two_threads):
    found = []

    def look():
        with single_threaded_blas():
            found.append(limits())

    for run in (look, lambda: in_thread(look), look, lambda: in_thread(look)):
        run()
        found.append(limits())
    assert found == [{1}, {2}] * 4


def test_who_leaves_last_restores(two_threads):
    entered, leave = threading.Event(), threading.Event()

    def first():
        with single_threaded_blas():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with single_threaded_blas():
        leave.set()
        thread.join()
        assert limits() == {1}
    assert limits() == {2}


def test_a_library_that_is_loaded_while_kernels_run_is_limited(two_threads):
    scipy_blas.cache_clear()
    with single_threaded_blas():
        threadpoolctl.threadpool_limits(2, user_api="blas")  # as it comes
        assert scipy_blas().ddot([1.0], [2.0]) == 2.0
        assert limits() == {1}
    assert limits() == {2}
