"""Random problems of several classes and their plain dense mathematics."""

import numpy as np

from daskreg.datafit import Datafit
from daskreg.losses import Multinomial
from daskreg.problems import Problems
from tests.fake_design import FakeDesign

LOSS = Multinomial()


def problem(n=150, p=5, q=3, *, weights=True, shift=0.0, seed=0, names=None):
    """Return X, labels and sample_weight."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + shift * rng.normal(size=p)
    eta = X @ rng.normal(size=(p, q))
    y = (eta - eta.mean(axis=0) + 2 * rng.gumbel(size=eta.shape)).argmax(axis=1)
    y[:q] = np.arange(q)
    w = rng.integers(0, 4, n).astype(float) if weights else None
    if weights:
        w[:q] = 1.0
    return X, y if names is None else np.array(names)[y], w


def datafit(X, y, w, *, loss=LOSS, borders=(), n_problems=1, offset=None, **options):
    ones = np.ones(n_problems)
    problems = Problems(ones, ones, np.zeros(n_problems))
    return Datafit(FakeDesign(X, y, w, offset, borders), loss, problems, **options)


def row_weights(y, w, class_weight=None):
    """Weights with class weights, before they are scaled to sum to one; y are codes."""
    w = np.ones(len(y)) if w is None else w
    if class_weight == "balanced":
        sums = np.bincount(y, w)
        return w * (sums.sum() / (len(sums) * sums))[y]
    if class_weight is not None:
        return w * np.array([class_weight.get(c, 1.0) for c in range(y.max() + 1)])[y]
    return w


def dense(X, y, w, coef, intercept, *, fit_intercept=True, standardize=False):
    """Return value (C,), grad (p, q, C), slope (q, C), mean Hessian (q, q, C) for codes y."""
    X = X.toarray() if hasattr(X, "toarray") else np.asarray(X, dtype=float)
    s = np.ones(len(X)) if w is None else w
    s = s / s.sum()
    m = s @ X
    sd = np.sqrt(s @ (X - m) ** 2)
    Z = (X - m if fit_intercept else X) / (np.where(sd > 0, sd, 1.0) if standardize else 1.0)
    eta = np.einsum("ip,pqc->iqc", Z, coef) + intercept
    r = s[:, None, None] * LOSS.gradient(y, eta)
    hessian = np.einsum("i,iabc->abc", s, LOSS.hessian(y, eta))
    return s @ LOSS.value(y, eta), np.einsum("ip,iqc->pqc", Z, r), r.sum(axis=0), hessian
