"""Data that tests of estimators share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(120, 6))
    return X, X @ np.array([2.0, 0, 0, -1, 0, 0.5]) + rng.normal(size=120)
