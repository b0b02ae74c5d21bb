"""Several classes whose gradients are coupled: sums over blocks are the plain mathematics."""

import tracemalloc

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp

from daskreg.datafit import survey
from daskreg.datafit.kernels.gradient import GradientKernel, class_rows
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.exceptions import CompatibilityError, DataError
from daskreg.losses import Logistic, LogLoss, Multinomial
from daskreg.penalties import ElasticNet

from .coupled import datafit, dense, problem, row_weights

CLASS_WEIGHTS = [None, "balanced", {0: 0.5, 2: 3.0}]


def point(p, q, C, seed=1):
    rng = np.random.default_rng(seed)
    return 0.5 * rng.normal(size=(p, q, C)), 0.3 * rng.normal(size=(q, C))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("borders", [(), (1, 50, 51, 120)])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("class_weight", CLASS_WEIGHTS)
@pytest.mark.parametrize("C", [1, 3])
def test_blocks_add_up_to_dense(
    fit_intercept, standardize, weights, borders, kind, class_weight, C
):
    X, y, w = problem(weights=weights, shift=3.0)
    coef, intercept = point(5, 3, C)
    options = {"fit_intercept": fit_intercept, "standardize": standardize}
    fit = datafit(
        kind(X), y, w, borders=borders, n_problems=C, class_weight=class_weight, **options
    )
    assert fit.n_outputs == 3
    found = fit.value_and_grad(coef, intercept)
    assert fit.n_passes == 2
    w = row_weights(y, w, class_weight)
    value, grad, slope, hessian = dense(X, y, w, coef, intercept, **options)
    np.testing.assert_allclose(found.value, value, rtol=1e-12)
    np.testing.assert_allclose(found.grad, grad, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.intercept_grad, slope * fit_intercept, atol=1e-13)
    np.testing.assert_allclose(found.mean_curvature, hessian, rtol=1e-10, atol=1e-14)
    taken = found.take([C - 1])
    np.testing.assert_array_equal(taken.mean_curvature[..., 0], found.mean_curvature[..., C - 1])


@pytest.mark.parametrize("dtype", [np.float64, np.int8])
@pytest.mark.parametrize("C", [1, 40])
def test_several_tiles_of_a_block_add_up_to_dense(dtype, C):
    """Numbers of one sign get a shift as well: tiles are then copied."""
    X, y, w = problem(5_000, shift=100.0 if dtype == np.float64 else 0.0)
    X = (X * (30 if dtype == np.int8 else 1)).astype(dtype)
    coef, intercept = point(5, 3, C)
    coef /= X.std()
    assert class_rows(5, 3 * C, X.dtype) < len(X)
    found = datafit(X, y, w, n_problems=C).value_and_grad(coef, intercept, precise=True)
    value, grad, _, hessian = dense(X, y, w, coef, intercept)
    np.testing.assert_allclose(found.value, value, rtol=1e-11)
    np.testing.assert_allclose(found.grad, grad, rtol=1e-8, atol=1e-10 * X.std())
    np.testing.assert_allclose(found.mean_curvature, hessian, rtol=1e-9, atol=1e-13)


