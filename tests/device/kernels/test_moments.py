"""The first pass on a stand-in card gives the moments of the pass on the host."""

import numpy as np
import pytest

from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.datafit.weightings import Weightings
from daskreg.problems import Problems
from daskreg.splits import PoissonBootstrap, ShuffledFolds
from tests.stand_in import KINDS

from .blocks import blocks, device_block

N, P = 4500, 6
FIELDS = ("mean", "m2", "target_mean", "target_m2", "cross", "gram")


def weightings(fold, bootstrap=None):
    fold = np.asarray(fold)
    bootstrap = np.full(len(fold), -1) if bootstrap is None else np.asarray(bootstrap)
    ones, zeros = np.ones(len(fold)), np.zeros(len(fold), np.intp)
    problems = Problems(ones, ones, zeros, fold=fold, bootstrap=bootstrap)
    return Weightings.of(problems, ShuffledFolds(3, 0), PoissonBootstrap(2, 0))[0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("gram", [False, True])
@pytest.mark.parametrize("folds", [False, True])
@pytest.mark.parametrize("extras", [False, True])
@pytest.mark.parametrize("storage", ["float64", "float32", "int8"])
def test_moments(kind, gram, folds, extras, storage):
    rng = np.random.default_rng(0)
    X = (3 * rng.normal(size=(N, P)) + 20).astype(storage)
    X[:, 3] = 7
    y = X[:, :2] @ rng.normal(size=(2, 2)) + rng.normal(size=(N, 2)) + 50
    weight = rng.integers(0, 3, N).astype(float) if extras else None
    offset = rng.normal(size=(N, 1)) if extras else None
    if extras:
        weight[4400:] = 0.0
    kernel = MomentsKernel(
        columns=None if gram else (),
        weightings=weightings([0, 1]) if folds else weightings([-1]),
    )
    assert kernel.runs_on_device(X.dtype, False, {})
    parts = blocks(X, y, weight, offset, borders=(1000, 4400))
    shares = [kernel(part, {})["moments"] for part in parts]
    expected = shares[0] + shares[1] + shares[2]
    cards = [device_block(kind, part) for part in parts]
    with kind.pure():
        sums = [kernel.on_device(card, {}) for card in cards]
        total = sums[0] + sums[1] + sums[2]
    found = total["moments"].mapped(lambda one: one if one is None else kind.fetch(one))
    filled = {key for key, part in expected.moments.items() if part.weight}
    assert filled <= found.moments.keys()
    for key in filled:
        mine, theirs = found.moments[key], expected.moments[key]
        assert mine.weight == theirs.weight
        assert mine.n_rows == theirs.n_rows
        for name in FIELDS if gram else FIELDS[:-1]:
            one, other = getattr(mine, name), np.asarray(getattr(theirs, name))
            scale = np.abs(other).max()
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12 * scale, err_msg=name)
        assert mine.m2[3] == 0.0  # a constant column, to the last bit


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("columns", [(), None])
@pytest.mark.parametrize("folds", [False, True])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("extras", [False, True])
def test_moments_of_labels(kind, columns, folds, apart, extras):
    rng = np.random.default_rng(0)
    X = (3 * rng.normal(size=(1500, P)) + 20).astype("float32")
    X[:, 3] = 7
    y = np.repeat(["b", "c", "a", "b"], [400, 500, 100, 500])[:, None]  # not all in each block
    weight = rng.integers(0, 3, len(y)).astype(float) if extras else None
    kernel = MomentsKernel(
        by_label=True,
        columns=columns,
        apart_by_label=apart,
        weightings=weightings([0, 1] if folds else [-1]),
    )
    assert kernel.runs_on_device(X.dtype, False, {})
    parts = blocks(X, y, weight, borders=(300, 901))
    shares = [kernel(part, {})["moments"] for part in parts]
    expected = shares[0] + shares[1] + shares[2]
    cards = [device_block(kind, part) for part in parts]
    with kind.pure():
        sums = [kernel.on_device(card, {})["moments"] for card in cards]
        total = sums[0] + sums[1] + sums[2]
    found = total.mapped(lambda one: one if one is None else kind.fetch(one))
    assert found.labels.tolist() == expected.labels.tolist() == ["a", "b", "c"]
    assert found.tallies == expected.tallies
    same_moments(found.moments, expected.moments, columns is None)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_gram_matrices_of_resamples(kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(900, P)), rng.normal(size=(900, 1))
    kernel = MomentsKernel(columns=None, weightings=weightings([-1, -1], [0, 1]))
    assert kernel.runs_on_device(X.dtype, False, {})
    (part,) = blocks(X, y)
    expected = kernel(part, {})["moments"].moments
    with kind.pure():
        share = kernel.on_device(device_block(kind, part), {})["moments"]
    found = share.mapped(lambda one: one if one is None else kind.fetch(one))
    same_moments(found.moments, expected, True)


def same_moments(found, expected, gram):
    """Check moments of every group against those of the host."""
    filled = {key for key, part in expected.items() if part.weight}
    assert filled <= found.keys()
    for key in filled:
        mine, theirs = found[key], expected[key]
        assert mine.weight == pytest.approx(theirs.weight, rel=1e-13)
        assert mine.n_rows == theirs.n_rows
        assert (mine.gram is None) == (theirs.gram is None)
        for name in FIELDS:
            one, other = getattr(mine, name), getattr(theirs, name)
            if other is None:
                continue
            other = np.asarray(other)
            scale = np.abs(other).max(initial=0.0) + 1.0
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11 * scale, err_msg=name)
    assert gram == any(part.gram is not None for part in expected.values())


def test_what_stays_on_the_host():
    float32 = np.dtype("float32")
    assert not MomentsKernel().runs_on_device(float32, True, {})
    assert not MomentsKernel(columns=(1, 2)).runs_on_device(float32, False, {})
    resampled = weightings([-1, -1], [0, 1])
    for settings in ({}, {"by_label": True}, {"columns": None, "plain_gram": True}):
        kernel = MomentsKernel(weightings=resampled, **settings)
        assert not kernel.runs_on_device(float32, False, {})
