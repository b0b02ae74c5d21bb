import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.datafit import Datafit
from daskreg.datafit.kernels.gradient import GradientKernel
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.datafit.kernels.tiles import compute_dtype, gram_tile_rows, moment_tile_rows, tile_rows
from daskreg.design.blocks import Block
from daskreg.exceptions import CompatibilityError, DataError
from daskreg.losses import Logistic, Squared
from daskreg.problems import Problems
from daskreg.splits import ShuffledFolds
from tests.fake_design import FakeDesign

from .common import LOSSES, datafit, dense, problem


def reference(X, w):
    X = np.asarray(X, dtype=np.float64)
    s = np.ones(len(X)) if w is None else w
    s = s / s.sum()
    m = s @ X
    return s, m, np.sqrt(s @ (X - m) ** 2)


@pytest.mark.parametrize("by_label", [True, False])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("borders", [(), (1, 2, 700, 2100)])
def test_moments_of_far_float32_columns(by_label, weights, borders):
    rng = np.random.default_rng(0)
    X = 1e4 + 1e-2 * rng.normal(size=(3000, 4)) + 5 * np.linspace(0, 1, 3000)[:, None] ** 9
    X = X.astype(np.float32)
    w = rng.integers(0, 3, 3000).astype(float) if weights else None
    y = rng.integers(0, 2, 3000)
    loss = Logistic() if by_label else Squared()
    first = datafit(X, y, w, None, loss=loss, borders=borders).first()
    _, mean, sd = reference(X, w)
    np.testing.assert_allclose(first.mean, mean, rtol=1e-14)
    np.testing.assert_allclose(first.sd, sd, rtol=1e-9)


@pytest.mark.parametrize("by_label", [True, False])
def test_moments_of_far_columns_that_are_stored_sparse(by_label):
    """A mean of a million standard deviations is shifted away, as in dense columns."""
    rng = np.random.default_rng(0)
    X = np.column_stack([1e4 + 1e-2 * rng.normal(size=(900, 3)), rng.random(900) < 0.1])
    X[17, 2] = 0.0  # an empty place: the column really varies there
    y = rng.integers(0, 2, 900)
    loss = Logistic() if by_label else Squared()
    first = datafit(sp.csr_array(X), y, None, None, loss=loss, borders=(300,)).first()
    _, mean, sd = reference(X, None)
    np.testing.assert_allclose(first.mean, mean, rtol=1e-14)
    np.testing.assert_allclose(first.sd, sd, rtol=1e-9)
    if not by_label:
        gram = datafit(sp.csr_array(X), y, None, None, loss=loss).gram()
        Z = (X - mean) / sd
        np.testing.assert_allclose(gram.G / np.outer(sd, sd), Z.T @ Z / 900, atol=1e-9)