def test_gradient_is_a_finite_difference():
    X, y, w = problem(shift=2.0)
    coef, intercept = point(5, 3, 1)
    fit = datafit(X, y, w, standardize=True, class_weight="balanced")
    here, h = fit.value_and_grad(coef, intercept), 1e-5
    steps = h * np.eye(15).reshape(5, 3, 15)
    columns = np.zeros(30, dtype=int)
    many = np.concatenate([coef + steps, coef - steps], axis=2)
    values = fit.value_and_grad(many, np.repeat(intercept, 30, axis=1), columns).value
    slopes = ((values[:15] - values[15:]) / (2 * h)).reshape(5, 3)
    np.testing.assert_allclose(here.grad[..., 0], slopes, atol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("class_weight", CLASS_WEIGHTS)
def test_null_model(fit_intercept, class_weight):
    X, y, w = problem(shift=2.0)
    fit = datafit(
        X, y, w, borders=(30, 31), fit_intercept=fit_intercept, standardize=True,
        class_weight=class_weight,
    )  # fmt: skip
    coef = np.zeros((5, 3, 1))
    w = row_weights(y, w, class_weight)
    value, grad, slope, hessian = dense(
        X, y, w, coef, fit.null_intercept, fit_intercept=fit_intercept, standardize=True
    )
    assert fit.n_passes == 1
    np.testing.assert_allclose(fit.null_value, value, rtol=1e-12)
    np.testing.assert_allclose(fit.null_grad, grad, atol=1e-12)
    np.testing.assert_allclose(fit.null_evaluation.mean_curvature, hessian, atol=1e-13)
    assert fit.null_intercept.sum() == pytest.approx(0.0, abs=1e-14)
    if fit_intercept:
        assert np.abs(slope).max() < 1e-12
    else:
        assert not fit.null_intercept.any()
    passed = fit.value_and_grad(coef, fit.null_intercept)
    for alpha, ratio in ((0.05, 1.0), (0.3, 0.0), (0.01, 0.5)):
        penalty = ElasticNet([alpha], [ratio])
        known = fit.null_evaluation.dual(penalty, coef)
        np.testing.assert_allclose(known, passed.dual(penalty, coef), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("borders", [(), (1, 5, 100)])
@pytest.mark.parametrize(
    "names",
    [["low", "middle, or so", "top"], [3, 7, -9], [0.0, 2.0, 5.0]],
    ids=["text", "int", "float"],
)
@pytest.mark.parametrize("metric", [True, False])
def test_classes_of_any_kind_are_found(names, borders, metric):
    X, y, w = problem(names=sorted(names))
    order = np.argsort(y, kind="stable")
    fit = datafit(X[order], y[order], w[order], loss=LogLoss(), borders=borders)
    if metric:
        fit.metric()
    first = fit.first()
    assert fit.n_passes == 1
    np.testing.assert_array_equal(first.classes, sorted(names))
    assert fit.loss == Multinomial()
    codes = np.searchsorted(sorted(names), y)
    np.testing.assert_array_equal(first.class_count, np.bincount(codes[w > 0]))
    np.testing.assert_allclose(first.class_sum, np.bincount(codes, w))
    coef, intercept = point(5, 3, 1)
    value, grad, _, _ = dense(X, codes, w, coef, intercept)
    found = fit.value_and_grad(coef, intercept)
    np.testing.assert_allclose(found.value, value, rtol=1e-12)
    np.testing.assert_allclose(found.grad, grad, atol=1e-13)


def test_two_labels_are_logistic_where_both_would_do():
    X, y, w = problem(q=2)
    fit = datafit(X, y, w, loss=LogLoss())
    same = datafit(X, y, w, loss=Logistic())
    assert fit.n_outputs == 1
    assert fit.loss == Logistic()
    coef, intercept = point(5, 1, 1)
    np.testing.assert_array_equal(
        fit.value_and_grad(coef, intercept).grad, same.value_and_grad(coef, intercept).grad
    )
    assert fit.curvature == 0.25


def test_two_coupled_classes_are_a_logistic_problem():
    """With half the coefficients each, of opposite sign, the objective is that of two classes."""
    X, y, w = problem(q=2)
    coef, intercept = point(5, 1, 1)
    both = np.concatenate([-0.5 * coef, 0.5 * coef], axis=1)
    intercepts = np.concatenate([-0.5 * intercept, 0.5 * intercept])
    coupled = datafit(X, y, w).value_and_grad(both, intercepts)
    plain = datafit(X, y, w, loss=Logistic()).value_and_grad(coef, intercept)
    np.testing.assert_allclose(coupled.value, plain.value, rtol=1e-13)
    np.testing.assert_allclose(coupled.grad[:, 1], plain.grad[:, 0], atol=1e-15)
    np.testing.assert_allclose(coupled.mean_curvature[1, 1], plain.mean_curvature, rtol=1e-12)


@pytest.mark.parametrize("class_weight", CLASS_WEIGHTS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("borders", [(), (50, 70)])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_metric(class_weight, fit_intercept, borders, ordered, kind):
    X, y, w = problem(shift=2.0)
    order = np.argsort(y, kind="stable") if ordered else np.arange(len(y))
    X, y, w = X[order], y[order], w[order]
    fit = datafit(
        kind(X), y, w, loss=LogLoss(), borders=borders, fit_intercept=fit_intercept,
        class_weight=class_weight,
    )  # fmt: skip
    G = fit.metric()
    assert fit.n_passes == 1
    s = row_weights(y, w, class_weight)
    center = s @ X / s.sum() if fit_intercept else 0.0
    plain = w / w.sum()
    Z = X - center
    np.testing.assert_allclose(G, Z.T @ (plain[:, None] * Z), rtol=1e-9, atol=1e-12)
    again = datafit(X, y, w, class_weight=class_weight, fit_intercept=fit_intercept)
    np.testing.assert_allclose(fit.null_grad, again.null_grad, atol=1e-12)


def test_blocks_of_two_labels_keep_both_gram_matrices():
    X, y, w = problem(q=2)
    weight = {0: 1.0, 1: 9.0}
    fit = datafit(X, y, w, loss=LogLoss(), borders=(40,), class_weight=weight)
    s = row_weights(y, w, weight)
    s = s / s.sum()
    Z = X - s @ X
    np.testing.assert_allclose(fit.metric(), Z.T @ (s[:, None] * Z), rtol=1e-10, atol=1e-12)


def test_what_is_refused():
    X, y, w = problem()
    with pytest.raises(DataError, match="3 classes and an offset"):
        datafit(X, y, w, loss=LogLoss(), offset=np.ones(len(y))).first()
    with pytest.raises(DataError, match="logistic loss tells two apart"):
        datafit(X, y, w, loss=Logistic()).first()
    with pytest.raises(DataError, match="one class only"):
        datafit(X, np.zeros(len(y)), w, loss=LogLoss()).first()
    with pytest.raises(DataError, match="class_weight leaves class 2 without weight: every class"):
        datafit(X, y, w, class_weight={2: 0.0}).first()
    with pytest.raises(CompatibilityError, match="multinomial"):
        datafit(X, y, w).gram()


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_optimum_by_a_quasi_newton_method_of_its_own(l1_ratio):
    """The gradient leads scipy to a point where the bound meets the objective."""
    X, y, w = problem(q=4, shift=1.0)
    fit = datafit(X, y, w, standardize=True)
    penalty = ElasticNet([0.02], [l1_ratio])
    p, q = X.shape[1], 4
    size = p * q

    def objective(x):
        # L1 by halves: coefficients are a difference of numbers that are not negative.
        plus, minus, intercept = np.split(x, [size, 2 * size])
        coef = (plus - minus).reshape(p, q, 1)
        found = fit.value_and_grad(coef, intercept[:, None])
        grad = found.grad + penalty.l2 * coef
        value = found.value[0] + 0.5 * float((penalty.l2 * coef**2).sum())
        cost = np.broadcast_to(penalty.l1, (p, q, 1)).ravel()
        value += cost @ (plus + minus)
        slopes = [grad.ravel() + cost, cost - grad.ravel(), found.intercept_grad[:, 0]]
        return value, np.concatenate(slopes)

    bounds = [(0, None)] * (2 * size) + [(None, None)] * q
    options = {"maxiter": 3000, "ftol": 0.0, "gtol": 1e-10, "maxfun": 10**5}
    done = scipy.optimize.minimize(
        objective, np.zeros(2 * size + q), jac=True, method="L-BFGS-B", bounds=bounds,
        options=options,
    )  # fmt: skip
    plus, minus, intercept = np.split(done.x, [size, 2 * size])
    coef = (plus - minus).reshape(p, q, 1)
    bound = fit.value_and_grad(coef, intercept[:, None]).dual(penalty, coef)[0]
    assert -1e-12 <= done.fun - bound < 1e-7


def test_small_storage_types_and_far_columns():
    X, y, w = problem(q=3)
    X = (1e3 + X).astype(np.float32)
    coef, intercept = point(5, 3, 2)
    rough = datafit(X, y, w, n_problems=2, tol=1e-4).value_and_grad(coef, intercept)
    value, grad, _, _ = dense(X, y, w, coef, intercept)
    assert (rough.rounding > 0).all()
    np.testing.assert_allclose(rough.value, value, rtol=1e-5)
    np.testing.assert_allclose(rough.grad, grad, atol=1e-5)
    precise = datafit(X, y, w, n_problems=2).value_and_grad(coef, intercept, precise=True)
    np.testing.assert_allclose(precise.grad, grad, atol=1e-11)


def test_a_point_too_far_is_not_finite():
    X, y, w = problem()
    found = datafit(X, y, w).value_and_grad(np.full((5, 3, 1), 1e308), np.zeros((3, 1)))
    assert not np.isfinite(found.value).any()


@pytest.mark.parametrize("q", [3, 12, 20])
@pytest.mark.parametrize("C", [1, 10])
def test_kernels_need_no_more_memory_than_they_say(q, C):
    X, y, w = problem(n=20000, p=20, q=q)
    fit = datafit(X.astype(np.float32), y, w)
    block, labels = next(fit.design.blocks()), fit.first().labels
    zeros = {"target": np.zeros(C, int), "weighting": np.zeros(C, int)}
    state = {"coef": np.zeros((20, q * C)), "intercept": np.zeros(q * C), **zeros}
    if fit.tells_bends:
        state["bends"] = np.ones(1)
    kernel = GradientKernel(Multinomial(), "float64", labels)
    tracemalloc.start()
    partial = kernel(block, state)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = kernel.partial_nbytes(20, q * C, q)
    assert partial.nbytes <= said
    assert peak < said + kernel.temporaries(20, q * C, block.X.dtype)
    moments = MomentsKernel(True, None)
    tracemalloc.start()
    partial = moments(block, {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert partial["moments"].nbytes <= 1.05 * moments.partial_nbytes(20, 1, q)
    assert peak < moments.partial_nbytes(20, 1, q) + moments.temporaries(20, block.X.dtype)


def test_footprint_grows_with_the_classes_that_were_found():
    X, y, w = problem(q=6)
    fit = datafit(X, y, w, loss=LogLoss())
    before = fit.footprint(400)
    fit.first()
    after = fit.footprint(400)
    assert after.state == 6 * before.state
    assert after.temporaries >= before.temporaries  # those of the first pass are as large
    known = datafit(X, y, w, loss=LogLoss(), classes=range(6))
    assert known.footprint(400).state == after.state
    assert known.n_passes == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_bends_are_the_means_of_the_hessian_along_eta(weighted):
    X, y, w = problem(weights=weighted, shift=3.0)
    fit = datafit(X, y, w, borders=(40, 90), n_problems=2)
    assert fit.tells_bends
    rng = np.random.default_rng(5)
    coef, intercept = rng.normal(size=(5, 3, 2)), rng.normal(size=(3, 2))
    told = fit.value_and_grad(coef, intercept, bends=True)
    assert fit.value_and_grad(coef, intercept).bends is None
    s = row_weights(y, w)
    s = s / s.sum()
    Z = X - s @ X
    for k in range(2):
        eta = Z @ coef[..., k] + intercept[:, k]
        t = np.column_stack([eta, np.ones(len(y))])
        H = Multinomial().hessian(y, eta)
        means = np.einsum("i,ia,ib,icd->abcd", s, t, t, H)
        np.testing.assert_allclose(told.bends[..., k], means, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(told.bends[-1, -1], told.mean_curvature, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(told.take([1]).bends, told.bends[..., [1]])


@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e25])
def test_a_metric_is_rough_only_where_float32_holds_its_squares(scale, monkeypatch):
    monkeypatch.setattr(survey, "SMALL", 0.0)
    X, y, w = problem(p=4, q=3)
    fit = datafit(scale * X, y, w)
    metric = fit.metric() / scale**2
    assert fit.n_passes == (1 if scale == 1.0 else 2)
    expected = datafit(X, y, w).metric()
    np.testing.assert_allclose(metric, expected, rtol=1e-4 if scale == 1.0 else 1e-9, atol=1e-6)
