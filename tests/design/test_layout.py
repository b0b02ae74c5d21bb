"""Blocks cover the rows once, respect chunks, and segments cover the blocks once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskreg.design.layout import make_layout
from daskreg.design.passes.dyadic import DyadicSum


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=40).filter(lambda c: sum(c) > 0),
    st.integers(1, 200),
)
@settings(max_examples=100, deadline=None)
def test_blocks_cover_the_rows_and_straddle_no_chunk_they_could_respect(chunks, most):
    layout = make_layout(sum(chunks), rows_per_block=most, row_chunks=chunks)
    assert layout.rows[0] == 0
    assert layout.rows[-1] == sum(chunks)
    borders = set(np.cumsum([0, *chunks]))
    for start, stop in pairwise(layout.rows):
        assert 0 < stop - start <= most
        inside = [b for b in borders if start < b < stop]
        if inside:
            # A block over a border is a merge of whole chunks.
            assert start in borders
            assert stop in borders


@given(st.integers(1, 5000), st.integers(1, 400), st.integers(1, 60))
@settings(max_examples=100, deadline=None)
def test_deal_cuts_all_segments_once_and_evenly(n_rows, most, n_shards):
    layout = make_layout(n_rows, rows_per_block=most)
    shards = layout.deal(n_shards)
    assert [s for shard in shards for s in shard] == list(range(layout.n_segments))
    assert len(shards) <= n_shards
    largest = max(b - a for a, b in (layout.segment_rows(s) for s in range(layout.n_segments)))
    rows = [sum(np.diff(layout.segment_rows(s))[0] for s in shard) for shard in shards]
    assert max(rows) <= n_rows / n_shards + 2 * largest


def test_layout_does_not_depend_on_anything_but_rows_and_block_size():
    assert make_layout(1003, rows_per_block=10) == make_layout(1003, rows_per_block=10)
    assert make_layout(10**6, rows_per_block=10).n_segments == 256
    whole = make_layout(30, rows_per_block=1, row_chunks=[10, 20], whole_chunks=True)
    assert whole.rows == (0, 10, 30)


@given(st.integers(1, 70), st.integers(1, 9), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_tree_gives_the_same_bits_however_segments_are_dealt(n_segments, n_shards, random):
    values = np.random.default_rng(n_segments).standard_normal(n_segments) * 10.0 ** np.arange(
        n_segments
    ) ** np.float64(0.3)
    alone = DyadicSum(n_segments).update(((0, s), values[s]) for s in range(n_segments)).root()
    owner = [random.randrange(n_shards) for _ in range(n_segments)]
    total = DyadicSum(n_segments)
    for shard in random.sample(range(n_shards), n_shards):
        mine = DyadicSum(n_segments)
        for segment in range(n_segments):
            if owner[segment] == shard:
                mine.add((0, segment), values[segment])
        total.update(mine.nodes.items())
    assert total.root() == alone
    assert alone == pytest.approx(values.sum())


def test_a_run_of_segments_returns_few_nodes():
    part = DyadicSum(64).update(((0, s), np.float64(s)) for s in range(16, 32))
    assert list(part.nodes) == [(4, 1)]


def test_a_sum_that_lacks_a_segment_is_an_error():
    part = DyadicSum(4).update(((0, s), np.float64(s)) for s in (0, 1, 3))
    with pytest.raises(RuntimeError, match="missing"):
        part.root()
