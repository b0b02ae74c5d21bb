"""Rows of selected columns: what is at hand is not gathered again."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.datafit import Datafit, gathered
from daskreg.losses import Squared
from daskreg.problems import Problems
from tests.datafit.test_weightings import EveryThird
from tests.fake_design import FakeDesign

N, P = 30, 40
CHOSEN = (np.arange(0, 20), np.arange(5, 28, 2), np.arange(1, 39, 3), np.arange(5, 28, 2))


def made(fold=(-1,), standardize=False):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(N, P)) + 2.0, rng.normal(size=(N, 1))
    weight = rng.integers(0, 3, size=N).astype(float)
    design = FakeDesign(X, y, weight, borders=(11,))
    problems = Problems.product(alpha=[0.1], fold=fold)
    fit = Datafit(design, Squared(), problems, folds=EveryThird(), standardize=standardize)
    fit.first()
    return fit


@pytest.mark.parametrize("fold", [(-1,), (-1, 0, 2)])
@pytest.mark.parametrize("standardize", [False, True])
def test_rows_of_one_selection_after_another_are_those_of_each_alone(fold, standardize):
    fit = made(fold, standardize)
    for columns in CHOSEN:
        moved = fit.restricted(columns).factored_grams()
        alone = made(fold, standardize).restricted(columns).factored_grams()
        assert moved.keys() == alone.keys()
        for number, data in moved.items():
            np.testing.assert_array_equal(data.rows, alone[number].rows)
            assert data.rows.flags.f_contiguous
            np.testing.assert_array_equal(data.c, alone[number].c)


def test_only_columns_that_are_not_at_hand_are_gathered():
    fit = made()
    gathers = []
    select = fit.design.select
    at_hand = np.empty(0, dtype=int)
    for columns in CHOSEN:
        part = fit.restricted(columns)
        fit.design.select = lambda wanted: gathers.append(np.array(wanted)) or select(wanted)
        part.factored_grams()
        fit.design.select = select
        new = np.setdiff1d(columns, at_hand)
        if at_hand.size and new.size:
            np.testing.assert_array_equal(gathers.pop(), new)
        assert not gathers
        at_hand = columns


def test_the_first_pass_over_selected_columns_is_known():
    fit = made()
    columns = CHOSEN[1]
    part = fit.restricted(columns)
    known = part.first()
    assert part.n_passes == 0
    fresh = made()
    alone = Datafit(
        FakeDesign(fresh.design.X[:, columns], fresh.design.y, fresh.design.sample_weight),
        Squared(),
        Problems.product(alpha=[0.1]),
    ).first()
    for name in ("mean", "sd", "center", "inverse_scale", "cross", "null_grad", "second_moment"):
        np.testing.assert_allclose(getattr(known, name), getattr(alone, name), atol=1e-12)
    assert known.null_value == pytest.approx(alone.null_value)


def test_columns_at_hand_stay_in_their_memory():
    fit = made()
    fit.restricted(CHOSEN[0]).factored_grams()
    before = fit._survey._part[1].gathered.room[0]
    assert len(before) == P  # addresses for all columns that may follow
    for columns in CHOSEN[1:]:
        part = fit.restricted(columns)
        part.factored_grams()
        assert part._survey.gathered.room[0] is before


def test_rows_that_an_interrupt_has_left_moved_are_not_taken_for_others(monkeypatch):
    fit = made()
    first, second = np.array([0, 2, 5, 9]), np.array([1, 2, 3, 9, 10])
    fit.restricted(first).factored_grams()

    def interrupted(*args):
        moved(*args)
        raise KeyboardInterrupt

    moved = gathered._moved
    monkeypatch.setattr(gathered, "_moved", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit.restricted(second).factored_grams()
    monkeypatch.setattr(gathered, "_moved", moved)
    found, expected = (one.restricted(first).factored_grams() for one in (fit, made()))
    np.testing.assert_array_equal(found[0].rows, expected[0].rows)
