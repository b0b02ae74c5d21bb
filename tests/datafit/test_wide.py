"""Bands of columns give the sums of the plain mathematics."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from daskreg.datafit import Datafit
from daskreg.datafit.kernels import gradient, moments, wide
from daskreg.datafit.kernels.gradient import GradientKernel
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.design.blocks import Block
from daskreg.losses import Logistic, Squared
from daskreg.problems import Problems
from tests.datafit.test_weightings import EveryThird
from tests.fake_design import FakeDesign

N, P, C = 150, 103, 3


@pytest.fixture
def in_bands(monkeypatch):
    """Bands of 16 columns, on data of any width."""
    monkeypatch.setattr(wide, "WIDE", 17)
    monkeypatch.setattr(wide, "BAND", 16)


def block(dtype, *, offset=False, weight=False, seed=0):
    rng = np.random.default_rng(seed)
    X = (4.0 * rng.normal(size=(N, P)) + 2.0).astype(dtype)
    y = (rng.normal(size=(N, 1)) > 0.0).astype(float)
    return Block(
        X=X,
        y=y,
        sample_weight=rng.uniform(size=N) if weight else None,
        offset=rng.normal(size=(N, 1)) if offset else None,
        start=0,
        index=0,
    )


def state(n_used, shift=False, seed=1):
    rng = np.random.default_rng(seed)
    coef = np.zeros((P, C))
    coef[rng.choice(P, n_used, replace=False)] = rng.normal(size=(n_used, C))
    found = {
        "coef": coef,
        "intercept": rng.normal(size=C),
        "target": np.zeros(C, dtype=int),
        "weighting": np.zeros(C, dtype=int),
    }
    return found | ({"shift": np.full(P, 2.0)} if shift else {})


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int8"])
@pytest.mark.parametrize("n_used", [0, 1, 5, P])
@pytest.mark.parametrize("beside", [{}, {"offset": True, "weight": True}])
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.usefixtures("in_bands")
def test_the_gradient_is_that_of_its_definition(loss, dtype, n_used, beside, shift):
    one, at = block(dtype, **beside), state(n_used, shift)
    sums = GradientKernel(loss)(one, at)
    X = one.X.astype(float) - at.get("shift", 0.0)
    offset = 0.0 if one.offset is None else one.offset
    weight = np.ones((N, 1)) if one.sample_weight is None else one.sample_weight[:, None]
    eta = X @ at["coef"] + at["intercept"] + offset
    residual = weight * loss.gradient(one.y, eta)
    np.testing.assert_allclose(sums["grad"], X.T @ residual, rtol=1e-11, atol=1e-9)
    np.testing.assert_allclose(sums["value"], (weight * loss.value(one.y, eta)).sum(axis=0))


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("n_used", [5, P])
@pytest.mark.usefixtures("in_bands")
def test_a_block_is_added_in_the_memory_of_another_one_to_the_last_bit(loss, n_used):
    kernel, at = GradientKernel(loss), state(n_used)
    blocks = [block("float64", weight=True, seed=seed) for seed in (0, 1)]
    first, second = (kernel(one, at) for one in blocks)
    expected = {name: value + second[name] for name, value in first.items()}
    before = first["grad"]
    assert kernel.adds(blocks[1], at, first)
    assert first["grad"] is before
    assert first.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(first[name], value, err_msg=name)


@pytest.mark.usefixtures("in_bands")
def test_what_cannot_be_added_in_place_is_left_alone(monkeypatch):
    kernel, at, one = GradientKernel(Squared()), state(5), block("float64")
    fixed = kernel(one, at)
    fixed["grad"].flags.writeable = False
    before = {name: np.array(value) for name, value in fixed.items()}
    assert not kernel.adds(one, at, fixed)
    monkeypatch.setattr(gradient, "ROWS", N - 1)  # tiles of a block are added up first
    assert not kernel.adds(one, at, kernel(one, at))
    for name, value in before.items():
        np.testing.assert_array_equal(fixed[name], value)


@pytest.mark.usefixtures("in_bands")
def test_float32_products_are_as_good_as_those_of_whole_rows(monkeypatch):
    one, at = block("float32"), state(7)
    exact = GradientKernel(Squared())(one, at)["grad"]
    found = GradientKernel(Squared(), "float32")(one, at)["grad"]
    monkeypatch.setattr(wide, "WIDE", P + 1)
    whole = GradientKernel(Squared(), "float32")(one, at)["grad"]
    assert np.abs(found - exact).max() <= 4.0 * np.abs(whole - exact).max()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int8"])
@pytest.mark.parametrize("weight", [False, True, "none first", "none"])
@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.usefixtures("in_bands")
def test_moments_are_those_of_whole_rows(dtype, weight, n_targets, compiled, monkeypatch):
    one = block(dtype, weight=bool(weight))
    one = replace(one, y=np.random.default_rng(5).normal(size=(N, n_targets)) + 3.0)
    if isinstance(weight, str):
        one.sample_weight[: N if weight == "none" else 37] = 0.0
    found = MomentsKernel(compiled=compiled)(one, {})["moments"].moments
    monkeypatch.setattr(wide, "WIDE", P + 1)
    whole = MomentsKernel()(one, {})["moments"].moments
    assert found.keys() == whole.keys()
    for key, expected in whole.items():
        for name in ("weight", "mean", "m2", "target_mean", "target_m2", "cross"):
            values = getattr(found[key], name), getattr(expected, name)
            np.testing.assert_allclose(*values, rtol=1e-12, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=lambda loss: loss.name)
def test_folds_see_the_same_points(loss, monkeypatch):
    one = block("float64", weight=True)
    problems = Problems.product(alpha=[1.0], fold=(-1, 0, 2))

    def looked():
        design = FakeDesign(one.X, one.y, sample_weight=one.sample_weight, borders=(40, 41))
        fit = Datafit(design, loss, problems, folds=EveryThird())
        rng = np.random.default_rng(3)
        coef = 0.1 * rng.normal(size=(P, 1, 3)) * (rng.uniform(size=(P, 1, 1)) < 0.05)
        seen = fit.value_and_grad(coef, np.zeros((1, 3)))
        return fit.null_value, fit.null_grad, seen.value, seen.grad

    plain = looked()
    monkeypatch.setattr(wide, "WIDE", 17)
    monkeypatch.setattr(wide, "BAND", 16)
    for found, expected in zip(looked(), plain, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_kernels_ask_for_bands_where_rows_are_long():
    assert gradient.is_wide is wide.is_wide
    assert moments.is_wide is wide.is_wide
    assert wide.is_wide(np.empty((0, wide.WIDE)))
    assert not wide.is_wide(np.empty((0, wide.WIDE - 1)))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["moments", "gradient"])
def test_a_call_needs_no_more_memory_than_it_says(name, dtype):
    p, n_columns = 2 * wide.WIDE, 4
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, p)).astype(dtype)
    one = Block(X, rng.normal(size=(100, 1)), rng.uniform(size=100), None, 0, 0)
    kernel = MomentsKernel() if name == "moments" else GradientKernel(Squared(), dtype)
    at = {
        "coef": rng.normal(size=(p, n_columns)) * (rng.uniform(size=(p, 1)) < 0.1),
        "intercept": np.zeros(n_columns),
        "target": np.zeros(n_columns, dtype=int),
        "weighting": np.zeros(n_columns, dtype=int),
    }
    kernel(one, at)
    tracemalloc.start()
    kernel(one, at)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if name == "moments":
        assert peak <= kernel.partial_nbytes(p, 1) + kernel.temporaries(p, X.dtype)
    else:
        assert peak <= kernel.partial_nbytes(p, 4) + kernel.temporaries(p, 4, X.dtype)
