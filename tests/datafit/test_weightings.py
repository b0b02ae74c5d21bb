"""Folds and resamples are weights of rows: a problem equals the same problem on its own rows."""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.datafit import Datafit
from daskreg.exceptions import DataError
from daskreg.losses import Logistic, LogLoss, Squared
from daskreg.penalties import ElasticNet
from daskreg.problems import Problems
from daskreg.splits import Folds, RowWeights
from tests.datafit.common import problem
from tests.fake_design import FakeDesign

LOSSES = [Squared(), Logistic()]


@dataclass(frozen=True)
class EveryThird(Folds):
    """Fold f is tested on rows of number f modulo 3; those from ``stop`` on are nowhere."""

    stop: int = 10**9

    def codes(self, rows):
        return np.where(rows.numbers < self.stop, rows.numbers % 3, -1).astype(np.intp)

    @property
    def train(self):
        return ~np.eye(3, dtype=bool)

    @property
    def test(self):
        return np.eye(3, dtype=bool)


@dataclass(frozen=True)
class Counted(RowWeights):
    """Resample r counts row i (7 i + 3 r) modulo 4 times."""

    @property
    def n(self):
        return 2

    def factors(self, rows, which=None):
        return ((7 * rows.numbers[:, None] + 3 * self.chosen(which)) % 4).astype(float)


def multiplicity(fold, bootstrap, n, stop=10**9):
    rows = np.arange(n)
    count = np.ones(n)
    if fold >= 0:
        count *= (rows % 3 != fold) & (rows < stop)
    if bootstrap >= 0:
        count *= (7 * rows + 3 * bootstrap) % 4
    return count


def batch(loss, *, fold, bootstrap, borders=(), sparse=False, offset=True, targets=1, **options):
    X, y, w, o = problem(loss=loss, offset=offset, shift=2.0, targets=targets)
    if sparse:
        X = np.where(np.abs(X) > 1.5, X, 0.0)
    output = np.arange(len(fold)) % targets
    ones = np.ones(len(fold))
    problems = Problems(ones, ones, output, np.array(fold), np.array(bootstrap))
    design = FakeDesign(sp.csr_array(X) if sparse else X, y, w, o, borders)
    folds = EveryThird(options.pop("stop", 10**9))
    return Datafit(design, loss, problems, folds=folds, resamples=Counted(), **options), X, y, w, o


def alone(loss, k, datafit, X, y, w, o, stop=10**9, **options):
    """The problem by itself, its rows weighted by how often they count."""
    problems = datafit.problems.take([k])
    fold, bootstrap = int(problems.fold[0]), int(problems.bootstrap[0])
    count = multiplicity(fold, bootstrap, len(y), stop)
    design = FakeDesign(X, y, w * count, o)
    one = Problems(problems.alpha, problems.l1_ratio, problems.output)
    return Datafit(design, loss, one, **options)


