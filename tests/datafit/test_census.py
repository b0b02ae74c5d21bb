"""The census of a design is that of its labels in memory, however the rows are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskreg.datafit.census import census
from daskreg.design import as_design
from daskreg.exceptions import DataError
from daskreg.splits import ArrayCensus, RowKeys, stratified_folds
from daskreg.splits.counters import draw, stream
from tests.fake_design import FakeDesign

N = 211


def labels(dtype, seed=0):
    codes = np.random.default_rng(seed).choice(4, N, p=[0.05, 0.6, 0.3, 0.05])
    return np.array(["it", "a", "élan", "zz"])[codes].astype(dtype) if dtype else codes


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, N), max_size=7), st.sampled_from(["U4", object, "S9", None]))
def test_any_cut_gives_the_census_of_memory(borders, dtype):
    y = labels(dtype if dtype != "S9" else None)
    y = np.array([b"x", b"y", b"z", b"v"])[y] if dtype == "S9" else y
    design = FakeDesign(np.zeros((N, 1)), y, borders=sorted(borders))
    found, expected = census(design), ArrayCensus(y)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.n_rows == N
    ranks = np.column_stack([np.zeros(4, int), found.counts // 2, found.counts - 1, found.counts])
    np.testing.assert_array_equal(found.row_numbers(ranks), expected.row_numbers(ranks))
    assert (design.n_passes, design.n_sweeps) == (0, 2)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, N), max_size=7), st.integers(0, 9))
def test_hash_borders_have_the_wanted_hashes_below(borders, seed):
    y = labels("U4")
    found = census(FakeDesign(np.zeros((N, 1)), y, borders=sorted(borders)))
    ranks = np.column_stack([np.zeros(4, int), found.counts // 3, found.counts - 1, found.counts])
    key = stream(seed)
    borders = found.hash_borders(key, ranks)
    hashes = draw(key, np.arange(N))
    for code, label in enumerate(found.labels):
        below = hashes[y == label][:, None] < borders[code]
        np.testing.assert_array_equal(below.sum(axis=0), ranks[code])


@pytest.mark.parametrize("shuffle", [False, True])
def test_stratified_folds_of_a_design_are_those_of_memory(shuffle):
    y = labels("U4")
    rows = RowKeys(0, N, y)
    with as_design(np.ones((N, 2)), y, block_size=512) as design:
        folds = stratified_folds(census(design), 5, shuffle=shuffle, seed=3)
        assert design.n_passes == 0
    expected = stratified_folds(ArrayCensus(y), 5, shuffle=shuffle, seed=3)
    np.testing.assert_array_equal(folds.codes(rows), expected.codes(rows))


def test_blocks_may_be_laid_out_anew_between_the_sweeps():
    y = labels("U4")
    design = FakeDesign(np.zeros((N, 1)), y, borders=[30, 90])
    found = census(design)
    design.borders = [0, 50, 77, 150, N]
    ranks = np.column_stack([found.counts // 2, found.counts - 1])
    np.testing.assert_array_equal(found.row_numbers(ranks), ArrayCensus(y).row_numbers(ranks))
    assert design.n_sweeps == 4


def test_a_continuous_target_has_no_census():
    design = FakeDesign(np.zeros((3, 1)), np.array([0.5, 1.0, 2.0]))
    with pytest.raises(DataError, match="continuous target"):
        census(design)
