"""Products of a tile with one column are those of numpy, for every width of the vectors."""

import numpy as np
import pytest

from daskreg import ElasticNet
from daskreg.compiled import Loop, processor
from daskreg.compiled.loops import column, dense, registers
from daskreg.datafit.kernels import fused

from .running import running


@pytest.fixture(params=[16, 32, 64])
def functions(request, monkeypatch):
    """Both products, for processors with vectors of so many bytes."""
    monkeypatch.setattr(registers, "VECTOR", request.param)
    return running(column.set_one_column), running(column.add_one_column)


def between_nans(rows, p, dtype):
    """Return a matrix of zeros before which and after which memory is no number."""
    whole = np.full(rows * p + 128, np.nan, dtype)
    inside = whole[64 : 64 + rows * p]
    inside[:] = 0
    return whole, inside.reshape(rows, p)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [1, 7, 8, 9, 24])
def test_they_are_those_of_numpy_and_nothing_else_is_touched(functions, m, dtype):
    set_products, add_products = functions
    close = {"rtol": 1e-6, "atol": 100 * np.finfo(dtype).eps}
    rng = np.random.default_rng(m)
    for p in (1, 3, 4, 15, 16, 17, 33, 100):
        _, X = between_nans(m + 2, p, dtype)
        X[:] = rng.standard_normal(X.shape)
        X[0] = X[m + 1] = np.nan  # nobody asks for them
        X.flags.writeable = False
        (_, coef), (around, part) = between_nans(1, p, dtype), between_nans(1, p, dtype)
        coef[:], part[:] = rng.standard_normal((2, 1, p))
        before = part.copy()
        eta = np.full((1, -(-m // 8) * 8), np.nan, dtype)
        ahead = None if p % 2 else 10**9  # where there is no memory
        set_products(X, 1, m, coef, eta, ahead)
        np.testing.assert_allclose(eta[:, :m], coef @ X[1 : m + 1].T, **close)
        eta[:, m:] = np.nan
        add_products(X, 1, m, eta, part, ahead)
        np.testing.assert_allclose(part, before + eta[:, :m] @ X[1 : m + 1], **close)
        assert np.isnan(around[:64]).all()
        assert np.isnan(around[64 + p :]).all()


def test_rows_that_do_not_follow_one_another_are_refused(functions):
    set_products, _ = functions
    X = np.zeros((8, 8))[:, ::2]
    with pytest.raises(TypeError, match="one after the other"):
        set_products(X, 0, 8, np.zeros((1, 4)), np.zeros((1, 8)), None)


def test_rows_that_are_asked_for_change_no_bit(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 37)).astype(np.float32)
    y = X[:, 0] + rng.standard_normal(3000)
    found = []
    for asks in (True, False):
        monkeypatch.setenv("DASKREG_CACHE_DIR", str(tmp_path / str(asks)))
        monkeypatch.setattr(dense, "wants_asking", lambda asks=asks: asks)
        monkeypatch.setattr(fused, "dense_rows", Loop("dense", "dense_rows"))
        with fused.compiled_whatever_the_size():
            found.append(ElasticNet(0.1, solver="fista").fit(X, y).coef_.tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("name", "told", "asks"),
    [
        ("znver4", "+avx2", True),
        ("", "AuthenticAMD 26 2 avx2", True),
        ("", "znver5 +avx2", True),
        ("", "GenuineIntel 6 85 avx2", False),
        ("generic", "", False),
    ],
)
def test_rows_are_asked_for_on_some_processors(name, told, asks, monkeypatch):
    monkeypatch.setattr(processor, "processor", lambda: (name, told))
    assert processor.wants_asking.__wrapped__() == asks
