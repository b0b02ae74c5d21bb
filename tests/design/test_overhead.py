"""What passes ask of a scheduler, counted: tasks, keys, messages and bytes."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import cloudpickle
import distributed
import numpy as np
import pytest

from daskreg.design.passes import tasks
from daskreg.design.passes.cluster import Cluster
from daskreg.design.passes.remote import itself
from daskreg.design.passes.roster import workers_of
from daskreg.design.passes.scheduler import (
    FAN_IN,
    LARGE_PARTIALS,
    LARGE_STATES,
    adds_on_workers,
    goes_once,
)

from . import helpers
from .helpers import Correlate, make_data, make_design


@pytest.fixture(scope="module", autouse=True)
def helpers_travel_by_value():
    own = helpers, sys.modules[__name__]
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    yield
    for module in own:
        cloudpickle.unregister_pickle_by_value(module)


def standing(dask_scheduler):
    """How much of everything the scheduler remembers, except for its bounded logs."""
    state = dask_scheduler
    return {
        "tasks": len(state.tasks),
        "groups": len(state.task_groups),
        "prefixes": len(state.task_prefixes),
        "unrunnable": len(state.unrunnable),
        "spans": len(state.extensions["spans"].spans),
        "groups of spans": sum(
            len(span.groups) for span in state.extensions["spans"].spans.values()
        ),
        "wanted": sum(len(client.wants_what) for client in state.clients.values()),
        "held": sum(len(worker.has_what) for worker in state.workers.values()),
        "topics": len(state.get_events()) if hasattr(state, "get_events") else 0,
        "bounded": all(
            log.maxlen is not None for log in (state.transition_log, state.computations)
        ),
    }


def settled(client, expected=None):
    """The same, once what the client let go of has been forgotten."""
    deadline = time.monotonic() + 10
    found = client.run_on_scheduler(standing)
    while found != expected and time.monotonic() < deadline:
        time.sleep(0.05)
        found, before = client.run_on_scheduler(standing), found
        if expected is None and found == before:
            break
    return found


@pytest.mark.parametrize("partial_bytes", [0, 2 << 20])
@pytest.mark.parametrize("ballast", [0, 1 << 18])
def test_nothing_grows_with_the_passes(client, ballast, partial_bytes):
    X, y = make_data(n=20_000)
    state = {"times": 1.0, "ballast": np.zeros(ballast)}
    with make_design(X, y, block_size=1 << 15) as design:
        design.prepare(partial_bytes=partial_bytes)
        for _ in range(3):
            design.sum_over_rows(Correlate(), state)
        before, futures = settled(client), len(client.futures)
        for _ in range(40):
            design.sum_over_rows(Correlate(), state)
        assert settled(client, before) == before
        assert len(client.futures) == futures
        assert before["bounded"]
        # The shards, and the state that they were made with, which Dask keeps for their sake; and
        # one task of each name that comes every pass.
        names = 1 + bool(ballast) + bool(partial_bytes)
        assert before["tasks"] == (5 if ballast else 4) + names
    assert settled(client)["tasks"] == 0


def records_of_calls(dask_scheduler):
    """What the scheduler keeps of the calls of clients."""
    spans = dask_scheduler.extensions["spans"].spans.values()
    return sum(len((span.metadata or {}).get("collections", ())) for span in spans)


@pytest.mark.parametrize("partial_bytes", [0, 2 << 20])
def test_a_pass_is_one_call_of_the_client_and_the_scheduler_forgets_it(
    client, partial_bytes, monkeypatch
):
    monkeypatch.setattr(tasks, "FORGET", 10)
    X, y = make_data(n=20_000)
    calls, send = [], client._send_to_scheduler

    def sent(message):
        calls.append(message["op"])
        send(message)

    with make_design(X, y, block_size=1 << 15) as design:
        design.prepare(partial_bytes=partial_bytes)
        for _ in range(10):
            design.sum_over_rows(Correlate(), {"times": 1.0})
        before = client.run_on_scheduler(records_of_calls)
        monkeypatch.setattr(client, "_send_to_scheduler", sent)
        for _ in range(10):
            design.sum_over_rows(Correlate(), {"times": 1.0})
        # Shards, and where their sums are added on the workers, each level of the tree.
        assert calls.count("update-graph") == 10 * (2 if partial_bytes else 1)
        assert client.run_on_scheduler(records_of_calls) == before


def test_the_scheduler_forgets_the_calls_of_many_short_fits_and_nobody_elses(client, monkeypatch):
    monkeypatch.setattr(tasks, "FORGET", 10)
    X, y = make_data(n=2_000)
    with distributed.span("somebody else"):
        client.gather([client.submit(itself, i, pure=False) for i in range(5)])
    before = client.run_on_scheduler(records_of_calls)
    for _ in range(10):
        with make_design(X, y, block_size=1 << 15) as design:
            for _ in range(4):
                design.sum_over_rows(Correlate(), {"times": 1.0})
    # distributed itself has a span for each group of tasks of a fit, of which there are two: one
    # record of each is left, and those of the latest passes.
    assert client.run_on_scheduler(records_of_calls) - before <= 10 * 2 + 10 * 2 < 10 * 4 * 2
    assert before >= 5


def test_a_scheduler_that_forgets_nothing_ends_no_pass(client, monkeypatch):
    def refuses(dask_scheduler):
        raise AttributeError("spans are somewhere else")

    monkeypatch.setattr(tasks, "FORGET", 1)
    monkeypatch.setattr(tasks, "forget_calls", refuses)
    X, y = make_data(n=2_000)
    with make_design(X, y, block_size=1 << 15) as design:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        assert design.n_passes == 1


def test_tasks_go_in_calls_of_some_megabytes_each_to_its_worker(client):
    addresses = sorted(workers_of(client))
    shared = bytes(1 << 20)
    orders = [
        tasks.Task(where, "where", (bytes(3 << 19), shared, i), addresses[i % 2]) for i in range(5)
    ]
    assert [len(call) for call in tasks._calls(orders)] == [2, 2, 1]
    orders.append(tasks.Task(itself, "any", (0,)))
    found = client.gather(tasks.send(client, orders))
    assert found == [(i, addresses[i % 2]) for i in range(5)] + [0]


def where(own, shared, number):
    return number, distributed.get_worker().address


def sent(client):
    """Bytes and messages that the client has given to the scheduler."""
    comm = client.scheduler_comm
    return comm.byte_count, comm.message_count


def test_a_large_state_is_sent_once_and_not_for_every_shard(client):
    X, y = make_data(n=20_000)
    nbytes = 8 << 18
    with make_design(X, y, block_size=1 << 15) as design:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        small, _ = sent(client)
        design.sum_over_rows(Correlate(), {"times": 1.0})
        plain = sent(client)[0] - small
        before, _ = sent(client)
        design.sum_over_rows(Correlate(), {"times": 1.0, "ballast": np.zeros(nbytes // 8)})
        extra = sent(client)[0] - before - plain
    assert 0.95 * nbytes < extra < 1.5 * nbytes


def test_a_very_large_state_is_sent_without_advice_against_it(client):
    X, y = make_data(n=2_000)
    with make_design(X, y, block_size=1 << 15) as design:
        design.prepare()
        design.sum_over_rows(Correlate(), {"times": 1.0, "ballast": np.zeros(12 << 17)})


@pytest.mark.parametrize("n_shards", [1, 100, 10_000])
def test_what_passes_through_scheduler_and_client_is_bounded(n_shards):
    for nbytes in (100, 10_000, 1 << 19, 1 << 21, 1 << 27):
        state = nbytes if goes_once(nbytes, n_shards) else nbytes * n_shards
        assert state <= max(nbytes, LARGE_STATES)
        left = 1 if adds_on_workers(nbytes, n_shards) else n_shards
        assert nbytes * left <= max(nbytes, LARGE_PARTIALS)


@pytest.mark.parametrize(("n_shards", "depth"), [(1, 0), (2, 1), (4, 1), (5, 2), (1000, 5)])
def test_partials_meet_in_a_shallow_tree_of_a_third_as_many_tasks(n_shards, depth):
    submitted = []

    class Recorder:
        def map(self, function, numbers, parts, **options):
            submitted.extend(parts)
            return [(function.__name__, 1 + max(level for _, level in part)) for part in parts]

    scheduler = Cluster.__new__(Cluster)
    scheduler.client = Recorder()
    scheduler.shards = [SimpleNamespace(n_segments=n_shards)] * n_shards
    (last,) = scheduler.tree([("outcome", 0)] * n_shards)
    assert last[1] == depth
    assert len(submitted) <= -(-(n_shards - 1) // (FAN_IN - 1)) + depth
    assert all(len(args) <= FAN_IN for args in submitted)
