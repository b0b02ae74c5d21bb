"""Moments of dense tiles, a piece at a time: those of the definition, in little memory."""

import numpy as np
import pytest

from daskreg.datafit.kernels import piece_sums
from daskreg.datafit.kernels.piece_sums import PieceSums
from daskreg.datafit.kernels.tile_sums import inner_point

P = 6


def tile_of(dtype, n=203):
    rng = np.random.default_rng(0)
    X = 3.0 * rng.standard_normal((n, P)) + 2.0
    return X.astype(dtype), rng


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "float16", "bool"])
@pytest.mark.parametrize("gram_dtype", ["float64", "float32"])
@pytest.mark.parametrize("columns", [None, (), (4, 1)])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_those_of_the_definition(dtype, gram_dtype, columns, weighted, monkeypatch):
    # Rooms of 48 rows, of pieces of 16, which 203 rows do not fill.
    monkeypatch.setattr(piece_sums, "PIECE_BYTES", 8 * P * 16)
    monkeypatch.setattr(piece_sums, "ROOM_BYTES", 0)
    monkeypatch.setattr(piece_sums, "ROOM_ROWS", 50)
    tile, rng = tile_of(dtype)
    root = rng.random(len(tile)) if weighted else None
    right = rng.standard_normal((len(tile), 3))
    shift = rng.standard_normal(P)
    chosen = None if columns is None else np.array(columns, dtype=np.intp)
    gram = None if columns == () else np.zeros((P, P if chosen is None else len(chosen)))
    sums = PieceSums(P, np.dtype(gram_dtype), gram, chosen)
    before = tile.copy()
    found, squares = sums.add(tile, shift, root, right)
    sums.finish()
    np.testing.assert_array_equal(tile, before)
    d = tile.astype(float) - shift
    d *= 1.0 if root is None else root[:, None]
    np.testing.assert_allclose(found, d.T @ right, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(squares, np.square(d).sum(axis=0), rtol=1e-13)
    if gram is not None:
        rtol = 1e-12 if gram_dtype == "float64" else 1e-5
        expected = d.T @ (d if chosen is None else d[:, chosen])
        np.testing.assert_allclose(gram, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def test_rows_of_a_tile_are_copied_a_piece_at_a_time():
    sums = PieceSums(1000, np.dtype(np.float64), None, None)
    tile = np.random.default_rng(0).standard_normal((5000, 1000))
    sums.add(tile, np.zeros(1000), None, np.ones((5000, 1)))
    assert sums._piece.nbytes <= piece_sums.PIECE_BYTES < tile.nbytes / 50


@pytest.mark.parametrize("constant", [0.1, 1e5 + 0.3, 0.0])
def test_a_constant_column_is_its_own_inner_point(constant):
    tile = np.random.default_rng(0).standard_normal((100, 3))
    tile[:, 1] = constant
    root = np.sqrt(np.random.default_rng(1).random(100))
    for weights in (None, root):
        point = inner_point(tile, weights)
        assert point[1] == constant
        assert (tile.min(axis=0) <= point).all()
        assert (point <= tile.max(axis=0)).all()
