"""Held-out scores are those of their definitions on the rows of each fold, however rows are cut."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from daskreg.datafit.kernels.scores import ScoreKernel
from daskreg.datafit.kernels.tiles import Labels
from daskreg.datafit.scores import score_columns
from daskreg.design import as_design
from daskreg.exceptions import CompatibilityError, DataError
from daskreg.losses import Logistic, Squared
from daskreg.splits import ContiguousFolds, ExplicitFolds, RowKeys, ShuffledFolds, explicit_folds
from tests.fake_design import FakeDesign

N, P, K = 311, 5, 3
CLASSES = ("aye", "maybe", "nay")


def classes(*labels):
    """Return labels whose class weights, which must not count, are odd."""
    return Labels(labels, np.arange(2.0, 2.0 + len(labels))[:, None])


def data(q=1, C=7, seed=0, weights=True, offset=False, targets=1, scale=1.0):
    """Return random rows and columns, and the fold and target of each column."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, P)) + 1.0
    coef = scale * rng.normal(size=(P, q, C))
    intercept = rng.normal(size=(q, C)) - coef.sum(axis=0) * (scale > 1)
    return SimpleNamespace(
        X=X,
        y=X[:, :targets] + rng.normal(size=(N, targets)) + 3.0,
        codes=rng.choice(max(q, 2), N, p=None if q == 1 else [0.5, 0.3, 0.2]),
        w=rng.integers(0, 4, N).astype(float) if weights else None,
        offset=rng.normal(size=(N, 1)) if offset else None,
        coef=coef,
        intercept=intercept,
        fold=np.arange(C) % (K + 1) - 1,
        target=np.arange(C) % targets,
    )


def design(d, y, borders=()):
    return FakeDesign(d.X, y, d.w, d.offset, borders)


def each_column(d, folds):
    """Yield column, rows in its test set, their weights and eta (rows, q)."""
    held_out = folds.held_out(RowKeys(0, N))
    for c, fold in enumerate(d.fold):
        rows = np.arange(N) if fold < 0 else np.flatnonzero(held_out[:, fold])
        eta = d.X[rows] @ d.coef[:, :, c] + d.intercept[:, c]
        if d.offset is not None:
            eta = eta + d.offset[rows]
        yield c, rows, None if d.w is None else d.w[rows], eta


FOLDS = [ContiguousFolds(K, N), ShuffledFolds(K, seed=1)]
BORDERS = st.lists(st.integers(1, N - 1), max_size=5, unique=True).map(sorted)


@settings(deadline=None, max_examples=10)
@given(borders=BORDERS, folds=st.sampled_from(FOLDS), weights=st.booleans(), offset=st.booleans())
def test_scores_of_numbers(borders, folds, weights, offset):
    d = data(weights=weights, offset=offset, targets=2)
    names = ("mse", "mae", "r2", "loss", "deviance")
    found = score_columns(
        *(design(d, d.y, borders), Squared(), d.coef, d.intercept),
        metrics=names,
        folds=folds,
        fold=d.fold,
        target=d.target,
    )
    for c, rows, w, eta in each_column(d, folds):
        y, mu = d.y[rows, d.target[c]], eta[:, 0]
        mse = sk.mean_squared_error(y, mu, sample_weight=w)
        expected = {
            "mse": mse,
            "deviance": mse,
            "loss": 0.5 * mse,
            "mae": sk.mean_absolute_error(y, mu, sample_weight=w),
            "r2": sk.r2_score(y, mu, sample_weight=w),
        }
        for name in names:
            np.testing.assert_allclose(found[name][c], expected[name], rtol=1e-11)
        assert found.weight[c] == (len(rows) if w is None else w.sum())


