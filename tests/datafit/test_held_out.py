"""Held-out squared errors from moments are those of the rows, or are not told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from daskreg.datafit import Datafit
from daskreg.datafit.held_out import _error
from daskreg.datafit.kernels.beside import column_of_rows
from daskreg.datafit.moments import Moments
from daskreg.exceptions import DataError
from daskreg.losses import Squared
from daskreg.problems import Problems
from daskreg.splits import ContiguousFolds, PoissonBootstrap, ShuffledFolds, explicit_folds
from tests.fake_design import FakeDesign

N, P = 90, 4


def rows(scale=1.0, shift=0.0):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P)) * scale + shift
    return X, rng.normal(size=(N, 2)) + 5.0, rng.uniform(0.1, 2.0, N), rng.normal(size=N)


def fit_of(design, folds, **more):
    problems = Problems.product(fold=[-1, 0, 1, 2], output=[0, 1])
    return Datafit(design, Squared(), problems, folds=folds, **more)


def columns(seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(P, 1, 8)), rng.normal(size=(1, 8))


@settings(max_examples=30, deadline=None)
@given(
    borders=st.lists(st.integers(0, N), max_size=5).map(sorted),
    folds=st.sampled_from([ContiguousFolds(3, N), ShuffledFolds(3, seed=2)]),
    fit_intercept=st.booleans(),
    shift=st.sampled_from([0.0, 1e4]),
)
def test_the_errors_of_the_rows(borders, folds, fit_intercept, shift):
    X, y, weight, offset = rows(shift=shift)
    design = FakeDesign(X, y, weight, offset, borders)
    fit = fit_of(design, folds, fit_intercept=fit_intercept)
    coef, intercept = columns()
    assert fit.held_out_error(coef, intercept) is None
    fit.grams()
    found = fit.held_out_error(coef, intercept)
    assert design.n_passes == 1
    assert np.isnan(found[:2]).all()  # all rows: none is held out
    scored = fit.held_out_scores(coef, intercept, ("mse",))["mse"]
    assert design.n_passes == 2
    assert_allclose(found[2:], scored[2:], rtol=1e-6)
    left = y[:, 0] - offset - X @ coef[:, 0, 0] - intercept[0, 0]
    assert_allclose(scored[0], np.average(np.square(left), weights=weight), rtol=1e-9)


def test_overlapping_test_sets_are_sums_of_atoms():
    X, y, weight, offset = rows()
    pairs = [(np.arange(0, 50), np.arange(60, 90)), (np.arange(60), np.arange(70, 80)),
             (np.arange(20, 90), np.arange(10))]  # fmt: skip
    folds, codes = explicit_folds(pairs, N)
    design = FakeDesign(X, y, weight, offset, [33])
    fit = fit_of(_Grouped(design, codes), folds)
    fit.grams()
    coef, intercept = columns()
    found = fit.held_out_error(coef, intercept).reshape(4, 2)
    for fold, (_, test) in enumerate(pairs):
        for target in range(2):
            place = 2 + 2 * fold + target
            left = y[test, target] - offset[test] - X[test] @ coef[:, 0, place]
            left = np.square(left - intercept[0, place])
            expected = np.average(left, weights=weight[test])
            assert_allclose(found[fold + 1, target], expected, rtol=1e-9)


class _Grouped:
    """A fake design whose blocks have groups."""

    def __init__(self, design, groups):
        self._design, self._groups = design, groups

    def __getattr__(self, name):
        return getattr(self._design, name)

    def sum_over_rows(self, kernel, state=None):
        self._design.n_passes += 1
        total = None
        for block in self._design.blocks():
            own = self._groups[block.start : block.start + block.n_rows]
            part = kernel(replace(block, groups=own), state or {})
            total = part if total is None else total + part
        return total


def test_resamples_have_no_sums_of_test_rows():
    X, y, weight, offset = rows()
    problems = Problems.product(fold=[-1, 0], bootstrap=[-1, 0])
    fit = Datafit(
        FakeDesign(X, y, weight, offset), Squared(), problems, folds=ContiguousFolds(3, N),
        resamples=PoissonBootstrap(2, seed=0),
    )  # fmt: skip
    fit.grams()
    assert fit.held_out_error(np.zeros((P, 1, 4)), np.zeros((1, 4))) is None


def test_too_few_digits_are_not_told():
    # y is the first column but for a ten millionth: float64 sums keep two digits of the rest.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2))
    for noise, known in ((1e-2, True), (1e-7, False)):
        y = X[:, :1] + noise * rng.normal(size=(1000, 1))
        deviations, target = X - X.mean(axis=0), y - y.mean(axis=0)
        moments = Moments(
            1000.0, 1000, X.mean(axis=0), np.square(deviations).sum(axis=0), y.mean(axis=0),
            np.square(target).sum(axis=0), deviations.T @ target, deviations.T @ deviations,
        )  # fmt: skip
        coef, place = np.array([[1.0], [0.0]]), np.zeros(1, dtype=int)
        found = _error(moments, place, coef, np.zeros(1), np.finfo(float).eps)
        assert np.isfinite(found).all() == known
        if known:
            assert_allclose(found[0], np.square(y - X[:, :1]).mean(), rtol=1e-6)


def test_test_rows_without_weight_are_refused_by_the_first_pass():
    X, y, weight, offset = rows()
    weight[:30] = 0.0
    fit = fit_of(FakeDesign(X, y, weight, offset), ContiguousFolds(3, N))
    with pytest.raises(DataError, match="the test set of fold 0 of 3 has no row"):
        fit.grams()


def test_what_lies_beside_X_comes_in_the_order_of_the_rows():
    X, y, *_ = rows()
    design = FakeDesign(X, y, borders=[10, 11, 70])
    assert_allclose(column_of_rows(design, "y"), y[:, 0])
    with pytest.raises(DataError, match="no groups"):
        column_of_rows(design, "groups")
