"""What the page remembers is bounded, and junk changes nothing of it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daskreg.dashboard.cards import cards_html
from daskreg.dashboard.fits import MOST_EVENTS, MOST_FITS, MOST_POINTS, Fits
from daskreg.dashboard.messages import MOST_SHARDS, shard_rows
from daskreg.design.passes.tally import ShardRecord


def fit(name, **told):
    return {"kind": "fit", "fit": name, **told}


def shard(where="a", **values):
    named = dict.fromkeys(ShardRecord.__dataclass_fields__, 0) | {"where": where, **values}
    return ShardRecord(**named)


def test_only_the_latest_fits_are_kept_and_keep_their_numbers():
    fits = Fits()
    for number in range(MOST_FITS + 3):
        assert fits.take(fit(str(number), title="Lasso"))
    assert [one.number for one in fits.latest(2)] == [MOST_FITS + 2, MOST_FITS + 3]
    assert len(fits.latest(100)) == MOST_FITS


def test_points_and_events_are_bounded():
    fits = Fits()
    event = {"time": 1.0, "kind": "retry", "message": "again"}
    for n in range(2000):
        row = [n, n / 10, 0.1, 1.0, 3, 1, 0]
        fits.take(fit("a", points=[row], events=[event]))
    (one,) = fits.latest(4)
    columns = one.columns()
    assert len(columns["gap"]) <= MOST_POINTS + 1
    assert columns["n_pass"][-1] == 1999
    assert all(a < b for a, b in pairwise(columns["n_pass"]))
    assert len(one.events) == MOST_EVENTS


@pytest.mark.parametrize(
    "junk",
    [
        None,
        3,
        [],
        {},
        {"kind": 1},
        {"kind": "fit"},
        {"kind": "capacity"},
        {"kind": "capacity", "rates": {"memory": "fast"}},
        fit("a", points=[[1, 2]]),
        fit("a", points=3),
        fit("a", shards=[["w"]]),
        fit("a", rows=[1]),
        fit("a", events=[{"time": 1}]),
        fit("a", tol="none"),
    ],
)
def test_junk_is_told_and_breaks_nothing(junk):
    fits = Fits()
    assert not fits.take(junk)
    assert fits.version == 0
    cards_html(fits.latest(4), ["red"] * len(fits.latest(4)))


def test_names_run_no_code_in_the_page():
    fits = Fits()
    fits.take(fit("a", title="<script>", source="<img>", status="<b>"))
    page = cards_html(fits.latest(4), ["red"])
    assert not any(tag in page for tag in ("<script>", "<img>", "<b>&"))


def test_what_a_logarithm_does_not_know_is_left_out():
    fits = Fits()
    rows = [[1, 0.1, None, 4.0, 0, 2, 0], [2, 0.2, 0.0, 2.0, 3, 0, 0], [3, 0.3, 0.5, 1.0, 3, 0, 0]]
    fits.take(fit("a", points=rows, tol=1e-6))
    columns = fits.latest(1)[0].columns()
    assert [math.isnan(value) for value in columns["gap"]] == [True, True, False]
    assert [math.isnan(value) for value in columns["n_nonzero"]] == [True, False, False]
    assert columns["share"] == [1.0, 0.5, 0.25]
    assert columns["tol"] == [1e-6] * 3


def test_speed_is_bytes_by_seconds():
    fits = Fits()
    fits.take(fit("a", passes=[[1, 1.0, 2.0, 1e9, 1e9, 1e9, 3e9], [2, 2.0, 0.0, 0, 1, 1, 1]]))
    assert fits.latest(1)[0].speeds() == {"n_pass": [1], "seconds": [1.0], "speed": [3.0]}


@given(*(st.integers(0, 100) for _ in range(7)))
def test_tiers_add_up_to_what_was_seen(device, memory, disk, source, on_card, pinned, spooled):
    seen = {"device": device, "memory": memory, "disk": disk, "source": source}
    record = shard(**seen, on_card=on_card, pinned=pinned, spooled=spooled)
    ((_, *sizes, _, _),) = shard_rows([record])
    assert sum(sizes) == sum(seen.values())
    assert min(sizes) >= 0
    assert sizes[0] >= min(on_card, sum(sizes))
    assert sum(sizes[:2]) >= min(pinned, sum(sizes))


def test_of_many_shards_those_of_a_worker_are_added_up():
    shards = [shard("ab"[i % 2], memory=1, n_rows=2, seconds=0.5) for i in range(4 * MOST_SHARDS)]
    rows = shard_rows(shards)
    n = 2 * MOST_SHARDS
    assert rows == [[where, 0, n, 0, 0, 2 * n, n / 2] for where in "ab"]