@settings(deadline=None, max_examples=10)
@given(borders=BORDERS, folds=st.sampled_from(FOLDS), weights=st.booleans(), offset=st.booleans())
def test_scores_of_two_classes(borders, folds, weights, offset):
    d = data(weights=weights, offset=offset)
    y = np.array(["no", "yes"])[d.codes]
    names = ("log_loss", "accuracy", "auc", "deviance")
    found = score_columns(
        *(design(d, y, borders), Logistic(), d.coef, d.intercept),
        metrics=names,
        folds=folds,
        fold=d.fold,
        labels=classes("no", "yes"),
    )
    for c, rows, w, eta in each_column(d, folds):
        eta, codes = eta[:, 0], d.codes[rows]
        p = Logistic().inverse_link(eta)
        log_loss = sk.log_loss(codes, np.column_stack([1 - p, p]), sample_weight=w)
        np.testing.assert_allclose(found["log_loss"][c], log_loss, rtol=1e-10)
        np.testing.assert_allclose(found["deviance"][c], 2 * log_loss, rtol=1e-10)
        accuracy = sk.accuracy_score(codes, eta > 0, sample_weight=w)
        np.testing.assert_allclose(found["accuracy"][c], accuracy, rtol=1e-12)
        exact = sk.roc_auc_score(codes, eta, sample_weight=w)
        assert abs(found["auc"][c] - exact) <= found.auc_error[c] + 1e-13
        assert found.auc_error[c] < 5e-3


