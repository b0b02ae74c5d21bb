"""Folds and resamples of coupled classes: a problem equals the same problem on its own rows."""

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.datafit import Datafit
from daskreg.exceptions import DataError
from daskreg.losses import LogLoss, Multinomial
from daskreg.penalties import ElasticNet
from daskreg.problems import Problems
from tests.fake_design import FakeDesign

from .coupled import problem
from .test_weightings import CASES, Counted, EveryThird, multiplicity


def batch(fold, bootstrap, *, borders=(), sparse=False, **options):
    X, y, w = problem(n=160, shift=2.0, names=["a", "b", "c"])
    if sparse:
        X = np.where(np.abs(X) > 1.0, X, 0.0)
    ones = np.ones(len(fold))
    problems = Problems(ones, ones, np.zeros(len(fold)), np.array(fold), np.array(bootstrap))
    design = FakeDesign(sp.csr_array(X) if sparse else X, y, w, None, borders)
    fit = Datafit(design, LogLoss(), problems, folds=EveryThird(), resamples=Counted(), **options)
    return fit, X, y, w


def alone(fit, k, X, y, w, **options):
    problems = fit.problems.take([k])
    count = multiplicity(int(problems.fold[0]), int(problems.bootstrap[0]), len(y))
    one = Problems(problems.alpha, problems.l1_ratio, problems.output)
    return Datafit(FakeDesign(X, y, w * count), Multinomial(), one, **options)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"a": 2.0, "c": 0.5}])
@pytest.mark.parametrize("metric", [True, False])
def test_a_weighted_problem_is_the_problem_on_its_rows(
    case, fit_intercept, standardize, sparse, class_weight, metric
):
    fold, bootstrap = CASES[case]
    options = {
        "fit_intercept": fit_intercept, "standardize": standardize, "class_weight": class_weight
    }  # fmt: skip
    fit, *data = batch(fold, bootstrap, borders=(40, 41, 100), sparse=sparse, **options)
    rng = np.random.default_rng(1)
    coef = 0.3 * rng.normal(size=(fit.n_features, 3, len(fold)))
    intercept = rng.normal(size=(3, len(fold)))
    if metric:
        fit.metric()
    found = fit.value_and_grad(coef, intercept)
    assert fit.n_passes == 2
    penalty = ElasticNet(np.full(len(fold), 0.05), np.full(len(fold), 0.7))
    bounds = found.dual(penalty, coef)
    original = fit.to_original(coef, intercept)
    for k in range(len(fold)):
        one = alone(fit, k, *data, **options)
        there = coef[..., [k]], intercept[:, [k]]
        expected = one.value_and_grad(*there)
        np.testing.assert_allclose(found.value[k], expected.value[0], rtol=1e-12)
        np.testing.assert_allclose(found.grad[..., k], expected.grad[..., 0], rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(
            found.intercept_grad[:, k], expected.intercept_grad[:, 0], rtol=1e-9, atol=1e-13
        )
        own = expected.dual(penalty.take([k]), there[0])
        np.testing.assert_allclose(bounds[k], own[0], rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(
            found.mean_curvature[..., k], expected.mean_curvature[..., 0], rtol=1e-11, atol=1e-15
        )
        for name in ("null_value", "null_intercept", "null_grad"):
            np.testing.assert_allclose(
                getattr(fit, name)[..., k], getattr(one, name)[..., 0], rtol=1e-9, atol=1e-12
            )
        np.testing.assert_allclose(fit.total_weight[k], one.total_weight[0], rtol=1e-13)
        for mine, theirs in zip(original, one.to_original(*there), strict=True):
            np.testing.assert_allclose(mine[..., k], theirs[..., 0], rtol=1e-9, atol=1e-12)
        null = fit.null_evaluation.take([k])
        np.testing.assert_allclose(
            null.mean_curvature, one.null_evaluation.mean_curvature, rtol=1e-9, atol=1e-12
        )


def test_take_keeps_the_rows_of_each_problem():
    fold, bootstrap = CASES["both"]
    fit, *_ = batch(fold, bootstrap)
    coef = 0.2 * np.random.default_rng(3).normal(size=(fit.n_features, 3, len(fold)))
    intercept = np.zeros((3, len(fold)))
    whole = fit.value_and_grad(coef, intercept)
    keep = np.array([3, 1])
    part = fit.take(keep).value_and_grad(coef[..., keep], intercept[:, keep])
    np.testing.assert_allclose(part.value, whole.value[keep], rtol=1e-14)
    np.testing.assert_allclose(part.grad, whole.grad[..., keep], rtol=1e-12)
    assert (fit.on_all_rows().null_value == fit.null_value[0]).all()


def test_a_round_trip_of_coordinates():
    fold, bootstrap = CASES["both"]
    fit, *_ = batch(fold, bootstrap, standardize=True)
    rng = np.random.default_rng(0)
    coef, intercept = rng.normal(size=(fit.n_features, 3, 5)), rng.normal(size=(3, 5))
    again = fit.to_original(*fit.to_solver(coef, intercept))
    np.testing.assert_allclose(again[0], coef, rtol=1e-12)
    np.testing.assert_allclose(again[1], intercept, rtol=1e-10, atol=1e-12)


def test_a_fold_without_a_class_is_refused_by_name():
    X, _, w = problem(n=160)
    y = np.arange(160) % 3
    problems = Problems(np.ones(2), np.ones(2), np.zeros(2), np.array([-1, 2]))
    fit = Datafit(FakeDesign(X, y, w), LogLoss(), problems, folds=EveryThird())
    with pytest.raises(DataError, match="training rows of fold 2: no row of class 2"):
        fit.first()