@pytest.mark.parametrize("by_label", [True, False])
def test_columns_that_vary_in_rows_of_weight_zero_only_are_constant(by_label):
    rng = np.random.default_rng(0)
    X, w, y = rng.normal(size=(40, 3)), np.ones(40), np.arange(40) % 2
    w[10:] = 0.0
    X[:10, 1] = 0.1
    loss = Logistic() if by_label else Squared()
    first = datafit(X, y, w, None, loss=loss, standardize=True).first()
    assert first.sd[1] == 0.0
    assert first.inverse_scale[1] == 0.0


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("offset", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_null_model(loss, fit_intercept, weights, offset, kind):
    X, y, w, o = problem(loss=loss, weights=weights, offset=offset, shift=2.0)
    fit = datafit(
        kind(X), y, w, o, loss=loss, borders=(30, 31), fit_intercept=fit_intercept, standardize=True
    )
    coef = np.zeros((X.shape[1], 1, 1))
    value, grad, slope = dense(
        X, y, w, o, coef, fit.null_intercept, loss=loss, fit_intercept=fit_intercept,
        standardize=True,
    )  # fmt: skip
    assert fit.n_passes == 1
    np.testing.assert_allclose(fit.null_value, value, rtol=1e-12)
    if fit_intercept:
        assert abs(slope[0]) < 1e-12
    else:
        assert fit.null_intercept[0, 0] == 0.0
    np.testing.assert_allclose(fit.null_grad[:, 0], grad, atol=1e-12)
    extra = isinstance(loss, Logistic) and offset
    assert fit.n_passes == 1 + extra
    assert (fit.first().null_grad is None) == extra
    evaluation = fit.value_and_grad(coef, fit.null_intercept)
    np.testing.assert_allclose(evaluation.value, fit.null_evaluation.value, rtol=1e-12)
    np.testing.assert_allclose(evaluation.grad, fit.null_evaluation.grad, atol=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("borders", [(), (3, 50)])
def test_gram(fit_intercept, standardize, weights, kind, borders):
    X, y, w, o = problem(loss=Squared(), weights=weights, shift=5.0, targets=2)
    options = {"fit_intercept": fit_intercept, "standardize": standardize}
    fit = datafit(kind(X), y, w, o, loss=Squared(), borders=borders, output=[1, 0], **options)
    gram = fit.gram()
    assert fit.n_passes == 1
    s, m, sd = reference(X, w)
    Z = (X - m if fit_intercept else X) / (sd if standardize else 1.0)
    z = y - o
    z = z - s @ z if fit_intercept else z
    np.testing.assert_allclose(gram.G, Z.T @ (s[:, None] * Z), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(gram.c, Z.T @ (s[:, None] * z), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(gram.yy, s @ z**2, rtol=1e-12)
    np.testing.assert_allclose(fit.second_moment, s @ Z**2, rtol=1e-11)

    coef = np.random.default_rng(3).normal(size=(X.shape[1], 1, 2))
    exact = fit.value_and_grad(coef, fit.null_intercept[:, [0, 1]], [0, 1])
    c = gram.c[:, [1, 0]]
    product = gram.G @ coef[:, 0]
    square = gram.yy[[1, 0]] + (coef[:, 0] * (product - 2.0 * c)).sum(axis=0)
    np.testing.assert_allclose(0.5 * square, exact.value, rtol=1e-11)
    np.testing.assert_allclose(product - c, exact.grad[:, 0], atol=1e-10)

    free = datafit(X, y, w, o, loss=Squared(), borders=borders, **options).first(free=[4, 1])
    np.testing.assert_array_equal(free.free, [1, 4])
    np.testing.assert_allclose(free.free_gram, gram.G[:, [1, 4]], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", ["far", "correlated", "bool", "heavy-tailed", "repeated"])
def test_float32_gram_is_as_good_as_it_says(monkeypatch, kind):
    """Whatever the data: columns of few values round every product the same way."""
    monkeypatch.setattr("daskreg.datafit.survey.SMALL", 0.0)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 130))
    X = {
        "far": 1e3 + X,
        "correlated": 0.1 * X + X[:, :1],
        "bool": X > 1.0,
        "heavy-tailed": np.exp(2.0 * X),
        "repeated": np.tile(X[:500], (10, 1)),
    }[kind]
    X = X.astype(bool if kind == "bool" else np.float32)
    y = X[:, 0] - X[:, 0].mean() + rng.normal(size=5000)
    fit = datafit(X, y, None, None, loss=Squared(), borders=(100, 3000))
    gram = fit.gram()
    Z = X - X.mean(axis=0, dtype=np.float64)
    exact = Z.T @ Z / len(Z)
    root = np.sqrt(np.diag(exact))
    error = np.abs(gram.G - exact) / np.outer(root, root)
    assert 1e-16 < error.max() < gram.rounding < 3e-5
    np.testing.assert_allclose(gram.c[:, 0], Z.T @ (y - y.mean()) / len(Z), atol=1e-12)
    precise = datafit(X, y, None, None, loss=Squared(), tol=1e-10).gram()
    np.testing.assert_allclose(precise.G, exact, atol=1e-12)
    assert precise.rounding < 1e-15


def test_gram_is_for_squared_loss():
    X, y, w, o = problem(loss=Logistic())
    with pytest.raises(CompatibilityError, match="logistic"):
        datafit(X, y, w, o, loss=Logistic()).gram()


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes, indeed"]), np.array([False, True]), np.array([3, 7], dtype=np.int8),
        np.array([-1.0, 1.0]), np.array(["a", "b"], dtype=object),
    ],
    ids=lambda labels: str(labels.dtype),
)  # fmt: skip
@pytest.mark.parametrize("borders", [(), (1, 5, 100)])
def test_classes_of_any_kind_are_found(labels, borders):
    X, y, w, o = problem(loss=Logistic(), weights=False)
    order = np.argsort(y[:, 0], kind="stable")
    X, y, o = X[order], y[order, 0].astype(int), o[order]
    fit = datafit(X, labels[y], w, o, loss=Logistic(), borders=borders)
    first = fit.first()
    np.testing.assert_array_equal(first.classes, labels)
    assert first.classes.dtype.kind == labels.dtype.kind
    np.testing.assert_array_equal(first.class_count, np.bincount(y))
    coef, intercept = np.full((X.shape[1], 1, 1), 0.1), np.full((1, 1), 0.2)
    found = fit.value_and_grad(coef, intercept)
    value, grad, _ = dense(X, y, w, o, coef, intercept, loss=Logistic(), fit_intercept=True)
    np.testing.assert_allclose(found.value, value, rtol=1e-12)
    np.testing.assert_allclose(found.grad[:, 0], grad, atol=1e-13)


@pytest.mark.parametrize("class_weight", ["balanced", {"b": 3.0}])
def test_class_weight_is_a_factor_of_the_row_weights(class_weight):
    X, y, w, o = problem(loss=Logistic(), offset=False)
    codes = y[:, 0].astype(int)
    fit = datafit(
        X, np.array(["a", "b"])[codes], w, o, loss=Logistic(), borders=(40,),
        class_weight=class_weight,
    )  # fmt: skip
    sums = np.bincount(codes, w)
    factors = sums.sum() / (2 * sums) if class_weight == "balanced" else np.array([1.0, 3.0])
    same = datafit(X, y, w * factors[codes], o, loss=Logistic())
    first, other = fit.first(), same.first()
    np.testing.assert_allclose(first.class_sum, sums)
    np.testing.assert_allclose(first.total_weight, other.total_weight)
    np.testing.assert_allclose(first.mean, other.mean)
    np.testing.assert_allclose(first.null_grad, other.null_grad, atol=1e-14)
    point = np.full((X.shape[1], 1, 1), 0.1), np.full((1, 1), 0.2)
    np.testing.assert_allclose(
        fit.value_and_grad(*point).grad, same.value_and_grad(*point).grad, atol=1e-14
    )


def test_rows_of_weight_zero_are_as_good_as_absent():
    X, y, w, o = problem(loss=Logistic(), weights=False)
    y = np.where(np.arange(len(y)) < 9, 5, y[:, 0])
    w = np.where(np.arange(len(y)) < 9, 0.0, 1.0)
    first = datafit(X, y, w, o, loss=Logistic(), borders=(5, 20)).first()
    absent = datafit(X[9:], y[9:], None, o[9:], loss=Logistic()).first()
    np.testing.assert_array_equal(first.classes, [0, 1])
    np.testing.assert_allclose(first.mean, absent.mean, rtol=1e-12)
    np.testing.assert_allclose(first.null_value, absent.null_value, rtol=1e-12)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (lambda n: np.zeros(n), "one class only, 0.0"),
        (lambda n: np.arange(n) % 3, "classes 0, 1, 2, but the logistic loss"),
        (lambda n: np.array(["x", "y", "z"])[np.arange(n) // 60], "classes 'x', 'y', 'z', but"),
        (lambda n: np.linspace(0, 1, n), "continuous target.*regression loss"),
        (lambda n: np.array([None, "a"], dtype=object)[np.arange(n) % 2], "no order"),
        (lambda n: np.zeros((n, 2)), "one column of labels"),
    ],
)
@pytest.mark.parametrize("borders", [(), (60, 120)])
def test_unsuitable_labels(labels, message, borders):
    X, _, w, o = problem(loss=Logistic(), weights=False)
    with pytest.raises(DataError, match=message):
        datafit(X, labels(len(X)), w, o, loss=Logistic(), borders=borders).first()


def test_continuous_integers_are_refused():
    with pytest.raises(DataError, match="more than 1000 distinct"):
        datafit(np.zeros((1500, 2)), np.arange(1500), None, None, loss=Logistic()).first()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_some_row_must_have_a_weight(loss):
    X, y, w, o = problem(loss=loss)
    with pytest.raises(DataError, match="all sample weights are zero"):
        datafit(X, y, 0.0 * w, o, loss=loss, borders=(10,)).first()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize(("scale", "weight"), [(1e200, 1.0), (1e10, 1e300), (1.0, 1e-320)])
def test_squares_that_overflow_are_refused(loss, scale, weight):
    X, y, _, _ = problem(loss=loss)
    fit = datafit(scale * X, y, np.full(len(X), weight), None, loss=loss, borders=(50,))
    with pytest.raises(DataError, match="leave the range of float64"):
        fit.gram() if isinstance(loss, Squared) else fit.first()


@pytest.mark.parametrize("constant", [0.1, 1e8 + 0.1])
def test_a_constant_target_is_explained_by_the_intercept(constant):
    X, _, _, _ = problem(n=5000, loss=Squared())
    w = np.random.default_rng(0).random(5000)
    first = datafit(X, np.full(5000, constant), w, None, loss=Squared(), borders=(999,)).first()
    assert first.null_value == 0.0
    assert not first.null_grad.any()


def test_a_regression_needs_numbers():
    X, _, w, o = problem(loss=Squared())
    with pytest.raises(DataError, match="LogisticRegression"):
        datafit(X, np.array(["a", "b"])[np.arange(len(X)) % 2], w, o, loss=Squared()).first()


def test_given_classes_are_checked():
    X, y, w, o = problem(loss=Logistic())
    with pytest.raises(DataError, match="not among the classes"):
        datafit(X, y, w, o, loss=Logistic(), classes=[1, 2]).first()
    with pytest.raises(DataError, match="class_weight names 9"):
        datafit(X, y, w, o, loss=Logistic(), class_weight={9: 1.0}).first()


def test_tiles_are_fixed_by_columns_and_type():
    assert tile_rows(256, "float32") == 1024
    assert tile_rows(1, "int8") == 4096
    assert tile_rows(10**6, "float64") == 64
    assert tile_rows(100, "float64") % 16 == 0
    # The predictors of many columns are larger than the tile, and decide.
    assert tile_rows(64, "float64", n_columns=100) == 2048
    assert tile_rows(64, "float64", n_columns=1000) * 1000 <= 2**18
    assert tile_rows(64, "float64", n_columns=10**6) == 64
    assert tile_rows(10**5, "float64", sparse=True, n_columns=10**4) == 1024
    assert moment_tile_rows(256, "float32") == 256
    assert gram_tile_rows(256, "float32") == 4096
    assert compute_dtype("int8", 1e-6) == np.float32
    assert compute_dtype("float32", 1e-9) == np.float64
    assert compute_dtype("int32", 1e-3) == np.float64


def test_what_travels_is_small():
    for kernel in (MomentsKernel(True), GradientKernel(Logistic())):
        assert len(pickle.dumps(kernel)) < 1000
    X, y, w, o = problem(loss=Squared())
    partial = GradientKernel(Squared())(
        next(datafit(X, y, w, o, loss=Squared()).design.blocks()),
        {"coef": np.zeros((6, 3)), "intercept": np.zeros(3), "target": np.zeros(3, int)},
    )
    assert partial.nbytes <= GradientKernel(Squared()).partial_nbytes(6, 3)
    footprint = datafit(X, y, w, o, loss=Squared()).footprint(3, gram=True)
    assert min(footprint.partial, footprint.state, footprint.temporaries) > 0


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("gram", [False, True])
@pytest.mark.parametrize("folds", [None, ShuffledFolds(3)])
@pytest.mark.parametrize("sparse", [False, True])
def test_many_targets_are_in_what_the_first_pass_says(offset, gram, folds, sparse):
    n, p, q = 8000, 10, 300
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, p)), rng.normal(size=(n, q))
    X = sp.csr_array(X) if sparse else X
    problems = Problems.product(output=range(q), fold=-1 if folds is None else [-1, 0, 1, 2])
    design = FakeDesign(X, y, np.ones(n), np.ones((n, q)) if offset else None)
    fit = Datafit(design, Squared(), problems, folds=folds)
    kernel, block = fit._survey.kernel(gram=gram), next(design.blocks())
    tracemalloc.start()
    kernel(block, {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak > 8 * n * q  # one copy at least
    said = kernel.temporaries(p, X.dtype, sparse, q) + kernel.partial_nbytes(p, q)
    assert peak < said
    assert kernel.temporaries(p, X.dtype, sparse, q) <= fit.footprint(1, gram).temporaries


@pytest.mark.parametrize("p", [20, 300])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_kernels_need_no_more_memory_than_they_say(p, loss):
    X, y, w, _ = problem(n=20000, p=p, loss=loss, offset=False)
    fit = datafit(X.astype(np.float32), y, w, None, loss=loss)
    block = next(fit.design.blocks())
    labels = fit.first().labels
    kernels = [(fit._survey.kernel(gram=False), {}, ())]
    for C in (1, 20):
        state = {"coef": np.zeros((p, C)), "intercept": np.zeros(C), "target": np.zeros(C, int)}
        kernels.append((GradientKernel(loss, "float64", labels), state, (C,)))
    for kernel, state, columns in kernels:
        tracemalloc.start()
        kernel(block, state)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        said = kernel.temporaries(p, *columns, block.X.dtype) + kernel.partial_nbytes(
            p, *columns or (1,)
        )
        assert peak < said


@pytest.mark.parametrize("compiled", [False, True])
def test_rows_that_are_gathered_by_label_need_no_more_memory_than_said(compiled):
    rng = np.random.default_rng(0)
    block = Block(np.zeros((4000, 1000)), rng.integers(0, 2, (4000, 1)), None, None, 0, 0)
    kernel = MomentsKernel(True, (), apart_by_label=True, compiled=compiled)
    kernel(block, {})  # what is compiled and imported
    tracemalloc.start()
    kernel(block, {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = kernel.temporaries(1000, block.X.dtype) + kernel.partial_nbytes(1000, 1)
    assert peak < said
