"""Rows of correlated columns, and settings under which their models are exact."""

from __future__ import annotations

import numpy as np

N, P = 180, 9
EXACT = {"tol": 1e-13, "max_iter": 100_000}


def rows(seed=0, n=N, p=P, targets=1):
    """Correlated columns far from zero, and targets of four of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ (np.eye(p) + 0.4) + 3.0
    Y = X[:, :4] @ rng.normal(size=(4, targets)) + rng.normal(size=(n, targets)) - 7.0
    return X, Y[:, 0] if targets == 1 else Y, rng.uniform(0.2, 3.0, n)
