"""Sums over rows: right, the same bits everywhere, each byte read as often as planned."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import weakref

import dask
import numpy as np
import pytest
from dask.callbacks import Callback

from daskreg import _blas
from daskreg.design.columns import Columns
from daskreg.design.design import Design
from daskreg.design.passes import tally, threads
from daskreg.design.passes.ledger import LEDGER
from daskreg.design.passes.runs import make_runs
from daskreg.design.passes.shards import Shard
from daskreg.design.passes.threads import Threads
from daskreg.exceptions import DataError

from .helpers import (
    ArrayRows,
    Correlate,
    CountingReader,
    CountRows,
    make_data,
    make_design,
    sums,
)


def in_a_moment(is_so):
    """Whether it is so soon; other shards may need a moment to see that the pass is over."""
    deadline = time.monotonic() + 30
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()


def read_ahead_threads_end():
    return in_a_moment(
        lambda: "daskreg-read-ahead" not in {thread.name for thread in threading.enumerate()}
    )


def test_a_pass_is_the_sum_over_rows():
    X, y = make_data(dtype="float64")
    first, second, third = sums(make_design(X, y, block_size=8192))
    np.testing.assert_allclose(first, X.T @ y[:, 0], rtol=1e-12)
    np.testing.assert_array_equal(second, 2 * first)
    np.testing.assert_array_equal(third, first)


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 16])
def test_bits_do_not_depend_on_the_number_of_shards(workers):
    X, y = make_data()
    with dask.config.set(num_workers=1):
        expected = sums(make_design(X, y, block_size=4096))[0]
    with dask.config.set(num_workers=workers):
        design = make_design(X, y, block_size=4096)
        for result, times in zip(sums(design), (1, 2, 1), strict=True):
            np.testing.assert_array_equal(result, expected * times)
        assert design.plan.n_shards == 2 * workers


def test_sums_of_shards_are_added_as_each_of_them_ends():
    """Where forty shards wait for the last one, their sums would fill the memory."""
    alive, most = set(), 0

    class Large(Correlate):
        def __call__(self, block, state):
            nonlocal most
            found = super().__call__(block, state)
            alive.add(block.index)
            weakref.finalize(found, alive.discard, block.index)
            most = max(most, len(alive))
            return found

    X, y = make_data()
    with dask.config.set(num_workers=20, scheduler="synchronous"):
        design = make_design(X, y, block_size=4096)
        result = design.sum_over_rows(Large(), {"times": 1.0})
        assert design.plan.n_shards == 40
    np.testing.assert_allclose(result, X.T @ y[:, 0], rtol=1e-3, atol=1e-3)
    assert most <= 2 + np.log2(design.plan.n_segments)


@pytest.mark.parametrize("options", [{"resident": True}, {"row_chunks": (1000, 7, 3993)}])
def test_every_kind_of_rows_gives_the_sum(options):
    X, y = make_data()
    np.testing.assert_allclose(
        sums(make_design(X, y, block_size=4096, **options))[0],
        X.astype(float).T @ y[:, 0],
        rtol=1e-4,
        atol=1e-3,
    )


def test_an_error_of_a_library_says_which_rows():
    X, y = make_data()

    class Torn(ArrayRows):
        def cut(self, start, stop):
            return self

        def open(self, values=()):
            return TornReader(self)

    class TornReader(CountingReader):
        def read(self, start, stop, out=None):
            if start >= 4000:
                raise OSError("checksum")
            return super().read(start, stop, out)

    design = Design(Columns(Torn(X), ArrayRows(y)), block_size=8192)
    with design, pytest.raises(DataError, match=r"rows \d+ to \d+ of X .* OSError: checksum"):
        design.sum_over_rows(Correlate(), {"times": 1.0})


def test_a_scheduler_of_the_users_own_is_called_as_dask_calls_it():
    seen = []

    def get(graph, keys):
        seen.append(len(graph))
        return dask.get(graph, keys)

    X, y = make_data()
    with dask.config.set(scheduler=get):
        result = sums(make_design(X, y, block_size=8192))[0]
    np.testing.assert_array_equal(result, sums(make_design(X, y, block_size=8192))[0])
    assert len(seen) == 3


def test_a_pass_without_X_reads_none_of_it():
    X, y = make_data()
    design = make_design(X, y, block_size=8192)
    count, total = design.sum_over_rows(CountRows())
    assert (count, design.n_passes) == (len(X), 0)
    assert total == pytest.approx(y.sum())
    assert design._columns.X.reads == []
    design.close()


def test_one_shard_is_a_plain_call_and_meets_no_scheduler():
    X, y = make_data(n=100)

    def refuse(*args, **kwargs):
        raise AssertionError("a scheduler was called")

    with dask.config.set(scheduler=refuse):
        sums(make_design(X, y, resident=True))


def test_one_task_for_each_shard_and_pass_and_nothing_else():
    X, y = make_data()
    seen = []

    def counting(graph, keys, **kwargs):
        seen.append(len(graph))
        return dask.get(graph, keys)

    design = make_design(X, y, block_size=4096)
    with dask.config.set(scheduler=counting, num_workers=3):
        sums(design)
    assert seen == [6, 6, 6]


def test_own_threads_cost_a_pass_once_and_not_once_a_shard(monkeypatch):
    X, y = make_data()
    submitted, asked, limits = [], [], []
    submit, limit = threads.ThreadPoolExecutor.submit, _blas._limit
    monkeypatch.setattr(
        threads.ThreadPoolExecutor,
        "submit",
        lambda pool, call: submitted.append(1) or submit(pool, call),
    )
    monkeypatch.setattr(_blas, "_limit", lambda: limits.append(1) or limit())
    monkeypatch.setattr(tally, "process_memory", lambda: asked.append(1) or 1 << 30)
    monkeypatch.setattr(tally, "RESIDENT", tally._Resident())
    monkeypatch.setattr(tally, "RESIDENT_AGE", 3600.0)
    with dask.config.set(num_workers=3), make_design(X, y, block_size=4096) as design:
        for times in (1.0, 2.0, 1.0):
            design.sum_over_rows(Correlate(), {"times": times})
        assert design.plan.n_shards == 6
    assert (len(submitted), len(limits)) == (9, 3)
    assert len(asked) <= 1


def test_the_first_error_ends_own_threads_before_the_next_call():
    begun = []

    def call(number):
        begun.append(number)
        if number == 1:
            raise ValueError("the second one")

    with dask.config.set(num_workers=1), pytest.raises(ValueError, match="the second one"):
        Threads().map(call, [(number,) for number in range(5)])
    assert begun == [0, 1]


def test_callbacks_of_dask_see_the_shards_of_a_pass():
    X, y = make_data()
    seen, state = [], {"times": 1.0}
    with dask.config.set(num_workers=2), make_design(X, y, block_size=4096) as design:
        expected = design.sum_over_rows(Correlate(), state)
        with Callback(posttask=lambda key, *_: seen.append(key)):
            np.testing.assert_array_equal(design.sum_over_rows(Correlate(), state), expected)
        assert len(set(seen)) == design.plan.n_shards > 1


def test_a_shard_pickles_as_its_recipe():
    X, y = make_data(n=40_000)
    design = make_design(X, y, block_size=1 << 16)
    design.sum_over_rows(Correlate(), {"times": 1.0})
    shard = design.placement.scheduler._shards[0]
    assert shard.__sizeof__() > X.nbytes / 8
    copy = pickle.loads(pickle.dumps(shard))
    assert copy.__sizeof__() == 1024
    again = copy.run(Correlate(), {"times": 1.0})
    for (node, partial), (same, value) in zip(
        shard.run(Correlate(), {"times": 1.0}).nodes, again.nodes, strict=True
    ):
        assert node == same
        np.testing.assert_array_equal(partial, value)
    design.close()


def test_blocks_are_read_one_ahead_in_order_by_another_thread():
    X, y = make_data()
    rows, threads = ArrayRows(X), set()
    original = ArrayRows.open

    class Spy(ArrayRows):
        def open(self, values=()):
            threads.add(threading.current_thread().name)
            return original(self, values)

    rows.__class__ = Spy
    design = make_design(X, y, block_size=4096)
    design.placement.columns = type(design._columns)(X=rows, y=ArrayRows(y))
    layout_plan = design.plan
    runs = make_runs(
        design._columns, design.layout.rows, design.layout.segments, range(layout_plan.n_segments)
    )
    runs[0].columns.X.__class__ = Spy
    Shard(runs, layout_plan.n_segments).run(Correlate(), {"times": 1.0})
    assert threads == {"daskreg-read-ahead"}
    assert rows.reads == sorted(rows.reads)


def test_an_error_in_the_reader_reaches_the_caller_and_ends_the_thread():
    X, y = make_data()
    design = make_design(X, y, block_size=4096)
    design._columns.X.array = X[:100]
    with pytest.raises(DataError, match="did the data change"):
        design.sum_over_rows(Correlate(), {"times": 1.0})
    assert read_ahead_threads_end()


def test_a_kernel_that_fails_leaves_no_thread_and_no_limit_on_blas():
    import threadpoolctl

    X, y = make_data()

    def limits():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    before = limits()
    with make_design(X, y, block_size=4096) as design, pytest.raises(KeyError):
        design.sum_over_rows(Correlate(), {})
    assert read_ahead_threads_end()
    assert in_a_moment(lambda: limits() == before)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda X, y: X.__setitem__((4321, 7), np.nan), ["X", "NaN", "row 4321", "column 7"]),
        (lambda X, y: X.__setitem__((17, 0), np.inf), ["X", "infinity", "row 17", "block 0"]),
        (lambda X, y: y.__setitem__((4999, 0), np.nan), ["y", "NaN", "row 4999"]),
    ],
)
def test_the_first_pass_names_block_rows_and_column_of_a_bad_value(spoil, words):
    X, y = make_data()
    spoil(X, y)
    with pytest.raises(DataError) as caught:
        sums(make_design(X, y, block_size=4096))
    for word in [*words, "block"]:
        assert word in str(caught.value)


def test_large_finite_values_are_not_mistaken_for_infinity():
    X, y = make_data()
    X[0, 0] = X[1, 1] = 3e38
    sums(make_design(X, y, block_size=4096))


def test_lengths_must_agree():
    X, y = make_data()
    with pytest.raises(DataError, match=r"X has 5000 rows .* y has 4999"):
        make_design(X, y[1:])


def test_one_weight_a_row_is_expected():
    from daskreg.design import as_design

    X, y = make_data(n=100)
    with pytest.raises(DataError, match="sample_weight has 2 columns"):
        as_design(X, y, np.ones((100, 2)))


def pass_again_and_again(design):
    for _ in range(1000):
        design.sum_over_rows(Correlate(), {"times": 1.0})
        time.sleep(0.01)


def test_an_interrupted_pass_leaves_nothing_pinned():
    X, y = make_data()
    design = make_design(X, y, block_size=8192)
    design.prepare()
    kept = design.placement.scheduler._shards
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    with design:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            pass_again_and_again(design)
        assert sum(LEDGER.held_by(shard._token) for shard in kept) > 0
    # Whoever still holds the trace of the error holds the shards as well.
    assert kept
    assert sum(LEDGER.held_by(shard._token) for shard in kept) == 0
    assert read_ahead_threads_end()
