"""What ``cv`` may be, and that it means what it means in scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneOut,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

from daskreg.splits import ArrayCensus, ExplicitFolds, ShuffledFolds, as_folds, explicit_folds

from .common import keys, same_as

N = 31
Y = np.array(["no", "yes"])[np.random.default_rng(0).integers(0, 2, N)]
GROUPS = np.random.default_rng(1).integers(0, 9, N)
X = np.zeros((N, 1))


@pytest.mark.parametrize("cv", [None, 3, np.int64(4)])
def test_a_number_is_stratified_for_classifiers_only(cv):
    k = 5 if cv is None else int(cv)
    folds, codes = as_folds(cv, n_rows=N, y=Y, classifier=False)
    assert codes is None
    same_as(folds, KFold(k).split(X), N, Y)
    for labels in ({"y": Y}, {"census": ArrayCensus(Y)}):
        folds, codes = as_folds(cv, n_rows=N, classifier=True, **labels)
        assert codes is None
        same_as(folds, StratifiedKFold(k).split(X, Y), N, Y)


@pytest.mark.parametrize(
    ("splitter", "stored"),
    [
        (KFold(4), False),
        (StratifiedKFold(4), False),
        (TimeSeriesSplit(3, gap=2), False),
        (TimeSeriesSplit(3, max_train_size=0), False),
        (KFold(4, shuffle=True, random_state=0), True),
        (StratifiedKFold(4, shuffle=True, random_state=0), True),
        (GroupKFold(3), True),
        (StratifiedGroupKFold(3), True),
        (RepeatedKFold(n_splits=3, n_repeats=4, random_state=0), True),
        (ShuffleSplit(3, test_size=0.2, train_size=0.4, random_state=0), True),
        (LeaveOneOut(), True),
    ],
    ids=repr,
)
def test_splitters_of_scikit_learn(splitter, stored):
    groups = GROUPS if "Group" in type(splitter).__name__ else None
    folds, codes = as_folds(splitter, n_rows=N, y=Y, groups=groups, classifier=True)
    assert (codes is not None) == stored
    same_as(folds, splitter.split(X, Y, groups), N, Y, codes)


def test_a_splitter_of_another_class_is_asked():
    class Odd(KFold):
        def split(self, X, y=None, groups=None):
            yield [0, 1], [2]

    folds, codes = as_folds(Odd(3), n_rows=N, classifier=False)
    same_as(folds, [([0, 1], [2])], N, groups=codes)


def test_folds_stay_as_they_are():
    folds = ShuffledFolds(3)
    assert as_folds(folds, n_rows=N, classifier=True) == (folds, None)


def test_what_is_no_cv_is_refused():
    with pytest.raises(ValueError, match="2 folds or more"):
        as_folds(1, n_rows=N, classifier=False)
    with pytest.raises(ValueError, match="32 folds of 31 rows"):
        as_folds(N + 1, n_rows=N, classifier=False)
    with pytest.raises(ValueError, match="need the labels"):
        as_folds(3, n_rows=N, classifier=True)
    for cv in ("prefit", 2.5):
        with pytest.raises(ValueError, match="cv must be"):
            as_folds(cv, n_rows=N, classifier=False)


@given(st.data(), st.integers(2, 25), st.integers(1, 6))
def test_any_pairs_of_sets_come_back(data, n, n_splits):
    states = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    splits = []
    for _ in range(n_splits):
        state = np.array(data.draw(states.filter(lambda s: {1, 2} <= set(s))))
        splits.append((np.flatnonzero(state == 1), np.flatnonzero(state == 2)))
    folds, codes = explicit_folds(splits, n)
    same_as(folds, splits, n, groups=codes)
    assert isinstance(folds, ExplicitFolds)
    # Atoms differ from each other, none is empty and none is in no set.
    tables = np.hstack([folds.train, folds.test])
    assert len(np.unique(tables, axis=0)) == folds.n_atoms
    assert tables.any(axis=1).all()
    used = folds.codes(keys(n, groups=codes))
    assert set(used[used >= 0]) == set(range(folds.n_atoms))


def test_codes_are_as_small_as_they_may_be():
    n = 300
    pairs = [(np.delete(np.arange(n), i), [i]) for i in range(n)]
    assert explicit_folds(pairs[:3], n)[1].dtype == np.uint8
    assert explicit_folds(pairs, n)[1].dtype == np.uint16


def test_masks_are_row_numbers():
    mask = np.arange(6) < 4
    folds, codes = explicit_folds([(mask, ~mask)], 6)
    same_as(folds, [(np.arange(4), [4, 5])], 6, groups=codes)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ([], "gave no split"),
        ([([0, 1], [1, 2])], "row 1 is in the training and in the test set of split 0"),
        ([([0], [1]), ([0], [6])], "test rows of split 1 hold 6, but rows are 0 to 5"),
        ([([-1], [1])], "training rows of split 0 hold -1"),
        ([([0, 0], [1])], "hold row 0 twice"),
        ([([0], [])], "test rows of split 0 are none"),
        ([([0.5], [1])], "row numbers or a mask of 6 rows"),
        ([(np.zeros(5, dtype=bool), [1])], "row numbers or a mask of 6 rows"),
        ([[1, 2, 3]], "must be a pair"),
    ],
)
def test_sets_that_are_wrong_are_refused(splits, message):
    with pytest.raises(ValueError, match=message):
        explicit_folds(splits, 6)
