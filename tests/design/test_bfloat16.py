"""X of bfloat16 is a storage type as float16 is: half the bytes of float32, and the same sums."""

import io

import dask.array as da
import ml_dtypes
import numpy as np
import pytest
import xarray as xr

from daskreg import load
from daskreg.exceptions import DataError
from daskreg.linear_model import Lasso, LassoCV, LogisticRegression

N = 3000


def data(p=5):
    """Return X of eighths, which float16, bfloat16 and float32 hold exactly, and y."""
    rng = np.random.default_rng(0)
    X = rng.integers(-100, 101, (N, p)) / 8.0
    return X, X @ np.arange(1.0, p + 1.0) + rng.normal(size=N)


WRAPS = [
    np.asarray,
    lambda X: da.from_array(X, chunks=(700, -1)),
    lambda X: da.from_array(X, chunks=(700, -1)) * 1,
    lambda X: xr.DataArray(X, dims=("row", "column")),
]


@pytest.mark.parametrize("wrap", WRAPS, ids=["numpy", "dask", "computed", "xarray"])
@pytest.mark.parametrize("solver", ["gram", "fista"])
@pytest.mark.parametrize("standardize", [False, True])
def test_the_model_is_that_of_float16_to_the_bit(wrap, solver, standardize):
    X, y = data()
    settings = {"alpha": 0.5, "solver": solver, "standardize": standardize, "block_size": 1 << 13}
    model, half, single = (Lasso(**settings) for _ in range(3))
    model.fit(wrap(X.astype("bfloat16")), y)
    half.fit(wrap(X.astype("float16")), y)
    single.fit(X.astype("float32"), y)
    np.testing.assert_array_equal(np.ravel(model.coef_), np.ravel(half.coef_))
    np.testing.assert_allclose(np.ravel(model.coef_), single.coef_, rtol=1e-5)
    assert model.fit_report_.bytes == half.fit_report_.bytes


def test_numbers_are_rounded_once_when_they_are_stored():
    X, y = data()
    X = (X / 3.0).astype("bfloat16")
    labels = y > 0
    found = LogisticRegression(l1_ratio=1, tol=1e-8).fit(X, labels)
    expected = LogisticRegression(l1_ratio=1, tol=1e-8).fit(X.astype("float64"), labels)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-5)
    scores = found.decision_function(X)
    np.testing.assert_allclose(scores, found.decision_function(X.astype("float64")), rtol=1e-12)


@pytest.mark.parametrize("wrap", WRAPS[:3:2], ids=["numpy", "computed"])
def test_workers_receive_it(client, wrap, monkeypatch):
    monkeypatch.setattr("daskreg.design.dealing.SMALL", 0)
    X, y = data()
    settings = {"solver": "fista", "alpha": 0.5, "block_size": 1 << 13}
    expected = Lasso(**settings).fit(X.astype("bfloat16"), y)
    found = Lasso(**settings).fit(wrap(X.astype("bfloat16")), y)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-10)


def test_folds_have_the_errors_of_float16():
    X, y = data()
    found, expected = (LassoCV(cv=3).fit(X.astype(t), y) for t in ("bfloat16", "float16"))
    np.testing.assert_array_equal(found.mse_path_, expected.mse_path_)


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_what_is_not_finite_is_found(value, what):
    X, y = data()
    X = X.astype("bfloat16")
    X[17, 2] = value
    with pytest.raises(DataError, match=f"X contains {what}: row 17, column 2"):
        Lasso().fit(X, y)


def test_numbers_whose_sum_is_too_large_are_finite():
    X, y = data()
    X = X.astype("bfloat16")
    X[:, 0] = 3e38
    assert Lasso().fit(X, y).coef_[0] == 0.0


def test_targets_may_be_so_stored_too():
    X, y = data()
    found = Lasso(alpha=0.5).fit(X, y.astype("bfloat16"))
    expected = Lasso(alpha=0.5).fit(X, y.astype("bfloat16").astype("float64"))
    np.testing.assert_array_equal(found.coef_, expected.coef_)


def test_bytes_that_do_not_say_what_they_are_are_refused_with_what_to_do():
    X, y = data()
    file = io.BytesIO()
    np.save(file, X.astype("bfloat16"))
    file.seek(0)
    X = np.load(file)
    with pytest.raises(DataError, match=r"import ml_dtypes and pass \.view\('bfloat16'\)"):
        Lasso().fit(X, y)
    Lasso().fit(X.view("bfloat16"), y)


def test_labels_weights_and_groups_are_float32_from_the_start(tmp_path):
    X, y = data()
    labels = (y > 0).astype("bfloat16")
    found = LogisticRegression(l1_ratio=1).fit(X, labels, sample_weight=np.ones(len(X), "bfloat16"))
    again = load(found.save(tmp_path / "model.zarr.zip"))
    np.testing.assert_array_equal(again.predict(X), found.predict(X))
    assert found.score(X, labels) == found.score(X, labels.astype("float32"))
    with pytest.raises(ValueError, match="continuous"):
        LogisticRegression().fit(X, y.astype("bfloat16"))


@pytest.mark.parametrize("wrap", WRAPS[:2], ids=["numpy", "dask"])
@pytest.mark.parametrize(
    ("dtype", "advice"),
    [("V2", "bfloat16"), ("V4", "float32"), ("float8_e4m3fn", "float32"), ("int4", "float32")],
)
def test_other_types_that_numpy_does_not_know_are_refused(wrap, dtype, advice):
    X, y = data()
    kind = getattr(ml_dtypes, dtype, dtype)
    held = X.astype(kind) if kind is not dtype else np.zeros(X.shape, dtype)
    with pytest.raises(DataError, match=f"X has type .*{advice}"):
        Lasso().fit(wrap(held), y)


def test_columns_whose_types_nothing_holds_are_named():
    X, y = data()
    frame = xr.Dataset(
        {"a": ("row", X[:, 0].astype("bfloat16")), "b": ("row", X[:, 1].astype("f2"))}
    )
    with pytest.raises(DataError, match=r"no type holds .* 'a' \(bfloat16\)"):
        Lasso().fit(frame, y)
