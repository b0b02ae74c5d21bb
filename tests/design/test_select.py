"""Designs of selected columns: the same sums, the bytes read, both plans within memory."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.design import as_design
from daskreg.design.columns import Columns
from daskreg.design.design import Design
from daskreg.design.passes.ledger import LEDGER
from daskreg.exceptions import MemoryPlanError

from .helpers import ArrayRows, Correlate, CountRows, StartsAndSums, make_data, make_design

COLUMNS = [0, 3, 4, 17, 39]
ONCE = {"times": 1.0}


def whole_numbers(n=5000, p=40, dtype="float32"):
    """Data of which every sum is exact."""
    rng = np.random.default_rng(3)
    X = rng.integers(-9, 10, (n, p)).astype(dtype)
    return X, rng.integers(-9, 10, (n, 1)).astype(float)


def held(design):
    """Bytes pinned by the shards of one design."""
    return sum(LEDGER.held_by(shard._token) for shard in design.placement.scheduler._shards)


def test_sums_are_those_of_the_sliced_matrix():
    X, y = whole_numbers()
    with make_design(X, y, block_size=8192) as design, design.select(COLUMNS) as some:
        assert (some.n_samples, some.n_features, some.dtype) == (5000, 5, np.float32)
        for _ in range(3):
            np.testing.assert_array_equal(
                some.sum_over_rows(Correlate(), ONCE), X[:, COLUMNS].T @ y[:, 0]
            )
        assert some.layout == design.layout


def test_whole_rows_are_read_once_and_only_their_columns_kept():
    X, y = whole_numbers()
    with make_design(X, y, block_size=8192) as design:
        assert not design.reads_columns
        with design.select(COLUMNS) as some:
            for _ in range(4):
                some.sum_over_rows(Correlate(), ONCE)
            assert (design.n_passes, some.n_passes) == (1, 4)
            assert design.bytes_read == X.nbytes + y.nbytes
            assert some.bytes_read == 0
            assert some.bytes_pinned == held(some) == X[:, COLUMNS].nbytes + y.nbytes
            assert some.plan.bytes_pinned == some.plan.total_bytes == some.bytes_pinned


def test_pinned_blocks_of_the_whole_spare_the_reading():
    X, y = whole_numbers()
    with make_design(X, y, block_size=8192) as design:
        before = design.sum_over_rows(Correlate(), ONCE)
        assert design.reads_columns
        with design.select(COLUMNS) as some:
            np.testing.assert_array_equal(
                some.sum_over_rows(Correlate(), ONCE), X[:, COLUMNS].T @ y[:, 0]
            )
            assert (design.n_passes, some.n_passes) == (1, 1)
            assert (design.bytes_read, some.bytes_read) == (X.nbytes + y.nbytes, 0)
        # Closing it leaves the design as it was.
        np.testing.assert_array_equal(design.sum_over_rows(Correlate(), ONCE), before)
        assert design.bytes_read == X.nbytes + y.nbytes


def test_a_partly_pinned_design_lends_what_it_has():
    X, y = whole_numbers(n=60_000, p=64)
    with make_design(X, y, block_size=1 << 18) as design:
        design.prepare()
        for shard in design.placement.scheduler._shards:
            shard.keeper.wanted = frozenset(index for index in shard.pins if index % 2)
        design.sum_over_rows(Correlate(), ONCE)
        held_by_design, read = held(design), design.bytes_read
        with design.select(COLUMNS) as some:
            np.testing.assert_array_equal(
                some.sum_over_rows(Correlate(), ONCE), X[:, COLUMNS].T @ y[:, 0]
            )
        assert design.bytes_read - read == X.nbytes + y.nbytes - held_by_design
        assert design.n_passes == 2


def test_another_layout_lends_nothing():
    X, y = whole_numbers()
    with make_design(X, y, block_size=8192) as design:
        design.sum_over_rows(Correlate(), ONCE)
        with design.select(COLUMNS) as some:
            design.placement.block_size = 30_000
            design.prepare()
            design.sum_over_rows(Correlate(), ONCE)
            assert some.layout != design.layout
            np.testing.assert_array_equal(
                some.sum_over_rows(Correlate(), ONCE), X[:, COLUMNS].T @ y[:, 0]
            )
            assert design.n_passes == 3


@pytest.mark.parametrize("first", ["whole", "selection"])
def test_either_may_be_closed_first(tmp_path, first):
    X, y = whole_numbers(n=300)
    rows = "\n".join(",".join(map(str, row)) for row in X.tolist())
    names = ",".join(f"x{j}" for j in range(40))
    (tmp_path / "X.csv").write_text(f"{names}\n{rows}\n")
    design = as_design(str(tmp_path / "X.csv"), y, block_size=8192)
    some = design.select(COLUMNS)
    left, gone = (some, design) if first == "whole" else (design, some)
    gone.close()
    gone.close()
    # The counted rows lie in a scratch folder that both use.
    expected = X[:, COLUMNS] if left is some else X
    np.testing.assert_array_equal(left.sum_over_rows(Correlate(), ONCE), expected.T @ y[:, 0])
    folder = design.placement.ready._scratch.folder()
    left.close()
    assert not folder.exists()


def test_columns_of_selected_columns():
    X, y = whole_numbers()
    with (
        make_design(X, y, block_size=8192) as design,
        design.select(COLUMNS) as some,
        some.select([1, 4]) as few,
    ):
        expected = X[:, [3, 39]].T @ y[:, 0]
        np.testing.assert_array_equal(few.sum_over_rows(Correlate(), ONCE), expected)
        # Nobody has read anything yet: whole rows of the first one were read for it.
        assert (design.n_passes, some.n_passes, few.n_passes) == (1, 0, 1)
        some.sum_over_rows(Correlate(), ONCE)
        with some.select([0]) as one:
            np.testing.assert_array_equal(
                one.sum_over_rows(Correlate(), ONCE), X[:, :1].T @ y[:, 0]
            )
        assert design.n_passes == 2


def test_names_and_what_lies_beside_come_along():
    X, y = whole_numbers(n=200)
    names = [f"x{j}" for j in range(40)]
    groups = np.arange(200) % 3
    with (
        as_design(X, y, y[:, 0] ** 2, groups=groups, feature_names=names) as design,
        design.select(COLUMNS) as some,
    ):
        assert some.feature_names == ("x0", "x3", "x4", "x17", "x39")
        assert some.has_weights
        assert some.has_groups
        assert not some.has_offset
        assert some.n_targets == 1
        assert some.sum_over_rows(CountRows())[0] == 200


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([3, 1], r"column 1 comes after column 3"),
        ([1, 1], r"column 1 comes twice"),
        ([0, 40], r"column 40 is out of range: X has columns 0 to 39"),
        ([-1, 2], r"column -1 is out of range"),
        ([], r"at least one integer"),
        ([0.5], r"at least one integer; got shape \(1,\) of float64"),
        ([[1, 2]], r"one-dimensional"),
        ([True, False], r"np.flatnonzero"),
    ],
)
def test_columns_are_checked(columns, message):
    X, y = make_data(n=50)
    with make_design(X, y) as design, pytest.raises(ValueError, match=message):
        design.select(columns)


def test_the_plan_counts_what_the_design_keeps(monkeypatch):
    # Nothing is read: the sizes are those of a machine that stands still.
    monkeypatch.setattr("daskreg.design.passes.threads.process_memory", lambda: 100 << 20)
    X = np.broadcast_to(np.float32(1), (400_000, 64))
    y = np.broadcast_to(np.float64(1), (400_000, 1))
    probe = make_design(X, y, block_size=1 << 20).plan
    limit = int((probe.peak + (8 << 20)) / 0.85)
    with make_design(X, y, block_size=1 << 20, memory_limit=limit) as design:
        design.prepare()
        kept = design.plan.memory["blocks pinned between passes"]
        some = design.select([1, 2])
        plan = some.plan
        assert plan.memory["pinned for all columns"] == kept
        assert plan.peak <= plan.usable
        assert 0 < plan.bytes_pinned <= plan.usable - probe.peak + (1 << 20)
        # More does not fit beside it, and streams.
        wide = design.select(np.arange(60)).plan
        assert wide.peak <= wide.usable
        assert wide.bytes_pinned < wide.total_bytes
        assert "whole rows, which are read each pass" in str(wide)
    # Without the design's blocks there is room for both.
    free = make_design(X, y, block_size=1 << 20, memory_limit=limit)
    free.prepare(passes=1)
    assert free.select(np.arange(60)).plan.bytes_streamed == 0


def test_room_can_be_left_for_selections(monkeypatch):
    monkeypatch.setattr("daskreg.design.passes.threads.process_memory", lambda: 100 << 20)
    X = np.broadcast_to(np.float32(1), (400_000, 64))
    y = np.broadcast_to(np.float64(1), (400_000, 1))
    probe = make_design(X, y, block_size=1 << 20).plan
    fixed = probe.peak - probe.memory["blocks pinned between passes"]
    with make_design(
        X, y, block_size=1 << 20, memory_limit=int((fixed + X.nbytes / 2) / 0.85)
    ) as design:
        greedy = design.prepare()
        assert 0 < greedy.bytes_pinned < greedy.total_bytes
        wanted = 400_000 * (8 * 4 + 8) + (2 << 20)
        modest = design.prepare(selected_bytes=wanted)
        assert modest.bytes_pinned < greedy.bytes_pinned
        assert modest.memory["left for selected columns"] == wanted
        some = design.select(np.arange(8)).plan
        assert some.bytes_streamed == 0
        assert some.peak <= some.usable
        with pytest.raises(MemoryPlanError, match="left for selected columns"):
            design.prepare(selected_bytes=1 << 40)


@pytest.mark.parametrize("whole_first", [True, False])
def test_both_together_keep_to_the_capacity(whole_first, monkeypatch):
    monkeypatch.setattr("daskreg.design.passes.threads.process_memory", lambda: 100 << 20)
    X, y = whole_numbers(n=60_000, p=64)
    probe = make_design(X, y, block_size=1 << 18).plan
    fixed = probe.peak - probe.memory["blocks pinned between passes"]
    limit = int((fixed + 0.7 * X.nbytes) / 0.85)
    with make_design(X, y, block_size=1 << 18, memory_limit=limit) as design:
        design.prepare(selected_bytes=4 << 20)
        if whole_first:
            design.sum_over_rows(Correlate(), ONCE)
        with design.select(np.arange(20)) as some:
            expected = X[:, :20].T @ y[:, 0]
            for _ in range(2):
                np.testing.assert_array_equal(some.sum_over_rows(Correlate(), ONCE), expected)
                design.sum_over_rows(Correlate(), ONCE)
            assert held(some) > 0
            assert held(design) > 0
            assert held(design) + held(some) <= some.plan.pin_capacity


def test_what_cannot_be_kept_is_read_each_pass_and_counted_there(monkeypatch):
    X, y = whole_numbers()
    with make_design(X, y, block_size=8192) as design, design.select(COLUMNS) as some:
        some.prepare(passes=1)
        total = X.nbytes + y.nbytes
        for number in range(3):
            some.sum_over_rows(Correlate(), ONCE)
            assert (design.bytes_read, design.n_passes) == (total, 1)
            assert some.bytes_read == number * total


def test_sparse_columns_stay_sparse():
    X, y = whole_numbers()
    X[np.random.default_rng(0).random(X.shape) < 0.9] = 0
    with as_design(sp.csr_array(X), y, block_size=8192) as design:
        assert design.reads_columns
        with design.select(COLUMNS) as some:
            assert some.sparse
            for _ in range(2):
                np.testing.assert_array_equal(
                    some.sum_over_rows(Correlate(), ONCE), X[:, COLUMNS].T @ y[:, 0]
                )
            assert (design.n_passes, design.bytes_read, some.bytes_read) == (0, 0, 0)
            kept = held(some)
            entries = np.count_nonzero(X[:, COLUMNS])
            borders = 4 * (len(X) + design.layout.n_blocks)
            assert kept == entries * (4 + 4) + borders + y.nbytes


def test_rows_are_numbered_over_the_whole_data():
    X, _ = whole_numbers()
    row_numbers = np.arange(5000.0)[:, None]
    with make_design(X, row_numbers, block_size=8192) as design, design.select(COLUMNS) as some:
        for rows in (design, some):
            for _ in range(2):
                assert rows.sum_over_rows(StartsAndSums())[0] == 0


def test_a_sweep_before_the_plan_of_a_solver_makes_nothing_ready_twice(tmp_path, monkeypatch):
    from daskreg.design.sources.csv import CsvRows

    X, y = whole_numbers(n=400)
    rows = "\n".join(",".join(map(str, row)) for row in X.tolist())
    names = ",".join(f"x{j}" for j in range(40))
    (tmp_path / "X.csv").write_text(f"{names}\n{rows}\n")
    parsed = []
    read_part = CsvRows.read_part
    monkeypatch.setattr(
        CsvRows, "read_part", lambda self, part: parsed.append(part) or read_part(self, part)
    )
    with as_design(str(tmp_path / "X.csv"), y, scratch=tmp_path) as design:
        count = design.sum_over_rows(CountRows())
        np.testing.assert_array_equal(count, [400, y.sum()])
        assert design.n_passes == 0
        census = design.bytes_read
        files = sorted(tmp_path.rglob("*.raw"))
        for passes, partial in ((3, 1 << 16), (1, 0)):
            design.prepare(passes, partial)
            assert design.layout.n_rows == 400
            np.testing.assert_array_equal(design.sum_over_rows(Correlate(), ONCE), X.T @ y[:, 0])
        assert parsed == [0]
        assert sorted(tmp_path.rglob("*.raw")) == files
        assert design.bytes_read == census + 2 * (2 * X.nbytes)


def test_a_new_plan_lets_go_of_what_the_old_one_pinned():
    X, y = whole_numbers()
    with Design(Columns(ArrayRows(X), ArrayRows(y)), block_size=8192) as design:
        design.sum_over_rows(Correlate(), ONCE)
        old = design.placement.scheduler._shards
        design.prepare(passes=1)
        assert sum(LEDGER.held_by(shard._token) for shard in old) == 0


def test_room_for_all_of_sparse_rows_is_room_for_all_columns():
    """Bytes of a row are no whole number there."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        n, p = int(rng.integers(5, 300)), int(rng.integers(1, 60))
        X = sp.random(n, p, density=float(rng.uniform(0.05, 0.9)), format="csr", rng=rng)
        with as_design(X, np.zeros(n)) as design:
            design.prepare(selected_bytes=int(n * design.row_nbytes))
            assert design.most_columns == p
            assert design.spare_bytes >= int(n * design.row_nbytes)
