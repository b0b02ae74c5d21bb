"""Whole fits on a card's stand-in: the coefficients of processors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

from daskreg.datafit.kernels.cuda.packed import PackedSums
from daskreg.design.device.landing import mapped
from daskreg.design.device.shelf import SHELF
from daskreg.design.partials import Sums
from daskreg.linear_model import Lasso, LogisticRegression

TOLERANCE = {"bfloat16": 1e-5, "float64": 1e-10, "float32": 1e-5, "int8": 1e-10}


def rows_of(dtype: str, sparse: bool, n: int = 3000, p: int = 12) -> Any:
    rng = np.random.default_rng(3)
    X = rng.integers(-4, 5, (n, p)) if dtype == "int8" else rng.standard_normal((n, p)) + 1.0
    if sparse:
        X = np.where(rng.random((n, p)) < 0.3, X, 0)
    X = X.astype(dtype)
    eta = X[:, :3].astype(float) @ np.array([1.0, -0.5, 0.25])
    y = eta + rng.standard_normal(n)
    return (scipy.sparse.csr_array(X) if sparse else X), y


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize(
    ("dtype", "sparse", "strict"),
    [
        ("float64", False, False),
        ("float64", False, True),
        ("float32", False, False),
        ("int8", False, True),
        ("bfloat16", False, False),
        ("float64", True, False),
    ],
)
@pytest.mark.parametrize("name", ["lasso", "gram", "logistic"])
def test_a_fit_has_the_coefficients_of_processors(
    card_with, monkeypatch, name, dtype, sparse, strict, stays
):
    if strict:
        pytest.importorskip("array_api_strict")
    monkeypatch.setattr("daskreg.design.plan.SMALL", 0)
    X, y = rows_of(dtype, sparse)
    weight = np.linspace(0.5, 1.5, len(y))
    if name in ("lasso", "gram"):
        solver = "fista" if name == "lasso" else "gram"
        settings: dict[str, Any] = {"alpha": 0.05, "solver": solver, "tol": 1e-13}
        kind: Any = Lasso
    else:
        y = (y > y.mean()).astype(int)
        settings = {"C": 0.01, "tol": 1e-13}
        kind = LogisticRegression
    settings |= {"block_size": 1 << 15, "max_passes": 2000}
    expected = kind(**settings).fit(X, y, sample_weight=weight)
    if not stays:
        monkeypatch.setattr(SHELF, "claim", lambda *_: False)
    card = card_with(1 << 30, strict=strict, mixes=True)
    found = kind(**settings).fit(X, y, sample_weight=weight)
    assert SHELF.nbytes == 0
    assert found.plan_.device is not None
    # Moments of sparse rows have no form for cards.
    assert (card.moved > 0) == (not (sparse and name == "gram"))
    assert not stays or sparse or card.moved <= X.nbytes
    bound = TOLERANCE[dtype] * max(1.0, np.abs(expected.coef_).max())
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=0, atol=bound)
    np.testing.assert_allclose(found.intercept_, expected.intercept_, rtol=0, atol=bound)


def test_sums_that_lie_in_one_array_are_plain_ones_when_fetched():
    """Checkpoints keep plain sums, and other processes need nothing of cards to read them."""
    packed = PackedSums.of(np.arange(6.0), ("value", "residual"), (4, 1))
    fetched = mapped(packed, lambda value: isinstance(value, np.ndarray), np.copy)
    assert type(fetched) is Sums
    assert {name: part.tolist() for name, part in fetched.items()} == {
        "value": [0.0],
        "residual": [1.0],
        "grad": [[2.0], [3.0], [4.0], [5.0]],
    }
