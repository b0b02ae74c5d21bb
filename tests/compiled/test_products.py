"""Products of a tile with several columns are those of numpy, for every width of the vectors."""

import numpy as np
import pytest

from daskreg.compiled import layout
from daskreg.compiled.loops import products, registers

from .running import running

COLUMNS = (4, 8, 12, 16)
FEATURES = (1, 5, 16, 33, 64, 100)


def check(functions, n_columns, p, dtype):
    set_products, add_products = functions
    rng = np.random.default_rng(p)
    n = layout.padded(p, np.dtype(dtype))
    X, coef = np.zeros((13, n), dtype), np.zeros((n_columns, n), dtype)
    X[:, :p], coef[:, :p] = rng.standard_normal((13, p)), rng.standard_normal((n_columns, p))
    X[12] = np.nan  # nobody asks for it
    X.flags.writeable = False
    part, eta = coef.copy(), np.full((n_columns, 16), np.nan, dtype)
    set_products(X, 1, 11, coef, eta)
    close = {"rtol": 1e-6, "atol": 100 * np.finfo(dtype).eps}
    np.testing.assert_allclose(eta[:, :11], coef @ X[1:12].T, **close)
    add_products(X, 1, 11, eta, part)
    np.testing.assert_allclose(part, coef + eta[:, :11] @ X[1:12], **close)


@pytest.mark.parametrize(
    ("vector", "left", "panel"), [(16, 4, 64), (16, 8, 2048), (32, 4, 2048), (64, 8, 64)]
)
def test_processors_of_all_kinds_find_the_same(vector, left, panel, monkeypatch):
    """Also where a row is multiplied in several parts."""
    for module in (layout, registers, products):
        monkeypatch.setattr(module, "VECTOR", vector)
    for module in (layout, products):
        monkeypatch.setattr(module, "LEFT", left)
    monkeypatch.setattr(products, "PANEL_BYTES", panel)
    functions = running(products.set_columns), running(products.add_columns)
    for dtype in ("float32", "float64"):
        for n_columns in COLUMNS:
            for p in FEATURES:
                check(functions, n_columns, p, dtype)
