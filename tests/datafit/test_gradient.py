import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.losses import Logistic, Squared

from .common import LOSSES, datafit, dense, problem


def point(p, C, seed=1):
    rng = np.random.default_rng(seed)
    return 0.3 * rng.normal(size=(p, 1, C)), 0.2 * rng.normal(size=(1, C))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("extras", [True, False])
@pytest.mark.parametrize("borders", [(), (1, 50, 51, 120)])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_blocks_add_up_to_dense(loss, fit_intercept, standardize, extras, borders, kind):
    X, y, w, o = problem(loss=loss, weights=extras, offset=extras, shift=3.0)
    coef, intercept = point(X.shape[1], 3)
    intercept = intercept * fit_intercept
    fit = datafit(
        kind(X), y, w, o, loss=loss, borders=borders, n_problems=3,
        fit_intercept=fit_intercept, standardize=standardize,
    )  # fmt: skip
    fit.first()
    found = fit.value_and_grad(coef, intercept)
    assert fit.n_passes == 2
    value, grad, slope = dense(
        X, y, w, o, coef, intercept, loss=loss, fit_intercept=fit_intercept, standardize=standardize
    )
    np.testing.assert_allclose(found.value, value, rtol=1e-12)
    np.testing.assert_allclose(found.grad[:, 0], grad, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.intercept_grad[0], slope * fit_intercept, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_gradient_is_a_finite_difference(loss):
    X, y, w, o = problem(loss=loss, shift=2.0)
    p, h = X.shape[1], 1e-5
    coef, intercept = point(p, 1)
    fit = datafit(X, y, w, o, loss=loss, n_problems=1, standardize=True)
    here = fit.value_and_grad(coef, intercept)
    steps = np.concatenate([h * np.eye(p), -h * np.eye(p), np.zeros((p, 2))], axis=1)[:, None]
    moved = intercept + np.r_[np.zeros(2 * p), h, -h]
    values = fit.value_and_grad(coef + steps, moved, np.zeros(2 * p + 2, dtype=int)).value
    slopes = (values[:p] - values[p : 2 * p]) / (2 * h)
    np.testing.assert_allclose(here.grad[:, 0, 0], slopes, atol=1e-8)
    slope = (values[-2] - values[-1]) / (2 * h)
    np.testing.assert_allclose(here.intercept_grad[0, 0], slope, atol=1e-8)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint16", "bool", "float16", "bfloat16", "float32", "int64"]
)
@pytest.mark.parametrize("tol", [1e-6, 1e-9])
def test_storage_types(dtype, tol):
    X, y, w, o = problem(loss=Squared(), shift=1.0)
    X = (abs(X) * 3).astype(dtype)
    coef, intercept = point(X.shape[1], 2)
    fit = datafit(X, y, w, o, loss=Squared(), n_problems=2, tol=tol)
    found = fit.value_and_grad(coef, intercept)
    value, grad, _ = dense(X, y, w, o, coef, intercept, loss=Squared(), fit_intercept=True)
    rtol = 1e-6 if tol == 1e-6 else 1e-12
    np.testing.assert_allclose(found.value, value, rtol=rtol)
    np.testing.assert_allclose(found.grad[:, 0], grad, atol=5 * rtol)
    precise = fit.value_and_grad(coef, intercept, precise=True)
    np.testing.assert_allclose(precise.value, value, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [3, 40, 300])
def test_company_changes_a_column_by_rounding_only(loss, dtype, p):
    X, y, w, o = problem(n=700, p=p, loss=loss)
    coef, intercept = point(p, 11)
    fit = datafit(X.astype(dtype), y, w, o, loss=loss, n_problems=11, borders=(333,))
    everyone = fit.value_and_grad(coef, intercept)
    rtol = 1e-6 if dtype == "float32" else 1e-13
    for columns in ([4], [10, 0], [1, 2, 3], range(8)):
        columns = np.array(columns)
        found = fit.value_and_grad(coef[..., columns], intercept[:, columns], columns)
        expected = everyone.take(columns)
        np.testing.assert_allclose(found.value, expected.value, rtol=rtol)
        np.testing.assert_allclose(found.grad, expected.grad, atol=10 * rtol)


def test_far_columns_keep_their_digits():
    rng = np.random.default_rng(0)
    X = (1e4 + rng.normal(size=(4000, 5))).astype(np.float32)
    y = (X[:, :1] - 1e4) @ np.ones((1, 1)) + rng.normal(size=(4000, 1))
    coef, intercept = point(5, 2)
    for loss, y_ in ((Squared(), y), (Logistic(), (y > 0).astype(int))):
        fit = datafit(X, y_, None, None, loss=loss, n_problems=2)
        found = fit.value_and_grad(coef, intercept)
        value, grad, _ = dense(X, y_, None, None, coef, intercept, loss=loss, fit_intercept=True)
        np.testing.assert_allclose(found.value, value, rtol=1e-6)
        np.testing.assert_allclose(found.grad[:, 0], grad, atol=1e-5)


def test_several_targets_are_several_problems():
    X, y, w, o = problem(loss=Squared(), targets=3)
    output = np.array([2, 0, 1, 2])
    coef, intercept = point(X.shape[1], 4)
    fit = datafit(X, y, w, o, loss=Squared(), output=output)
    found = fit.value_and_grad(coef, intercept)
    for k, target in enumerate(output):
        value, grad, _ = dense(
            X, y[:, target], w, o, coef[..., [k]], intercept[:, [k]],
            loss=Squared(), fit_intercept=True,
        )  # fmt: skip
        np.testing.assert_allclose(found.value[k], value[0], rtol=1e-12)
        np.testing.assert_allclose(found.grad[:, 0, k], grad[:, 0], atol=1e-13)
    np.testing.assert_allclose(fit.take([1]).null_value, fit.null_value[[1]])


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_coordinates_go_there_and_back(standardize, fit_intercept):
    X, y, w, o = problem(loss=Squared(), shift=4.0)
    coef, intercept = point(X.shape[1], 3)
    intercept = intercept * fit_intercept
    fit = datafit(X, y, w, o, loss=Squared(), standardize=standardize, fit_intercept=fit_intercept)
    original = fit.to_original(coef, intercept)
    s = w / w.sum()
    eta = X @ original[0][:, 0] + original[1] + o
    value = fit.value_and_grad(coef, intercept, [0, 0, 0]).value
    np.testing.assert_allclose(s @ Squared().value(y, eta), value, rtol=1e-12)
    back = fit.to_solver(*original)
    np.testing.assert_allclose(back[0], coef, rtol=1e-12)
    np.testing.assert_allclose(back[1], intercept, atol=1e-12)


@pytest.mark.parametrize("constant", [0.1, 1e5, 0.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_a_constant_column_has_no_gradient(constant, dtype, kind):
    X, y, w, o = problem(loss=Squared())
    X = X.astype(dtype)
    X[:, 2] = constant
    fit = datafit(kind(X), y, w, o, loss=Squared(), borders=(60,), standardize=True)
    assert fit.first().sd[2] == 0.0
    assert fit.null_grad[2, 0, 0] == 0.0
    assert fit.value_and_grad(*point(X.shape[1], 1)).grad[2, 0, 0] == 0.0
    assert not fit.gram().G[2].any()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_step_too_far_is_not_finite_and_does_not_warn(loss):
    X, y, w, o = problem(loss=loss)
    fit = datafit(X.astype(np.float32), y, w, o, loss=loss)
    found = fit.value_and_grad(np.full((X.shape[1], 1, 1), 1e308), np.zeros((1, 1)))
    assert not np.isfinite(found.value).any() or not np.isfinite(found.grad).all()
