"""Random problems and their plain dense mathematics."""

import numpy as np
import scipy.sparse as sp

from daskreg.datafit import Datafit
from daskreg.losses import Logistic, Squared
from daskreg.problems import Problems
from tests.fake_design import FakeDesign


def problem(n=157, p=6, *, loss, weights=True, offset=True, shift=0.0, seed=0, targets=1):
    """Return X, y, sample_weight, offset."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + shift * rng.normal(size=p)
    eta = X[:, :2] @ rng.normal(size=(2, targets)) + 0.3
    if isinstance(loss, Logistic):
        y = (eta - eta.mean(axis=0) + 2 * rng.logistic(size=eta.shape) > 0.5).astype(float)
    else:
        y = eta + rng.normal(size=eta.shape)
    w = rng.integers(0, 4, n).astype(float) if weights else None
    o = 0.5 * rng.normal(size=(n, 1)) if offset else None
    return X, y, w, o


def datafit(X, y, w, o, *, loss, borders=(), n_problems=1, output=None, **options):
    output = np.zeros(n_problems, dtype=int) if output is None else np.asarray(output)
    design = FakeDesign(X, y, w, o, borders)
    n_problems = len(output)
    problems = Problems(np.ones(n_problems), np.ones(n_problems), output)
    return Datafit(design, loss, problems, **options)


def dense(X, y, w, o, coef, intercept, *, loss, fit_intercept, standardize=False):
    """Return value (C,), grad (p, C) and intercept slope (C,) in solver coordinates."""
    X = X.toarray() if sp.issparse(X) else np.asarray(X, dtype=float)
    s = np.ones(len(X)) if w is None else w
    s = s / s.sum()
    m = s @ X
    sd = np.sqrt(s @ (X - m) ** 2)
    Z = X - m if fit_intercept else X
    if standardize:
        Z = Z / np.where(sd > 0, sd, 1.0)
    eta = Z @ coef[:, 0] + intercept + (0.0 if o is None else o)
    y = y.reshape(len(X), -1)
    r = s[:, None] * loss.gradient(y, eta)
    return s @ loss.value(y, eta), Z.T @ r, r.sum(axis=0)


LOSSES = [Squared(), Logistic()]
