"""The Gram matrix as a metric: for any loss, with all weights, in the pass of ``first()``."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.design.blocks import Block
from daskreg.losses import Logistic, Squared

from .common import LOSSES, datafit, problem

CLASS_WEIGHTS = [None, "balanced", {0: 0.5, 1: 3.0}]


def row_weights(y, w, class_weight):
    w = np.ones(len(y)) if w is None else w
    if class_weight == "balanced":
        class_weight = {c: w.sum() / (2 * w[y[:, 0] == c].sum()) for c in (0, 1)}
    if class_weight is not None:
        w = w * np.where(y[:, 0] == 1, class_weight[1], class_weight[0])
    return w / w.sum()


def solver_columns(X, s, fit_intercept, standardize):
    mean = s @ X
    sd = np.sqrt(s @ (X - mean) ** 2)
    return (X - mean * fit_intercept) / (sd if standardize else 1.0)


@pytest.mark.parametrize("class_weight", CLASS_WEIGHTS)
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_metric_of_a_classification(class_weight, weights, fit_intercept, standardize, kind):
    X, y, w, o = problem(loss=Logistic(), weights=weights, offset=False, shift=3.0)
    fit = datafit(
        kind(X), y, w, o, loss=Logistic(), borders=(1, 40, 90), class_weight=class_weight,
        fit_intercept=fit_intercept, standardize=standardize,
    )  # fmt: skip
    G = fit.metric()
    s = row_weights(y, w, class_weight)
    Z = solver_columns(X, s, fit_intercept, standardize)
    np.testing.assert_allclose(G, Z.T @ (s[:, None] * Z), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(np.diag(G), fit.second_moment, rtol=1e-10)
    np.testing.assert_allclose(fit.null_grad[:, 0, 0], fit.null_evaluation.grad[:, 0, 0])
    assert fit.n_passes == 1
    assert fit.take([0]).metric() is G


def test_the_pass_tells_what_first_tells():
    X, y, w, _ = problem(loss=Logistic(), offset=False)
    plain = datafit(X, y, w, None, loss=Logistic(), borders=(50,), class_weight="balanced")
    fit = datafit(X, y, w, None, loss=Logistic(), borders=(50,), class_weight="balanced")
    fit.metric()
    for name in ("mean", "sd", "target_mean", "null_value", "null_intercept", "class_sum"):
        expected = getattr(plain.first(), name)
        np.testing.assert_allclose(getattr(fit.first(), name), expected, rtol=1e-12)


def test_metric_of_a_squared_loss_is_its_gram():
    X, y, w, o = problem(loss=Squared())
    fit = datafit(X, y, w, o, loss=Squared())
    assert fit.metric() is fit.gram().G
    assert fit.n_passes == 1


def test_a_block_with_one_class_only():
    X, y, _, _ = problem(loss=Logistic(), offset=False, weights=False)
    order = np.argsort(y[:, 0], kind="stable")
    ordered = datafit(X[order], y[order], None, None, loss=Logistic(), borders=(20, 120))
    mixed = datafit(X, y, None, None, loss=Logistic())
    np.testing.assert_allclose(ordered.metric(), mixed.metric(), rtol=1e-10, atol=1e-12)


def test_wide_float32_is_multiplied_in_float32_whatever_the_tolerance():
    fit = datafit(
        np.zeros((400_000, 1), np.float32), np.zeros(400_000), None, None, loss=Logistic()
    )
    fit.design.n_features = 200
    assert fit._survey.kernel(gram=True, tol=1.0).gram_dtype == "float32"
    fit.design.dtype = np.dtype(np.float64)
    assert fit._survey.kernel(gram=True, tol=0.0).gram_dtype == "float32"
    fit.design.n_features = 20
    assert fit._survey.kernel(gram=True, tol=1.0).gram_dtype == "float64"


def test_footprint_of_two_grams():
    p, n = 150, 2000
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, p)), rng.integers(0, 2, (n, 1))
    kernel = MomentsKernel(by_label=True, columns=None, apart_by_label=True)
    block = Block(X, y, None, None, 0, 0)
    tracemalloc.start()
    partial = kernel(block, {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.9 * kernel.partial_nbytes(p, 1) <= partial.nbytes <= kernel.partial_nbytes(p, 1)
    assert peak <= kernel.partial_nbytes(p, 1) + kernel.temporaries(p, X.dtype)
    fit = datafit(X, y, None, None, loss=Logistic(), class_weight="balanced")
    assert fit.footprint(1, gram=True).partial == kernel.partial_nbytes(p, 1)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_mean_curvature_of_every_column(loss, class_weight):
    if loss == Squared() and class_weight:
        pytest.skip("classes have weights, numbers have none")
    X, y, w, o = problem(loss=loss)
    fit = datafit(X, y, w, o, loss=loss, borders=(60,), n_problems=3, class_weight=class_weight)
    rng = np.random.default_rng(1)
    coef, intercept = rng.standard_normal((6, 1, 3)), rng.standard_normal((1, 3))
    evaluation = fit.value_and_grad(coef, intercept)
    s = row_weights(y, w, class_weight)
    eta = solver_columns(X, s, True, False) @ coef[:, 0] + intercept + o
    np.testing.assert_allclose(evaluation.mean_curvature, s @ loss.curvature(y, eta), rtol=1e-10)
    null = fit.null_evaluation
    eta = fit.null_intercept + o * (loss == Logistic())
    np.testing.assert_allclose(null.mean_curvature, s @ loss.curvature(y, eta), rtol=1e-10)
    taken = evaluation.take([2, 0]).mean_curvature
    np.testing.assert_array_equal(taken, evaluation.mean_curvature[[2, 0]])
