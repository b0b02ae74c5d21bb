"""Blocks on the local disk: the same bits, each read once from its source, and nothing lost."""

from __future__ import annotations

import errno
import os
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from daskreg.design import as_design
from daskreg.design.passes.tier import Spooled, Spooling, Tier
from daskreg.design.sources.npy import npy_rows
from daskreg.design.spool import disk
from daskreg.design.spool.disk import Rates

from .helpers import Correlate, CountRows, make_data, make_design

FAST, SLOW = Rates(0.0, 0.0), Rates(1.0, 1.0)
TIMES = (1.0, 2.0, 3.0)


def sums(design):
    return [design.sum_over_rows(Correlate(), {"times": t}) for t in TIMES]


@pytest.fixture
def data():
    return make_data(n=60_000, p=64)


@pytest.fixture
def expected(data):
    with make_design(*data, block_size=1 << 18) as design:
        return sums(design)


@pytest.fixture
def half_of_it(data, monkeypatch):
    """A function that makes a design whose plan pins half of the rows."""
    # The test process grows as others run in it; the plan is to see one size.
    monkeypatch.setattr("daskreg.design.passes.threads.process_memory", lambda: 100 << 20)
    X, y = data
    probe = make_design(X, y, block_size=1 << 18).plan
    fixed = probe.peak - probe.memory["blocks pinned between passes"]
    limit = int((fixed + X.nbytes / 2) / 0.85)

    def make(**options):
        design = make_design(X, y, block_size=1 << 18, memory_limit=limit, **options)
        assert 0 < design.plan.bytes_pinned < X.nbytes
        return design

    return make


def check_bits(results, expected):
    for result, same in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, same)


@pytest.mark.parametrize("cache", ["disk", "auto"])
def test_what_is_not_pinned_is_read_once_from_its_source(
    half_of_it, data, expected, cache, monkeypatch
):
    monkeypatch.setattr(disk, "rates", lambda folder: FAST)
    X, y = data
    with half_of_it(cache=cache) as design:
        check_bits(sums(design), expected)
        shards = design.placement.scheduler._shards
        reads = design._columns.X.reads
        if cache == "disk":
            assert len(reads) == len(set(reads)) == design.layout.n_blocks
        else:
            # Two reads of each shard show how slow the source is before anything is spooled.
            assert len(reads) <= design.layout.n_blocks + 2 * len(shards)
        assert design.bytes_spooled == X.nbytes + y.nbytes - design.bytes_pinned
        assert design.plan.bytes_spooled == design.bytes_spooled
        assert "spooled" in str(design.plan)
        before = design.bytes_read
        design.sum_over_rows(Correlate(), {"times": 1.0})
        assert design.bytes_read - before == design.bytes_spooled
        files = [shard._tier._file._file for shard in shards]
        assert not any(file.closed for file in files)
    assert all(file.closed for file in files)


@pytest.mark.parametrize(("cache", "rates"), [("auto", SLOW), ("memory", FAST)])
def test_a_source_that_is_faster_than_the_disk_is_read_each_pass(
    half_of_it, expected, cache, rates, monkeypatch
):
    monkeypatch.setattr(disk, "rates", lambda folder: rates)
    with half_of_it(cache=cache) as design:
        check_bits(sums(design), expected)
        assert design.bytes_spooled == 0
        assert len(design._columns.X.reads) > design.layout.n_blocks
        assert ("not spooled" in str(design.plan)) == (cache == "auto")


def test_nothing_is_kept_where_nothing_shall_be(data, expected):
    with make_design(*data, block_size=1 << 18, cache=None) as design:
        assert design.plan.bytes_pinned == 0
        check_bits(sums(design), expected)
        assert design.bytes_spooled == design.bytes_pinned == 0
        assert len(design._columns.X.reads) == 3 * design.layout.n_blocks


def test_one_pass_spools_nothing(data, expected):
    with make_design(*data, block_size=1 << 18, cache="disk") as design:
        design.prepare(passes=1)
        check_bits([design.sum_over_rows(Correlate(), {"times": 1.0})], expected[:1])
        assert design.bytes_spooled == 0


def test_what_lies_beside_X_comes_from_the_spool_too(half_of_it, data, expected):
    with half_of_it(cache="disk") as design:
        design.sum_over_rows(Correlate(), {"times": 1.0})
        read = len(design._columns.y.reads)
        n_rows, total = design.sum_over_rows(CountRows())
        assert n_rows == len(data[1])
        assert total == pytest.approx(data[1].sum())
        assert len(design._columns.y.reads) == read
        check_bits(sums(design), expected)


def test_selected_columns_are_spooled_instead_of_read_in_whole_rows(half_of_it, data):
    X, y = data
    columns = np.flatnonzero(np.arange(64) % 4)
    with half_of_it(cache="disk") as design:
        design.prepare(selected_bytes=1 << 20)
        design.sum_over_rows(Correlate(), {"times": 1.0})
        with design.select(columns) as some:
            first = some.sum_over_rows(Correlate(), {"times": 1.0})
            before = len(design._columns.X.reads)
            np.testing.assert_array_equal(some.sum_over_rows(Correlate(), {"times": 1.0}), first)
            np.testing.assert_allclose(first, X[:, columns].T @ y[:, 0], rtol=1e-3, atol=1e-2)
            assert 0 < some.bytes_spooled < X.nbytes / 2
        assert len(design._columns.X.reads) == before


