"""The sums of a logistic loss by runs of tiles are those of single tiles, in any company."""

import itertools

import numpy as np
import pytest

from daskreg.datafit.kernels import margins
from daskreg.datafit.kernels.margins import MarginRuns
from daskreg.datafit.kernels.pointwise import add_pointwise, empty_sums
from daskreg.datafit.kernels.tiles import RowData, tile_borders
from daskreg.losses import Logistic

LOSS = Logistic()


def sample(n, C, weight, offset):
    rng = np.random.default_rng(n + C)
    y = rng.integers(0, 2, (n, 1)).astype(float)
    eta = 4.0 * rng.standard_normal((n, C))
    eta[:4] = np.array([[-800.0], [800.0], [-30.0], [0.0]])[: len(eta)]
    w = {"none": None, "one": rng.random((n, 1)), "each": rng.random((n, C))}[weight]
    return RowData(y, w, rng.standard_normal((n, 1)) if offset else None), eta


def by_runs(rows, eta, tile):
    sums = empty_sums(LOSS, eta[:1], rows.offset is not None)
    runs = MarginRuns(sums, rows, eta.shape[1])
    with np.errstate(over="ignore"):
        parts = [
            runs.residual(start, stop, eta[start:stop]).copy()
            for start, stop in tile_borders(len(eta), tile)
        ]
    return sums, np.concatenate(parts)


@pytest.mark.parametrize("n", [1, 16, 1000])
@pytest.mark.parametrize("C", [1, 2, 7])
def test_runs_and_tiles_have_the_same_sums(n, C, monkeypatch):
    monkeypatch.setattr(margins, "RUN_NUMBERS", 300)
    for weight, offset in itertools.product(["none", "one", "each"], [False, True]):
        rows, eta = sample(n, C, weight, offset)
        expected = empty_sums(LOSS, eta[:1], offset)
        residual = add_pointwise(LOSS, expected, rows, eta, np.zeros(C, dtype=np.intp))
        for tile in (16, 64, 4096):
            found, parts = by_runs(rows, eta, tile)
            np.testing.assert_allclose(parts, residual, rtol=1e-14, atol=1e-300)
            assert set(found) == set(expected)
            for name, value in expected.items():
                np.testing.assert_allclose(found[name], value, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("weight", ["none", "one", "each"])
def test_a_column_has_the_same_bits_in_any_company(weight):
    rows, eta = sample(700, 40, weight, offset=True)
    # As many rows together, whatever the number of columns.
    everyone, residual = by_runs(rows, eta, 700)
    for own in (slice(3, 4), slice(8, 30)):
        each = rows.weight if weight != "each" else rows.weight[:, own]
        few = RowData(rows.y, each, rows.offset)
        found, parts = by_runs(few, eta[:, own], 700)
        np.testing.assert_array_equal(parts, residual[:, own])
        for name in ("value", "residual", "curvature", "entropy", "offset_residual"):
            np.testing.assert_array_equal(found[name], everyone[name][..., own], err_msg=name)


def test_many_columns_need_room_for_some_of_them():
    rows, eta = sample(640, 200, "none", offset=False)
    runs = MarginRuns(empty_sums(LOSS, eta[:1], False), rows, 200)
    with np.errstate(over="ignore"):
        runs.residual(0, 640, eta)
    assert runs._room.size <= 5 * margins.RUN_NUMBERS


def test_what_overflows_is_not_finite_and_margins_of_any_size_are():
    rows, eta = sample(8, 2, "none", offset=False)
    sums, residual = by_runs(rows, 1e300 * eta, 8)
    assert np.isfinite(residual).all()
    with np.errstate(over="ignore", invalid="ignore"):
        sums, _ = by_runs(rows, np.full_like(eta, np.inf), 8)
    assert not np.isfinite(sums["value"]).any()
