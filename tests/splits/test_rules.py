"""Folds from row numbers: equal to scikit-learn's, pinned, balanced, blind to chunking."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit

from daskreg.exceptions import DataError
from daskreg.splits import (
    ArrayCensus,
    ContiguousFolds,
    ExplicitFolds,
    GroupedFolds,
    HalfSamples,
    PoissonBootstrap,
    ShuffledFolds,
    TimeSeriesFolds,
    explicit_folds,
    stratified_folds,
)

from .common import keys, pieces, same_as

N = 97
LABELS = np.array(["b", "a", "ccc"])[np.random.default_rng(0).choice(3, N, p=[0.6, 0.3, 0.1])]
GROUPS = np.random.default_rng(1).integers(0, 30, N)
SPLITS = list(KFold(4, shuffle=True, random_state=0).split(np.zeros((N, 1))))
RULES = {
    "contiguous": (ContiguousFolds(5, N), None),
    "shuffled": (ShuffledFolds(5, seed=3), None),
    "grouped": (GroupedFolds(5, seed=3), GROUPS),
    "time": (TimeSeriesFolds(4, N, gap=2, max_train_size=20), None),
    "stratified": (stratified_folds(ArrayCensus(LABELS), 5), None),
    "hashed": (stratified_folds(ArrayCensus(LABELS), 5, shuffle=True, seed=2), None),
    "explicit": explicit_folds(SPLITS, N),
    "bootstrap": (PoissonBootstrap(4, seed=5), None),
    "halves": (HalfSamples(3, seed=5), None),
}


@pytest.mark.parametrize("name", RULES)
@given(borders=st.lists(st.integers(0, N), max_size=6))
def test_how_rows_are_cut_does_not_matter(name, borders):
    rule, groups = RULES[name]
    whole = rule.factors(keys(N, y=LABELS, groups=groups))
    cut = [rule.factors(rows) for rows in pieces(N, borders, LABELS, groups)]
    np.testing.assert_array_equal(np.concatenate(cut), whole)


@pytest.mark.parametrize("name", RULES)
def test_a_pickled_rule_is_the_same_rule(name):
    rule, groups = RULES[name]
    rows = keys(N, y=LABELS, groups=groups)
    again = pickle.loads(pickle.dumps(rule))
    np.testing.assert_array_equal(again.factors(rows), rule.factors(rows))


@pytest.mark.parametrize("name", RULES)
def test_some_weightings_are_columns_of_all(name):
    rule, groups = RULES[name]
    rows = keys(N, y=LABELS, groups=groups)
    whole = rule.factors(rows)
    assert whole.shape == (N, rule.n)
    np.testing.assert_array_equal(rule.factors(rows, which=[2, 0, 2]), whole[:, [2, 0, 2]])
    assert rule.factors(rows, which=[]).shape == (N, 0)
    with pytest.raises(IndexError, match=f"of {rule.n}"):
        rule.factors(rows, which=[rule.n])


@pytest.mark.parametrize("name", ["contiguous", "shuffled", "grouped", "time", "stratified"])
def test_atoms_add_up_to_training_and_test_sets(name):
    folds, groups = RULES[name]
    rows = keys(N, y=LABELS, groups=groups)
    codes = folds.codes(rows)
    counts = np.bincount(codes[codes >= 0], minlength=folds.n_atoms)
    assert folds.train.shape == folds.test.shape == (folds.n_atoms, folds.n)
    np.testing.assert_array_equal(counts @ folds.train, folds.factors(rows).sum(axis=0))
    np.testing.assert_array_equal(counts @ folds.test, folds.held_out(rows).sum(axis=0))
    assert not (folds.train & folds.test).any()
    folds.check_rows(counts)
    with pytest.raises(DataError, match="has no row"):
        folds.check_rows(np.where(folds.test[:, 1], 0, counts))


@given(n=st.integers(2, 60), k=st.integers(2, 12))
def test_contiguous_folds_are_those_of_scikit_learn(n, k):
    if k > n:
        with pytest.raises(ValueError, match=f"{k} folds of {n} rows"):
            ContiguousFolds(k, n)
        return
    same_as(ContiguousFolds(k, n), KFold(k).split(np.zeros((n, 1))), n)


@given(
    n=st.integers(2, 60),
    k=st.integers(2, 8),
    gap=st.integers(0, 5),
    most=st.none() | st.integers(1, 20),
    size=st.none() | st.integers(1, 12),
)
def test_time_series_are_those_of_scikit_learn(n, k, gap, most, size):
    splitter = TimeSeriesSplit(k, gap=gap, max_train_size=most, test_size=size)
    try:
        expected = list(splitter.split(np.zeros((n, 1))))
    except ValueError:
        with pytest.raises(ValueError, match="leave no row"):
            TimeSeriesFolds(k, n, gap, most, size)
        return
    same_as(TimeSeriesFolds(k, n, gap, most, size), expected, n)


@given(
    y=st.lists(st.sampled_from(["no", "yes", "maybe"]), min_size=6, max_size=60),
    k=st.integers(2, 6),
)
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_stratified_folds_are_those_of_scikit_learn(y, k):
    y = np.array(y)
    if (np.unique(y, return_counts=True)[1] < k).all():
        with pytest.raises(ValueError, match="stratified folds need"):
            stratified_folds(ArrayCensus(y), k)
        return
    expected = StratifiedKFold(k).split(np.zeros((len(y), 1)), y)
    same_as(stratified_folds(ArrayCensus(y), k), expected, len(y), y)


@given(
    y=st.lists(st.integers(0, 2), min_size=12, max_size=80),
    k=st.integers(2, 4),
    seed=st.integers(0, 5),
)
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_shuffled_stratified_folds_hold_the_same_number_of_every_class(y, k, seed):
    y = np.array(y)
    census = ArrayCensus(y)
    plain, mixed = (
        stratified_folds(census, k, shuffle=shuffle, seed=seed).codes(keys(len(y), y=y))
        for shuffle in (False, True)
    )
    for label in np.unique(y):
        sizes = [np.bincount(codes[y == label], minlength=k) for codes in (plain, mixed)]
        np.testing.assert_array_equal(*sizes)


def test_a_class_smaller_than_the_folds_is_warned_of():
    y = np.array([0] * 10 + [1] * 2)
    with pytest.warns(UserWarning, match="least populated class 1 has 2 rows"):
        stratified_folds(ArrayCensus(y), 3)


def test_labels_that_the_folds_do_not_know_are_refused():
    folds, _ = RULES["stratified"]
    with pytest.raises(DataError, match="'new'"):
        folds.codes(keys(2, y=np.array(["a", "new"])))
    with pytest.raises(DataError, match="y=None"):
        folds.codes(keys(2))


def test_what_a_seed_means_never_changes():
    rows = keys(12)
    assert ShuffledFolds(5, 3).codes(rows).tolist() == [3, 0, 2, 1, 4, 3, 2, 0, 3, 3, 0, 3]
    far = ShuffledFolds(5, 3).codes(keys(12, start=10**12))
    assert far.tolist() == [2, 3, 1, 3, 1, 2, 0, 1, 4, 3, 2, 0]
    counts = PoissonBootstrap(2, 1).factors(keys(6)).T
    assert counts.tolist() == [[1, 1, 0, 2, 2, 1], [0, 0, 1, 0, 0, 0]]
    halves = HalfSamples(2, 1).factors(keys(6)).T
    assert halves[::2].tolist() == [[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 1, 1]]


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_hashed_folds_are_balanced_and_independent_of_each_other(seed):
    n, k = 40_000, 7
    codes = ShuffledFolds(k, seed).codes(keys(n))
    assert stats.chisquare(np.bincount(codes, minlength=k)).pvalue > 1e-4
    pairs = codes[:-1] * k + codes[1:]
    assert stats.chisquare(np.bincount(pairs, minlength=k * k)).pvalue > 1e-4
    other = ShuffledFolds(k, seed // 2 + 17).codes(keys(n))
    assert stats.chisquare(np.bincount(codes * k + other, minlength=k * k)).pvalue > 1e-4


def test_seeds_that_would_change_from_pass_to_pass_are_refused():
    for make in (ShuffledFolds, GroupedFolds, PoissonBootstrap, HalfSamples):
        for seed in (None, -1, 0.5, True):
            with pytest.raises(ValueError, match="seed must be an integer"):
                make(3, seed)


@pytest.mark.parametrize("k", [1, 0, True, 2.5])
def test_a_number_of_folds_that_is_none_is_refused(k):
    with pytest.raises(ValueError, match="2 folds or more"):
        ShuffledFolds(k)


def test_no_group_is_in_two_folds():
    rows = keys(N, groups=GROUPS)
    codes = GroupedFolds(4).codes(rows)
    for group in np.unique(GROUPS):
        assert len(set(codes[group == GROUPS])) == 1
    assert len(set(codes)) == 4
    with pytest.raises(DataError, match="groups=None"):
        GroupedFolds(4).codes(keys(N))


def test_an_explicit_code_that_is_not_there_is_refused():
    folds = ExplicitFolds(np.eye(2, dtype=bool), ~np.eye(2, dtype=bool))
    assert folds.codes(keys(3, groups=np.array([2, 1, 0], dtype=np.uint8))).tolist() == [-1, 1, 0]
    with pytest.raises(DataError, match="code 3"):
        folds.codes(keys(1, groups=np.array([3])))
    with pytest.raises(DataError, match="integer codes"):
        folds.codes(keys(1, groups=np.array(["a"])))