CASES = {
    "folds": ([-1, 0, 2, 1, 0], [-1] * 5),
    "resamples": ([-1] * 4, [-1, 1, 0, 1]),
    "both": ([-1, 0, 2, 1, 0], [-1, 1, -1, 0, 0]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("sparse", [True, False])
def test_a_weighted_problem_is_the_problem_on_its_rows(
    case, loss, fit_intercept, standardize, sparse
):
    fold, bootstrap = CASES[case]
    options = {"fit_intercept": fit_intercept, "standardize": standardize}
    fit, *data = batch(
        loss, fold=fold, bootstrap=bootstrap, borders=(40, 41, 100), sparse=sparse, **options
    )
    rng = np.random.default_rng(1)
    coef = 0.3 * rng.normal(size=(fit.n_features, 1, len(fold)))
    intercept = rng.normal(size=(1, len(fold)))
    fit.first()
    before = fit.n_passes
    found = fit.value_and_grad(coef, intercept)
    assert fit.n_passes == before + 1
    penalty = ElasticNet(np.full(len(fold), 0.05), np.full(len(fold), 0.7))
    bounds = found.dual(penalty, coef)
    original = fit.to_original(coef, intercept)
    for k in range(len(fold)):
        one = alone(loss, k, fit, *data, **options)
        there = coef[..., [k]], intercept[:, [k]]
        expected = one.value_and_grad(*there)
        np.testing.assert_allclose(found.value[k], expected.value[0], rtol=1e-12)
        np.testing.assert_allclose(found.grad[..., k], expected.grad[..., 0], rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(
            found.intercept_grad[:, k], expected.intercept_grad[:, 0], rtol=1e-9, atol=1e-13
        )
        own = expected.dual(penalty.take([k]), there[0])
        np.testing.assert_allclose(bounds[k], own[0], rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(found.mean_curvature[k], expected.mean_curvature[0], rtol=1e-11)
        for name in ("null_value", "null_intercept", "null_grad"):
            np.testing.assert_allclose(
                getattr(fit, name)[..., k], getattr(one, name)[..., 0], rtol=1e-9, atol=1e-12
            )
        np.testing.assert_allclose(fit.total_weight[k], one.total_weight[0], rtol=1e-13)
        for mine, theirs in zip(original, one.to_original(*there), strict=True):
            np.testing.assert_allclose(mine[..., k], theirs[..., 0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("targets", [1, 3])
def test_gram_matrices_of_weightings_come_in_the_same_pass(case, standardize, targets):
    fold, bootstrap = CASES[case]
    loss = Squared()
    fit, *data = batch(
        loss, fold=fold, bootstrap=bootstrap, borders=(3, 90), standardize=standardize,
        targets=targets,
    )  # fmt: skip
    grams = fit.grams()
    assert fit.n_passes == 1
    for k, number in enumerate(fit.weighting.tolist()):
        expected = alone(loss, k, fit, *data, standardize=standardize).gram()
        found = grams[number]
        np.testing.assert_allclose(found.G, expected.G, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(found.c, expected.c, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(found.yy, expected.yy, rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("class_weight", [None, "balanced", {0.0: 1.0, 1.0: 3.0}])
def test_class_weights_are_those_of_the_rows_that_count(case, class_weight):
    fold, bootstrap = CASES[case]
    loss = Logistic()
    fit, *data = batch(
        loss, fold=fold, bootstrap=bootstrap, borders=(70,), class_weight=class_weight
    )
    coef = 0.2 * np.random.default_rng(5).normal(size=(fit.n_features, 1, len(fold)))
    intercept = np.zeros((1, len(fold)))
    metric = fit.metric()
    assert fit.n_passes == 1
    found = fit.value_and_grad(coef, intercept)
    for k in range(len(fold)):
        one = alone(loss, k, fit, *data, class_weight=class_weight)
        expected = one.value_and_grad(coef[..., [k]], intercept[:, [k]])
        np.testing.assert_allclose(found.value[k], expected.value[0], rtol=1e-12)
        np.testing.assert_allclose(found.grad[..., k], expected.grad[..., 0], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(
        metric, alone(loss, 0, fit, *data, class_weight=class_weight).metric()
    )


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_rows_of_no_fold_count_in_the_whole_only(loss):
    fold, bootstrap = CASES["folds"]
    fit, *data = batch(loss, fold=fold, bootstrap=bootstrap, stop=60, borders=(50, 70))
    for k in range(len(fold)):
        one = alone(loss, k, fit, *data, stop=60)
        np.testing.assert_allclose(fit.null_value[k], one.null_value[0], rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_take_keeps_the_rows_of_each_problem(loss):
    fold, bootstrap = CASES["both"]
    fit, *_ = batch(loss, fold=fold, bootstrap=bootstrap)
    coef = 0.2 * np.random.default_rng(3).normal(size=(fit.n_features, 1, len(fold)))
    intercept = np.zeros((1, len(fold)))
    whole = fit.value_and_grad(coef, intercept)
    keep = np.array([3, 1])
    part = fit.take(keep).value_and_grad(coef[..., keep], intercept[:, keep])
    np.testing.assert_array_equal(part.value, whole.value[keep])
    np.testing.assert_allclose(part.grad, whole.grad[..., keep], rtol=1e-12)
    again = fit.value_and_grad(coef[..., keep], intercept[:, keep], keep)
    np.testing.assert_array_equal(again.value, part.value)
    assert (fit.on_all_rows().null_value == fit.null_value[0]).all()


def test_a_column_that_is_constant_in_a_fold_gets_no_scale_there():
    X, y, w, _ = problem(loss=Squared(), offset=False)
    X[:, 2] = np.where(np.arange(len(X)) % 3 == 1, X[:, 2], 5.0)
    problems = Problems(np.ones(2), np.ones(2), np.zeros(2), np.array([-1, 1]))
    fit = Datafit(FakeDesign(X, y, w), Squared(), problems, folds=EveryThird(), standardize=True)
    assert fit.coordinates.inverse_scale[2, 1] == 0.0
    assert fit.metric_scale[2].tolist() == [1.0, 0.0]
    assert fit.null_grad[2, 0, 1] == 0.0
    assert not fit.grams()[1].G[2].any()


def test_a_fold_without_a_class_is_refused_by_name():
    X, y, w, _ = problem(loss=Logistic(), offset=False)
    y[:] = np.arange(len(y))[:, None] % 3 == 2
    problems = Problems(np.ones(2), np.ones(2), np.zeros(2), np.array([-1, 2]))
    fit = Datafit(FakeDesign(X, y, w), Logistic(), problems, folds=EveryThird())
    with pytest.raises(DataError, match=r"training rows of fold 2: no row of class 1.0"):
        fit.first()


@pytest.mark.parametrize("loss", [Squared(), Logistic(), LogLoss()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("gram", [False, True])
@pytest.mark.parametrize("borders", [(), (3, 20)])
def test_an_empty_test_set_is_refused_by_the_first_pass(loss, gram, borders):
    X, y, w, _ = problem(loss=Squared() if loss == Squared() else Logistic(), offset=False)
    w = np.where(np.arange(len(y)) % 3 == 1, 0.0, w)  # all rows of fold 1
    problems = Problems(np.ones(2), np.ones(2), np.zeros(2), np.array([-1, 2]))
    design = FakeDesign(X, y, w, borders=borders)
    fit = Datafit(design, loss, problems, folds=EveryThird())
    with pytest.raises(DataError, match="the test set of fold 1 of 3 has no row"):
        fit.metric() if gram else fit.first()
    assert design.n_passes == 1


def test_a_fold_that_nobody_described_is_refused():
    X, y, w, _ = problem(loss=Squared(), offset=False)
    problems = Problems(np.ones(1), np.ones(1), np.zeros(1), np.array([3]))
    with pytest.raises(ValueError, match="a problem has fold 3, but the datafit was given 3"):
        Datafit(FakeDesign(X, y, w), Squared(), problems, folds=EveryThird())
    with pytest.raises(ValueError, match="a problem has fold 3, but the datafit was given none"):
        Datafit(FakeDesign(X, y, w), Squared(), problems)
