"""Blocks that are kept come together: in order, bounded, looked at once, with the same sums."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from daskreg.design.blocks import Block
from daskreg.design.book import Book
from daskreg.design.passes import portions
from daskreg.design.passes.portions import Portion, portions_of

from .helpers import Correlate, make_data, make_design, sums


def block(index, n_rows=10):
    return Block(np.zeros((n_rows, 4)), np.zeros((n_rows, 1)), None, None, 0, index)


def indices(portion):
    return [(segment, one.index) for segment, blocks in portion.segments for one in blocks]


def test_portions_hold_all_blocks_in_order_and_count_them(monkeypatch):
    monkeypatch.setattr(portions, "TOGETHER", 5)
    placed = [(index // 3, block(index, n_rows=10 + index)) for index in range(17)]
    found = list(portions_of(placed))
    assert [one.n_blocks for one in found] == [5, 5, 5, 2]
    assert [one for portion in found for one in indices(portion)] == [
        (index // 3, index) for index in range(17)
    ]
    assert sum(one.n_rows for one in found) == sum(10 + index for index in range(17))
    assert sum(one.memory for one in found) == sum((10 + index) * 40 for index in range(17))
    assert sum(one.read + one.device for one in found) == 0


def test_large_blocks_come_in_small_numbers(monkeypatch):
    monkeypatch.setattr(portions, "TOGETHER_BYTES", 1000)
    found = list(portions_of((0, block(index)) for index in range(9)))
    assert [one.n_blocks for one in found] == [3, 3, 3]  # of 400 bytes each


def test_bytes_that_were_read_lay_in_no_memory():
    portion = Portion.of([(7, block(0))], read=400)
    assert (portion.read, portion.memory, portion.n_rows) == (400, 0, 10)


@pytest.mark.parametrize("together", [1, 3, 1000])
def test_sums_have_the_same_bits_however_blocks_come(monkeypatch, together):
    X, y = make_data(n=20_000)
    expected = sums(make_design(X, y, block_size=2048))
    monkeypatch.setattr(portions, "TOGETHER", together)
    for result, same in zip(sums(make_design(X, y, block_size=2048)), expected, strict=True):
        np.testing.assert_array_equal(result, same)


def test_blocks_that_are_kept_are_looked_through_once(monkeypatch):
    X, y = make_data(n=20_000)
    looks = []
    monkeypatch.setattr(portions, "block_nbytes", lambda one: looks.append(one.index) or 0)
    with make_design(X, y, block_size=2048) as design:
        for _ in range(2):
            design.sum_over_rows(Correlate(), {"times": 1.0})
        n_blocks = design.plan.n_blocks
        assert len(looks) >= n_blocks > 300
        looks.clear()
        for _ in range(3):
            design.sum_over_rows(Correlate(), {"times": 1.0})
        assert looks == []


def test_what_is_known_of_blocks_goes_with_them():
    book = Book[Block]()
    book.open("shard")
    for change in (
        lambda: book.pin("shard", block(1), 8, 1000),
        lambda: book.drop("shard", 1),
        book.clear,
    ):
        book.note("shard", 0, "all of them")
        assert book.noted("shard", 0) == "all of them"
        change()
        assert book.noted("shard", 0) is None
    book.note("shard", 0, "all of them")
    book.release("shard")
    book.note("shard", 0, "too late")
    assert book.noted("shard", 0) is None


def test_no_portion_outlives_the_design():
    X, y = make_data(n=20_000)
    with make_design(X, y, block_size=2048) as design:
        for _ in range(2):
            design.sum_over_rows(Correlate(), {"times": 1.0})
        (shard, *_) = design.placement.scheduler._shards
        (first, *_) = shard.keeper.arranged(0)
        kept = weakref.ref(first.segments[0][1][0].X)
        assert kept() is not None
        del first, shard
    gc.collect()
    assert kept() is None
