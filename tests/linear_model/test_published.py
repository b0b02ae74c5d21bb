"""Numbers that glmnet has printed and others have published, against ours.

glmnet minimises ``sum_i loss_i / n + lambda (alpha |b|_1 + (1 - alpha) / 2 |b|_2^2)`` with half
squares for family "gaussian" and the negative log-likelihood for "binomial", of columns divided by
their population standard deviation, and gives the coefficients of the columns as they were.  That
is our objective with ``standardize``: its lambda is our alpha, its alpha our l1_ratio, and
``C = 1 / (n lambda)``.  Two things differ.  It stops early, at some 1e-3 of the coefficients (its
``thresh`` of 1e-7 is a share of the null deviance); and with squared losses it divides y by its
standard deviation before it applies both halves of the penalty, which leaves L1 as it is and makes
``lambda / sd(y)`` of a ridge penalty our alpha.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import PredefinedSplit

from daskreg.linear_model import (
    ElasticNet,
    LassoCV,
    LogisticRegressionCV,
    Ridge,
    lasso_path,
    logistic_path,
)

# R's glmnet on ten rows, as the tests of its Julia interface record it (JuliaStats/GLMNet.jl).
X = np.array([
    [74, 1, 93, 93, 79, 18], [98, 36, 2, 27, 65, 70], [61, 8, 99, 53, 77, 92],
    [47, 51, 67, 84, 87, 80], [81, 32, 9, 18, 32, 10], [78, 67, 92, 98, 4, 65],
    [67, 94, 30, 20, 85, 73], [51, 100, 75, 76, 86, 18], [93, 71, 76, 64, 70, 91],
    [30, 5, 13, 89, 19, 2],
], dtype=float)  # fmt: skip
Y = np.array([9, 67, 91, 80, 2, 61, 70, 13, 83, 21], dtype=float)
LABEL = Y >= 50
FOLDS = PredefinedSplit([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
#: Places on the paths whose coefficients were recorded.
PLACES = [10, 45, 53]

GAUSSIAN = {
    "largest": 31.8289169496,
    "intercept": [20.090965068475, 21.3405100552143, 20.5818972051069],
    "coef": [
        [0, 0, 0, 0, 0, 0.5705016364455693],
        [-0.26106259863474601, -0.03329369198952250, -0.08096633358970667,
         0.02497015329885828, -0.05815325804765525, 1.04279276932443676],
        [-0.26999306570454373, -0.04052553140335470, -0.11301841848092280,
         0.05893642256095720, -0.05965937657889149, 1.07097251257554626],
    ],
    "explained": [0.8014516657, 0.9921544907, 0.9945601976],
    "held_out": {0: 1196.1831818915, 10: 256.744852390135, 20: 126.738062011939},
}  # fmt: skip
BINOMIAL = {
    "largest": 0.472385796995596,
    "intercept": [-1.58754120288427, -6.80046165536594, -7.99932508790125],
    "coef": [
        [0, 0, 0, 0, 0, 0.04118567893498771],
        [0, 0, 0, 0, 0, 0.1609132092629401],
        [0, 0, 0, 0, -0.0001247956998235217, 0.1892922463930407362],
    ],
    "explained": [0.656354669001616, 0.986031476908355, 0.993264376639891],
    "held_out": {0: 1.49234494227531, 10: 0.506975881877881, 20: 0.205531611970948},
}

# R's glmnet 4 on the 67 training rows of the prostate cancer data, lambda = 0.5, 0.45, ..., as
# several published course notes print them: lasso, and ridge (alpha = 0).
NAMES = ["lcavol", "lweight", "age", "lbph", "lcp", "pgg45", "svi", "gleason"]
LASSO = {
    0.5: [0.307213, 0, 0, 0, 0, 0, 0, 0],
    0.45: [0.346981164, 0.006726359, 0, 0, 0, 0, 0, 0],
    0.35: [0.40661989, 0.16927550, 0, 0, 0, 0, 0.01374087, 0],
    0.2: [0.4531378315, 0.4028215821, 0, 0.0074401788, 0, 0.0001619021, 0.2421679543, 0],
    0.1: [0.462682908, 0.483362696, 0, 0.072288184, 0, 0.002245716, 0.410238393, 0],
    0.05: [0.470297655, 0.532139151, -0.002937146, 0.107605366, 0, 0.003460825, 0.489889125, 0],
}
RIDGE = {
    0.5: [0.330033285, 0.515702133, -0.004889214, 0.111247895,
          0.015113718, 0.004390006, 0.541703554, 0.063402681],
    0.25: [0.404130918, 0.567063929, -0.009618197, 0.126206606,
           -0.036651184, 0.005338760, 0.610203738, 0.047604314],
    0.05: [0.523682897, 0.607672220, -0.016464993, 0.140983846,
           -0.148533504, 0.007867088, 0.701932250, 0.002465277],
}  # fmt: skip


def square_loss(coef):
    """Half the mean square of each column of coef (p, K), with the best intercepts."""
    residual = Y[:, None] - X @ coef
    return 0.5 * residual.var(axis=0)


def log_loss(coef, intercept):
    eta = X @ coef + intercept
    return np.logaddexp(0.0, np.where(LABEL[:, None], -eta, eta)).mean(axis=0)


def l1(coef, alphas):
    """The penalty of standardised columns."""
    return alphas * (X.std(axis=0)[:, None] * np.abs(coef)).sum(axis=0)


def test_lasso_path():
    alphas, coef, _ = lasso_path(
        X, Y, eps=1e-4, alphas=100, fit_intercept=True, standardize=True, tol=1e-12
    )
    assert alphas[0] == pytest.approx(GAUSSIAN["largest"], rel=1e-9)
    alphas, coef, published = alphas[PLACES], coef[:, PLACES], np.transpose(GAUSSIAN["coef"])
    np.testing.assert_allclose(coef, published, rtol=2e-3, atol=6e-4)
    intercept = Y.mean() - X.mean(axis=0) @ coef
    np.testing.assert_allclose(intercept, GAUSSIAN["intercept"], rtol=3e-3)
    losses = square_loss(coef)
    explained = 1.0 - 2.0 * losses / Y.var()
    np.testing.assert_allclose(explained, GAUSSIAN["explained"], atol=5e-5)
    # Nobody is below a minimum, and glmnet is near it: as near as its ``thresh`` says.
    above = square_loss(published) + l1(published, alphas) - losses - l1(coef, alphas)
    assert (above >= -1e-12 * Y.var()).all()
    assert (above <= 1e-7 * Y.var()).all()


def test_lasso_cross_validation():
    grid = GAUSSIAN["largest"] * np.geomspace(1.0, 1e-4, 100)
    model = LassoCV(
        alphas=grid[list(GAUSSIAN["held_out"])], cv=FOLDS, standardize=True, tol=1e-12
    ).fit(X, Y)
    # glmnet weights the folds by their rows.
    mean = model.mse_path_ @ [0.4, 0.3, 0.3]
    np.testing.assert_allclose(mean, list(GAUSSIAN["held_out"].values()), rtol=1e-3)


def test_logistic_path():
    alphas = (BINOMIAL["largest"] * np.geomspace(1.0, 1e-4, 100))[[0, *PLACES]]
    strengths = 1.0 / (len(X) * alphas * [1.0 + 1e-9, 1.0, 1.0, 1.0])
    _, coef, intercept, _ = logistic_path(
        X, LABEL, Cs=strengths, l1_ratio=1.0, standardize=True, tol=1e-12
    )
    assert (coef[0] == 0.0).all()  # at the largest lambda
    coef, intercept, published = coef[1:, 0].T, intercept[1:, 0], np.transpose(BINOMIAL["coef"])
    np.testing.assert_allclose(coef, published, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(intercept, BINOMIAL["intercept"], rtol=1e-3)
    null = -(0.6 * np.log(0.6) + 0.4 * np.log(0.4))
    losses = log_loss(coef, intercept)
    np.testing.assert_allclose(1.0 - losses / null, BINOMIAL["explained"], atol=1e-5)
    theirs = log_loss(published, np.array(BINOMIAL["intercept"])) + l1(published, alphas[1:])
    above = theirs - losses - l1(coef, alphas[1:])
    assert (above >= -1e-12).all()
    assert (above <= 1e-7).all()


def test_logistic_cross_validation():
    grid = BINOMIAL["largest"] * np.geomspace(1.0, 1e-4, 100)
    alphas = grid[list(BINOMIAL["held_out"])]
    found = []
    for fold, n_train in enumerate([6, 7, 7]):
        model = LogisticRegressionCV(
            Cs=1.0 / (n_train * alphas), l1_ratios=[1.0], cv=FOLDS, standardize=True, tol=1e-12
        )
        scores = model.fit(X, LABEL).scores_
        found.append(np.asarray(scores[True] if isinstance(scores, dict) else scores)[fold, 0])
    deviance = -2.0 * np.array(found).T @ [0.4, 0.3, 0.3]
    np.testing.assert_allclose(deviance, list(BINOMIAL["held_out"].values()), rtol=1e-3)


@pytest.fixture
def prostate():
    """The training rows, as the sample data have them."""
    path = Path(os.environ.get("DASKREG_SAMPLE_DATA", "")) / "prostate.csv"
    if not path.exists():
        pytest.skip("DASKREG_SAMPLE_DATA names no folder with prostate.csv")
    frame = pd.read_csv(path)
    return frame[frame["train"]]


def test_lasso_of_the_prostate_data(prostate):
    alphas = np.array(list(LASSO))
    x, y = prostate[NAMES].to_numpy(float), prostate["lpsa"].to_numpy()
    _, coef, _ = lasso_path(x, y, alphas=alphas, fit_intercept=True, standardize=True, tol=1e-12)
    np.testing.assert_allclose(coef.T, list(LASSO.values()), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("alpha", RIDGE)
def test_ridge_of_the_prostate_data(prostate, alpha):
    x, y = prostate[NAMES].to_numpy(float), prostate["lpsa"].to_numpy()
    model = ElasticNet(alpha=alpha / y.std(), l1_ratio=0.0, standardize=True, tol=1e-12).fit(x, y)
    np.testing.assert_allclose(model.coef_, RIDGE[alpha], rtol=2e-3, atol=3e-4)
    same = Ridge(alpha=len(y) * alpha / y.std(), standardize=True, tol=1e-12).fit(x, y)
    np.testing.assert_allclose(same.coef_, model.coef_, rtol=1e-8)
