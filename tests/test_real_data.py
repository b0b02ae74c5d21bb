"""Real files through their paths: the coefficients are scikit-learn's.

The files are not part of the project: DASKREG_SAMPLE_DATA names their folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.linear_model as reference
import xarray as xr

from daskreg.linear_model import Lasso, LogisticRegression

FOLDER = os.environ.get("DASKREG_SAMPLE_DATA")
pytestmark = pytest.mark.skipif(not FOLDER, reason="DASKREG_SAMPLE_DATA names no folder")
TIGHT = {"tol": 1e-14, "max_iter": 1_000_000}


def data(name):
    path = Path(FOLDER or "") / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def logistic_objective(X, y, coef, intercept, C):
    """scikit-learn's: sum of losses plus half the square over C."""
    eta = np.where(y, 1, -1) * (X @ coef + intercept)
    return np.logaddexp(0, -eta).sum() + coef @ coef / (2 * C)


def test_bikeshare_csv():
    path = data("bikeshare.csv.gz")
    columns = ["season", "day", "hr", "holiday", "weekday", "workingday", "temp", "hum"]
    model = Lasso(alpha=1.0).fit(str(path), "bikers", feature_names=columns)
    frame = pd.read_csv(path)
    exact = reference.Lasso(alpha=1.0, **TIGHT).fit(frame[columns], frame["bikers"])
    np.testing.assert_allclose(model.coef_, exact.coef_, rtol=1e-6, atol=1e-8)
    assert model.intercept_ == pytest.approx(exact.intercept_, rel=1e-8)
    assert model.n_passes_ == 1
    assert list(model.feature_names_in_) == columns


def test_spam_parquet():
    path = data("spam.parquet")
    frame = pd.read_parquet(path)
    X, y = frame.drop(columns="spam"), frame["spam"]
    scale = X.std(ddof=0)
    model = LogisticRegression(C=1.0, standardize=True, tol=1e-9, max_iter=20_000)
    model.fit(str(path), "spam")
    Z = ((X - X.mean()) / scale).to_numpy()
    exact = reference.LogisticRegression(
        C=1.0, solver="newton-cholesky", tol=1e-12, max_iter=1000
    ).fit(Z, y)
    assert list(model.classes_) == list(exact.classes_) == ["email", "spam"]
    np.testing.assert_allclose(model.coef_[0] * scale, exact.coef_[0], atol=2e-3)
    positive = (y == "spam").to_numpy()
    ours = logistic_objective(X.to_numpy(), positive, model.coef_[0], model.intercept_[0], np.inf)
    ours += np.square(model.coef_[0] * scale).sum() / 2
    best = logistic_objective(Z, positive, exact.coef_[0], exact.intercept_[0], 1.0)
    assert ours <= best * (1 + 1e-8)


def test_two_digits():
    digits = np.load(data("zip_digits.npz"))
    X, y = digits["X1000_train"] / 1000, digits["y_train"]
    two = (y == 3) | (y == 8)
    X, y = np.ascontiguousarray(X[two]), y[two]
    model = LogisticRegression(C=0.1, tol=1e-10, max_iter=20_000).fit(X, y)
    exact = reference.LogisticRegression(
        C=0.1, solver="newton-cholesky", tol=1e-12, max_iter=1000
    ).fit(X.astype(float), y)
    assert model.status_ == "converged"
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-4)
    assert (model.predict(X) == exact.predict(X)).all()


def test_one_cell_on_all_others_over_time():
    pytest.importorskip("netCDF4")
    with xr.open_dataset(data("A1B_north_america.nc")) as dataset:
        field = dataset["air_temperature"].load()
    cells = field.stack(cell=("latitude", "longitude"))
    y = cells[:, 900]
    X = cells.isel(cell=np.delete(np.arange(cells.sizes["cell"]), 900))
    model = Lasso(alpha=0.05, tol=1e-10).fit(X, y, sample_dim="time")
    exact = reference.Lasso(alpha=0.05, **TIGHT).fit(
        X.to_numpy().astype(float), y.to_numpy().astype(float)
    )
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-5)
    np.testing.assert_allclose(model.predict(X), exact.predict(X.to_numpy()), atol=1e-4)
    assert model.n_passes_ <= 2


def test_prostate_table_of_the_textbook():
    """Hastie, Tibshirani and Friedman (2009), table 3.3: least squares and lasso, 3 decimals."""
    frame = pd.read_csv(data("prostate.csv"))
    names = ["lcavol", "lweight", "age", "lbph", "svi", "lcp", "gleason", "pgg45"]
    X = (frame[names] - frame[names].mean()) / frame[names].std()
    X, y = X[frame["train"]], frame.loc[frame["train"], "lpsa"]
    least_squares = Lasso(alpha=0.0, tol=1e-12).fit(X, y)
    printed = [0.680, 0.263, -0.141, 0.210, 0.305, -0.288, -0.021, 0.267]
    np.testing.assert_allclose(least_squares.coef_, printed, atol=5.1e-4)
    assert least_squares.intercept_ == pytest.approx(2.465, abs=5.1e-4)
    lasso = Lasso(alpha=0.209, standardize=True, tol=1e-12).fit(X, y)
    printed = [0.533, 0.169, 0.0, 0.002, 0.094, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(lasso.coef_, printed, atol=6e-4)
    assert lasso.intercept_ == pytest.approx(2.468, abs=5.1e-4)