class _FullDisk:
    """``os.pwrite`` on a disk with so many bytes left."""

    def __init__(self, room):
        self.room, self.real = room, os.pwrite

    def __call__(self, file, data, offset):
        if offset + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.real(file, data, offset)


def test_a_full_disk_costs_a_warning_and_no_bit(half_of_it, expected, monkeypatch):
    monkeypatch.setattr("daskreg.design.spool.blocks.os.pwrite", _FullDisk(1 << 20))
    with half_of_it(cache="disk") as design:
        with pytest.warns(RuntimeWarning, match=r"is full: what is not there is read"):
            first = design.sum_over_rows(Correlate(), {"times": 1.0})
        check_bits([first, *sums(design)], [expected[0], *expected])
        assert 0 < design.bytes_spooled < design.plan.bytes_streamed
        assert "is full" in str(design.plan)


def test_a_disk_without_room_is_left_alone(half_of_it, expected, monkeypatch):
    nearly_full = SimpleNamespace(total=1 << 40, free=disk.LEFT_FREE_NBYTES)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: nearly_full)
    with half_of_it(cache="disk") as design:
        with pytest.warns(RuntimeWarning, match="no more room"):
            first = design.sum_over_rows(Correlate(), {"times": 1.0})
        check_bits([first, *sums(design)], [expected[0], *expected])
        assert design.bytes_spooled == 0


@pytest.mark.parametrize(
    ("total", "free", "fits"),
    [
        (1 << 40, 6 << 30, True),  # 1 GiB is left, not a twentieth of a large disk
        (1 << 40, (1 << 30) + (1 << 20), False),
        (1 << 30, 100 << 20, True),  # a twentieth of a small one is less
        (1 << 30, 50 << 20, False),
    ],
)
def test_what_is_left_free_of_a_disk(total, free, fits, monkeypatch):
    monkeypatch.setattr(
        disk.shutil, "disk_usage", lambda folder: SimpleNamespace(total=total, free=free)
    )
    assert disk.room("anywhere", 4 << 20) == fits


def test_a_spool_that_is_cut_short_is_made_good_from_the_source(half_of_it, expected):
    with half_of_it(cache="disk") as design:
        check_bits([design.sum_over_rows(Correlate(), {"times": 1.0})], expected[:1])
        for shard in design.placement.scheduler._shards:
            os.ftruncate(shard._tier._file._file.fileno(), 1000)
        with pytest.warns(RuntimeWarning, match="cannot be read back"):
            check_bits(sums(design), expected)


def test_a_shard_that_moves_takes_no_spool_along(half_of_it, expected):
    with half_of_it(cache="disk") as design:
        check_bits(sums(design), expected)
        shard = design.placement.scheduler._shards[0]
        moved = pickle.loads(pickle.dumps(shard))
        assert moved._tier is None
        first = moved.run(Correlate(), {"times": 1.0})
        assert first.spooled.nbytes == shard._tier.report.nbytes
        for (node, value), (other, same) in zip(
            first.nodes, shard.run(Correlate(), {"times": 1.0}).nodes, strict=True
        ):
            assert node == other
            np.testing.assert_array_equal(value, same)


def test_raw_files_on_the_same_disk_are_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "rates", lambda folder: FAST)
    np.save(tmp_path / "a.npy", np.zeros((10, 2)))
    rows = npy_rows(tmp_path / "a.npy")
    near = Tier(Spooling(always=False, folder=str(tmp_path)), rows.plain_file)
    assert near.report.chosen is False
    monkeypatch.setattr(disk, "device", lambda path: hash(str(path)))
    far = Tier(Spooling(always=False, folder=str(tmp_path)), rows.plain_file)
    for index in range(3):
        far.observe(1.0, 8)
        far.offer(index, {"X": np.zeros((1, 1))})
    assert far.report.chosen
    assert far.report.nbytes == 8


def test_shards_of_one_source_decide_together(tmp_path, monkeypatch):
    trials = []
    monkeypatch.setattr(disk, "rates", lambda folder: trials.append(folder) or FAST)
    monkeypatch.setattr(disk, "in_memory", lambda folder: False)
    spooling = Spooling(always=False, folder=str(tmp_path))
    tiers = [Tier(spooling, data="one source") for _ in range(4)]
    for number, tier in enumerate(tiers):
        tier.observe(1e6, 1)  # opened files
        tier.observe(1.0, 8)
        tier.offer(0, {"X": np.zeros((1, 1))})
        assert tier.report.chosen is (None if number == 0 else True)
    tiers[0].offer(1, {"X": np.zeros((1, 1))})
    assert [tier.report.nbytes for tier in tiers] == [8] * 4
    assert {tier.report.source for tier in tiers} == {1 / 8}
    assert len(trials) == 1
    other = Tier(spooling, data="another")
    other.offer(0, {"X": np.zeros((1, 1))})
    assert other.report.chosen is None


def test_reports_of_shards_add_up():
    undecided, slow = Spooled(), Spooled(5, True, 1.0, SLOW)
    together = undecided + slow + Spooled(3, False, 2.0, SLOW, "full")
    assert (together.nbytes, together.chosen, together.trouble) == (8, True, "full")
    assert (undecided + Spooled()).chosen is None
    assert str(undecided) == ""


def test_unknown_caches_are_refused():
    with pytest.raises(ValueError, match="cache must be one of 'auto', 'memory', 'disk', None"):
        as_design(np.eye(3), np.ones(3), cache="ram")
