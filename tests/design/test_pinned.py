"""What a plan keeps in memory between passes, what it refuses, and that all of it is let go."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from daskreg.design.blocks import Block
from daskreg.design.book import Book
from daskreg.design.columns import Columns
from daskreg.design.dealing import deal, make_shards
from daskreg.design.design import Design
from daskreg.design.host import parse_bytes
from daskreg.design.passes.ledger import LEDGER
from daskreg.design.passes.runs import spread_pins
from daskreg.exceptions import MemoryPlanError

from .helpers import (
    ArrayRows,
    Correlate,
    make_data,
    make_design,
    sums,
)


def test_what_fits_is_read_once():
    X, y = make_data()
    design = make_design(X, y, block_size=8192)
    sums(design)
    assert design.n_passes == 3
    assert design.bytes_read == X.nbytes + y.nbytes


def test_one_pass_plans_pin_nothing():
    X, y = make_data()
    with make_design(X, y, block_size=8192) as design:
        plan = design.prepare(passes=1)
        design.sum_over_rows(Correlate(), {"times": 1.0})
        assert plan.bytes_pinned == design.bytes_pinned == 0
        assert design.bytes_read == X.nbytes + y.nbytes


def test_rows_in_memory_are_views_and_count_no_bytes():
    X, y = make_data()
    design = make_design(X, y, block_size=8192, resident=True)
    sums(design)
    assert design.bytes_read == 3 * y.nbytes
    assert design.plan.bytes_pinned == 0


def test_a_fixed_part_is_pinned_and_the_rest_streams(monkeypatch):
    # The test process grows as others run in it; the plan is to see one size.
    monkeypatch.setattr("daskreg.design.passes.threads.process_memory", lambda: 100 << 20)
    X, y = make_data(n=60_000, p=64)
    probe = make_design(X, y, block_size=1 << 18).plan
    fixed = probe.peak - probe.memory["blocks pinned between passes"]
    limit = int((fixed + X.nbytes / 2) / 0.85)
    design = make_design(X, y, block_size=1 << 18, memory_limit=limit)
    expected = sums(make_design(X, y, block_size=1 << 18))
    for result, same in zip(sums(design), expected, strict=True):
        np.testing.assert_array_equal(result, same)
    total = X.nbytes + y.nbytes
    plan = design.plan
    assert 0 < plan.bytes_pinned < total
    assert plan.bytes_pinned + plan.bytes_streamed == total
    streamed = (design.bytes_read - total) / 2
    assert streamed == pytest.approx(plan.bytes_streamed, rel=0.15)
    assert plan.peak <= plan.usable


def test_a_pinned_block_keeps_no_chunk_alive():
    X, y = make_data()
    with make_design(X, y, block_size=8192, row_chunks=(len(X),)) as design:
        design.prepare()
        (shard, *_) = design.placement.scheduler._shards
        design.placement.scheduler._shards = [shard]
        shard.keeper.wanted = frozenset({0, 2})
        shard.run(Correlate(), {"times": 1.0})
        pinned = LEDGER.blocks(shard._token).values()
        assert [block.index for block in pinned] == [0, 2]
        roots = [block.X if block.X.base is None else block.X.base for block in pinned]
        assert sum(memoryview(root).nbytes for root in roots) <= LEDGER.nbytes


@pytest.mark.parametrize("resident", [False, True])
def test_what_lies_in_memory_beside_pinned_columns_is_not_copied(resident):
    X, y = make_data()
    columns = Columns(ArrayRows(X), ArrayRows(y, resident=resident))
    with Design(columns, block_size=8192) as design, design.select(np.arange(3)) as some:
        some.sum_over_rows(Correlate(), {"times": 1.0})
        shards = some.placement.scheduler._shards
        pinned = [block for shard in shards for block in LEDGER.blocks(shard._token).values()]
        assert sum(block.n_rows for block in pinned) == len(y)
        assert all(np.shares_memory(block.y, y) == resident for block in pinned)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.77, 1.0])
def test_pins_are_the_share_of_the_rows_up_to_one_block(share):
    rows = (0, 10, 20, 27, 40, 50, 61, 70, 80, 90, 100)
    pinned = sum(rows[i + 1] - rows[i] for i in spread_pins(rows, share))
    assert share * 100 - 13 < pinned <= share * 100


@pytest.mark.parametrize("share", [0.0, 0.05, 0.24, 0.3, 0.5, 0.77, 1.0])
def test_shards_begin_with_pinned_blocks_and_have_the_others_spread_evenly(share):
    rows, first = range(0, 4010, 10), (0, 60, 130, 200, 290, 330)
    pins = spread_pins(rows, share, first)
    assert share * 400 - 1 < len(pins) <= share * 400 + 1e-9
    assert pins.issuperset(first) == (share > 0)
    streamed = [i for i in range(400) if i not in pins]
    for begin, end in pairwise((*first, 400)):
        between = np.diff([*(i for i in sorted(pins) if begin <= i < end), end]) - 1
        if share:
            assert max(between) <= 1.5 / share
    assert (streamed == []) == (share == 1.0)


def test_blocks_of_any_size_fill_the_share_up_to_one_block():
    rows = np.concatenate([[0], np.random.default_rng(0).integers(1, 1000, 200).cumsum()])
    for share in np.linspace(0.0, 1.0, 23):
        pinned = sum(rows[i + 1] - rows[i] for i in spread_pins(rows.tolist(), share, (50, 120)))
        assert share * rows[-1] - 1000 < pinned <= share * rows[-1]


def test_a_shard_begins_with_a_block_that_stays():
    X, y = make_data()
    with make_design(X, y, block_size=4096) as design:
        design.prepare()
        place = design.placement
        plan = replace(design.plan, bytes_pinned=design.plan.total_bytes // 4)
        hands = deal(place.columns, place.layout, plan, place.scheduler)
        shards = make_shards(place.columns, place.layout, plan, hands)
    assert len(shards) > 1
    assert all(shard.specs[0].index in shard.pins for shard in shards)
    n_blocks = sum(len(shard.specs) for shard in shards)
    assert sum(len(shard.pins) for shard in shards) <= n_blocks // 4


@pytest.mark.parametrize("passes", [1, None])
@pytest.mark.parametrize("options", [{}, {"row_chunks": (5000,)}, {"block_size": 1 << 20}])
def test_advice_of_a_plan_that_does_not_fit_makes_it_fit(passes, options):
    X, y = make_data()
    work = {"passes": passes, "partial_bytes": 1 << 22, "temporaries": 1 << 24}
    with pytest.raises(MemoryPlanError) as refused:
        make_design(X, y, memory_limit=1 << 20, **options).prepare(**work)
    advice = re.search(r"Raise memory_limit to ([\d.]+ \w+) or more", str(refused.value))
    limit = parse_bytes(advice[1])
    plan = make_design(X, y, memory_limit=limit, **options).prepare(**work)
    assert plan.peak <= plan.usable


def test_the_ledger_is_empty_when_the_design_is_closed():
    X, y = make_data()
    design = make_design(X, y, block_size=8192)
    design.sum_over_rows(Correlate(), {"times": 1.0})
    shards = design.placement.scheduler._shards
    assert sum(LEDGER.held_by(shard._token) for shard in shards) == X.nbytes + y.nbytes
    design.close()
    assert sum(LEDGER.held_by(shard._token) for shard in shards) == 0


def test_a_plan_that_cannot_fit_says_what_to_change_before_a_byte_is_read():
    X, y = make_data()
    design = make_design(X, y, memory_limit=1 << 20)
    with pytest.raises(MemoryPlanError, match=r"Raise memory_limit to .* or more"):
        design.sum_over_rows(Correlate(), {"times": 1.0})
    assert design._columns.X.reads == []


def test_the_plan_prints_what_it_knows():
    X, y = make_data()
    text = str(make_design(X, y, block_size=4096).plan)
    for word in ("5,000 rows", "40 columns", "float32", "blocks", "shards", "pinned", "limit"):
        assert word in text


def test_a_block_is_no_smaller_than_the_partial_that_it_costs():
    X, y = make_data(n=60_000, p=64)
    with make_design(X, y) as design:
        assert design.prepare().n_blocks > 8
        assert design.prepare(passes=1, partial_bytes=8 << 20).n_blocks <= 2


def test_wide_rows_in_memory_are_few_blocks_each_of_which_pays_for_its_sums():
    X = np.zeros((960, 16_384), dtype=np.float32)
    with make_design(X, np.zeros((960, 1)), resident=True) as design:
        assert design.prepare().n_blocks == 16


def test_a_released_shard_pins_nothing_that_was_on_its_way():
    X, y = make_data(n=100)
    block = Block(X, y, None, None, 0, 0)
    book: Book[Block] = Book()
    assert not book.pin("shard", block, 10, 1 << 30)
    book.open("shard")
    assert book.pin("shard", block, 10, 1 << 30)
    book.release("shard")
    assert not book.pin("shard", block, 10, 1 << 30)
    assert book.nbytes == 0


def test_what_a_plan_promises_comes_to_be_and_passes_over_the_same_data_share_their_room():
    book: Book[Block] = Book()
    for shard, data in ((1, "rows"), (2, "rows"), (3, "others")):
        book.open(shard, data)
        book.promise(shard, 100, passing=7 * shard)
    assert (book.nbytes, book.to_come, book.passing) == (0, 300, 14 + 21)
    assert book.claim(1, 60, 1 << 30)
    assert book.claim(2, 130, 1 << 30)  # what kernels keep beside blocks is in no plan
    assert (book.nbytes, book.to_come) == (190, 40 + 100)
    book.release(3)
    assert (book.to_come, book.passing) == (40, 14)


def test_a_book_that_is_cleared_keeps_its_shards_and_what_they_have_claimed():
    X, y = make_data(n=100)
    book: Book[Block] = Book()
    for shard in (1, 2):
        book.open(shard)
        book.pin(shard, Block(X, y, None, None, 0, 0), 10, 1 << 30)
    assert book.claim(2, 5, 1 << 30)
    book.clear()
    assert book.nbytes == 5
    assert book.blocks(1) == book.blocks(2) == {}
    assert book.pin(1, Block(X, y, None, None, 0, 0), 10, 1 << 30)