@settings(deadline=None, max_examples=8)
@given(borders=BORDERS, folds=st.sampled_from(FOLDS), weights=st.booleans(), offset=st.booleans())
def test_scores_of_many_classes(borders, folds, weights, offset):
    d = data(q=3, weights=weights, offset=offset)
    y = np.array(CLASSES, dtype=object)[d.codes]
    found = score_columns(
        *(design(d, y, borders), Logistic(), d.coef, d.intercept),
        metrics=("log_loss", "accuracy", "auc"),
        folds=folds,
        fold=d.fold,
        labels=classes(*CLASSES),
    )
    for c, rows, w, eta in each_column(d, folds):
        codes = d.codes[rows]
        p = np.exp(eta - eta.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        log_loss = -np.average(np.log(p[np.arange(len(rows)), codes]), weights=w)
        np.testing.assert_allclose(found["log_loss"][c], log_loss, rtol=1e-10)
        accuracy = sk.accuracy_score(codes, p.argmax(axis=1), sample_weight=w)
        np.testing.assert_allclose(found["accuracy"][c], accuracy, rtol=1e-12)
        exact = [sk.roc_auc_score(codes == k, p[:, k], sample_weight=w) for k in range(3)]
        assert abs(found["auc"][c] - np.mean(exact)) <= found.auc_error[c] + 1e-13
        assert found.auc_error[c] < 5e-3


@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_means_and_deviations_put_the_bins_where_the_scores_are(q, scale):
    d = data(q=q, scale=scale, weights=False)
    labels = classes(*CLASSES) if q == 3 else classes(0, 1)
    y = np.array(CLASSES)[d.codes] if q == 3 else d.codes
    found = score_columns(
        *(design(d, y), Logistic(), d.coef, d.intercept),
        metrics=["auc"],
        folds=FOLDS[0],
        fold=d.fold,
        labels=labels,
        mean=d.X.mean(axis=0),
        sd=d.X.std(axis=0),
    )
    for c, rows, _, eta in each_column(d, FOLDS[0]):
        others = [np.logaddexp.reduce(np.delete(eta, k, 1), axis=1) for k in range(q)]
        scores = eta if q == 1 else eta - np.column_stack(others)
        sides = [d.codes[rows] == (1 if q == 1 else k) for k in range(q)]
        exact = np.mean([sk.roc_auc_score(s, scores[:, k]) for k, s in enumerate(sides)])
        assert abs(found["auc"][c] - exact) <= found.auc_error[c] + 1e-13
        assert found.auc_error[c] < 5e-3


def test_ties_count_half():
    X = np.array([[0.0], [0.0], [1.0], [1.0], [1.0]])
    y = np.array([0, 1, 0, 1, 1])
    found = score_columns(
        *(FakeDesign(X, y), Logistic(), np.ones((1, 1, 1)), np.zeros((1, 1))),
        metrics=["auc"],
        labels=classes(0, 1),
    )
    np.testing.assert_allclose(found["auc"], sk.roc_auc_score(y, X[:, 0]), rtol=1e-14)


@pytest.mark.parametrize("kind", ["sparse", "float32", "shifted"])
def test_other_blocks_and_products(kind):
    d = data()
    plain = score_columns(
        *(design(d, d.y), Squared(), d.coef, d.intercept),
        metrics=["mse"],
        folds=FOLDS[1],
        fold=d.fold,
    )
    X = {"sparse": sp.csr_array(d.X), "float32": d.X.astype("f4"), "shifted": d.X}[kind]
    again = score_columns(
        *(FakeDesign(X, d.y, d.w, borders=[100]), Squared(), d.coef, d.intercept),
        metrics=["mse"],
        folds=FOLDS[1],
        fold=d.fold,
        dtype="float32" if kind == "float32" else "float64",
        shift=np.full(P, 0.9) if kind == "shifted" else None,
    )
    rtol = 1e-5 if kind == "float32" else 1e-11
    np.testing.assert_allclose(again["mse"], plain["mse"], rtol=rtol)


@pytest.mark.parametrize("folds", [ShuffledFolds(2), None])
def test_real_blocks_cost_one_pass(folds):
    d = data(C=4)
    fold = [0, 1, -1, 0] if folds else None
    options = {"metrics": ["mse", "r2"], "folds": folds, "fold": fold}
    with as_design(d.X, d.y[:, 0], d.w, block_size=4096) as real:
        found = score_columns(real, Squared(), d.coef, d.intercept, **options)
        assert real.n_passes == 1
    expected = score_columns(design(d, d.y), Squared(), d.coef, d.intercept, **options)
    np.testing.assert_allclose(found["r2"], expected["r2"], rtol=1e-11)


def test_sums_hold_what_is_announced():
    d = data(q=3)
    kernel = ScoreKernel(
        *(Logistic(), ("log_loss", "accuracy", "auc"), classes(*CLASSES), FOLDS[0]),
        n_outputs=3,
        n_bins=256,
    )
    C = len(d.fold)
    state = {
        "coef": d.coef.reshape(P, -1),
        "intercept": d.intercept.ravel(),
        "fold": d.fold,
        "target": np.zeros(C, int),
        "center": np.zeros((3, C)),
        "spread": np.ones((3, C)),
    }
    sums = kernel(next(design(d, np.array(CLASSES)[d.codes]).blocks()), state)
    assert sums.nbytes <= kernel.partial_nbytes(P, C)
    assert kernel.temporaries(P, C, np.dtype(float)) > 0


def test_scores_without_rows_or_class_are_nan():
    d = data(C=2, weights=False)
    codes = np.where(np.arange(N) < 120, 0, d.codes)
    d.w = (np.arange(N) < 200).astype(float)
    found = score_columns(
        *(design(d, codes), Logistic(), d.coef, d.intercept),
        metrics=["auc", "log_loss"],
        folds=ContiguousFolds(3, N),
        fold=[0, 2],
        labels=classes(0, 1),
    )
    assert np.isnan(found["auc"]).all()
    assert np.isfinite(found["log_loss"][0])
    assert np.isnan(found["log_loss"][1])
    assert found.weight[1] == 0.0


def test_a_linear_predictor_that_overflows_has_no_score():
    d = data(C=2)
    d.coef[:2, 0, 0] = [1e308, -1e308]
    d.X[:, :2] = 1e3
    found = score_columns(
        *(design(d, d.codes), Logistic(), d.coef, d.intercept),
        metrics=["auc", "accuracy"],
        labels=classes(0, 1),
    )
    assert np.isnan(found["accuracy"]).tolist() == [True, False]
    assert np.isnan(found["auc"]).tolist() == [True, False]


@pytest.mark.parametrize(("y", "exact"), [(np.full(N, 2.0), False), (np.zeros(N), True)])
def test_r2_of_a_constant_target(y, exact):
    d = data(C=1)
    coef = np.zeros_like(d.coef)
    found = score_columns(
        FakeDesign(d.X, y, borders=[50]), Squared(), coef, np.zeros((1, 1)), metrics=["r2"]
    )
    assert found["r2"][0] == (1.0 if exact else 0.0)


def test_r2_far_from_zero_keeps_its_digits():
    d = data(C=1, weights=False)
    y = d.y[:, 0] + 2.0**33
    coef, intercept = np.zeros_like(d.coef), np.full((1, 1), y.mean())
    coef[0] = 0.5
    found = score_columns(
        FakeDesign(d.X, y, borders=[50, 177]), Squared(), coef, intercept, metrics=["r2"]
    )
    mu = d.X @ coef[:, 0, 0] + intercept[0, 0]
    np.testing.assert_allclose(found["r2"][0], sk.r2_score(y, mu), rtol=1e-6)


def test_codes_of_explicit_folds_come_with_the_blocks():
    d = data(C=2)
    splits = [(np.arange(100, N), np.arange(100)), (np.arange(50), np.arange(200, N))]
    folds, codes = explicit_folds(splits, N)

    class Grouped(FakeDesign):
        def blocks(self):
            for block in super().blocks():
                fields = {name: getattr(block, name) for name in ("X", "y", "offset", "start")}
                groups = codes[block.start : block.start + block.n_rows]
                weight = block.sample_weight
                yield SimpleNamespace(
                    **fields, n_rows=block.n_rows, sample_weight=weight, groups=groups
                )

    found = score_columns(
        *(Grouped(d.X, d.y, d.w, borders=[70]), Squared(), d.coef, d.intercept),
        metrics=["mse"],
        folds=folds,
        fold=[0, 1],
    )
    assert isinstance(folds, ExplicitFolds)
    for c, (_, rows) in enumerate(splits):
        mu = d.X[rows] @ d.coef[:, 0, c] + d.intercept[0, c]
        expected = sk.mean_squared_error(d.y[rows, 0], mu, sample_weight=d.w[rows])
        np.testing.assert_allclose(found["mse"][c], expected, rtol=1e-12)


def test_what_goes_wrong_is_said():
    d = data(C=1)
    rows = design(d, np.array(CLASSES)[d.codes])
    with pytest.raises(DataError, match="'maybe', which the model was not fitted to"):
        score_columns(
            *(rows, Logistic(), d.coef, d.intercept),
            metrics=["accuracy"],
            labels=classes("aye", "nay"),
        )
    numbers = design(d, d.y)
    with pytest.raises(ValueError, match="unknown metric 'f1'"):
        score_columns(numbers, Squared(), d.coef, d.intercept, metrics=["f1"])
    with pytest.raises(ValueError, match="'auc' is no score of numbers"):
        score_columns(numbers, Squared(), d.coef, d.intercept, metrics=["auc"])
    with pytest.raises(ValueError, match="there are no folds"):
        score_columns(numbers, Squared(), d.coef, d.intercept, metrics=["mse"], fold=[0])
    with pytest.raises(ValueError, match="one value per column, 1"):
        score_columns(numbers, Squared(), d.coef, d.intercept, metrics=["mse"], fold=[-1, -1])

    class Other(Squared):
        pass

    assert score_columns(numbers, Other(), d.coef, d.intercept, metrics=["deviance"])
    unknown = SimpleNamespace(value=None)
    with pytest.raises(CompatibilityError, match="not twice its loss"):
        score_columns(numbers, unknown, d.coef, d.intercept, metrics=["deviance"])


def test_what_all_classes_share_does_not_widen_the_bins():
    d = data(q=3, C=2, weights=False)
    common = 1e4 * np.random.default_rng(5).normal(size=(P, 1, 1))
    options = {"labels": classes(*CLASSES), "mean": d.X.mean(axis=0), "sd": d.X.std(axis=0)}
    rows = design(d, np.array(CLASSES)[d.codes])
    plain, moved = (
        score_columns(rows, Logistic(), coef, d.intercept, metrics=["auc"], **options)
        for coef in (d.coef, d.coef + common)
    )
    assert np.all(np.abs(plain["auc"] - moved["auc"]) <= plain.auc_error + moved.auc_error)
    assert np.all(moved.auc_error < 5e-3)
