"""The history of a fit is bounded, adds up, and goes on after a restart."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daskreg.callbacks import FitReport, History
from daskreg.callbacks.history import ITERATION, Thinned
from daskreg.design.passes.tally import PassRecord, ShardRecord
from daskreg.solvers import Progress


def shard(**values):
    named = dict.fromkeys(ShardRecord.__dataclass_fields__, 0) | {"where": ""}
    return ShardRecord(**(named | values))


def event(n_passes, gap=0.5):
    return Progress(n_passes, n_passes, gap, math.nan, 2.0, 3, 1)


@given(st.integers(2, 20), st.integers(0, 300))
def test_rows_are_bounded_in_order_and_evenly_spread(most, n):
    rows = Thinned(most)
    for number in range(n):
        rows.append(number)
    kept = rows.rows
    assert len(rows) == n
    assert len(kept) <= most + 1
    assert kept == sorted(set(kept))
    if n:
        assert (kept[0], kept[-1]) == (0, n - 1)
        steps = {b - a for a, b in pairwise(kept[:-1])}
        assert len(steps) <= 1


@given(st.integers(0, 100))
def test_rows_go_on_from_a_snapshot(n):
    rows, whole = Thinned(8), Thinned(8)
    for number in range(n):
        rows.append(number)
    rows = Thinned.restored(rows.snapshot())
    for number in range(n, 2 * n):
        rows.append(number)
    for number in range(2 * n):
        whole.append(number)
    assert rows.rows == whole.rows


def test_what_passes_took_adds_up():
    history = History()
    shards = shard(compute=2.0, read=1.0, source=10, resident=7), shard(compute=1.0, memory=5)
    history.on_pass(PassRecord("gradient", 3.0, 0.5, shards))
    history.on_pass(PassRecord("labels", 1.0, 0.25, (shard(disk=3, resident=9),), counted=False))
    assert history.n_passes == 1
    assert history.totals["seconds"] == 4.0
    assert history.totals["reduce"] == 0.75
    assert history.totals["compute"] == 3.0
    assert (history.totals["memory"], history.totals["disk"], history.totals["source"]) == (
        5,
        3,
        10,
    )
    assert history.bytes_read == 13
    assert history.resident == {"": 9}
    assert history.passes["name"] == ["gradient"]


def test_a_history_goes_on_where_an_earlier_process_was():
    now = [0.0]
    first = History(clock=lambda: now[0])
    now[0] = 5.0
    first.on_pass(PassRecord("gradient", 3.0, 0.5, (shard(source=10),)))
    first.on_iteration(event(0))
    now[0] = 100.0
    second = History(clock=lambda: now[0])
    second.restore(first.snapshot() | {"seconds": 5.0})
    now[0] = 102.0
    second.on_pass(PassRecord("gradient", 2.0, 0.5, (shard(source=10),)))
    second.on_iteration(event(1, 0.1))
    known = second.iterations
    assert known["n_pass"] == [1, 2]
    assert known["seconds"] == [5.0, 7.0]
    assert known["gap"] == [0.5, 0.1]
    assert known["bytes_read"] == [10, 20]
    assert set(known) == set(ITERATION)


def test_a_report_is_what_json_holds():
    report = FitReport("Lasso", gap=math.nan, iterations={"gap": [1.0, math.inf]})
    plain = report.to_dict()
    assert plain["gap"] is None
    assert plain["iterations"] == {"gap": [1.0, None]}
    assert FitReport.from_dict(plain).to_dict() == plain
    assert math.isnan(FitReport.from_dict(plain).gap)


@pytest.mark.parametrize("wrong", [[], {"seconds": 3}, {"events": {}}, {"path": 1}, {"gap": "x"}])
def test_no_report_is_made_of_anything_else(wrong):
    with pytest.raises(ValueError, match="fit report"):
        FitReport.from_dict(wrong)
