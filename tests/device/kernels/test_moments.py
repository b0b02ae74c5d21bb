"""The first pass on a stand-in card gives the moments of the pass on the host."""

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.datafit.weightings import Weightings
from daskreg.problems import Problems
from daskreg.splits import PoissonBootstrap, ShuffledFolds
from tests.stand_in import KINDS

from .blocks import blocks, device_block
from .emulated import KIND as EMULATED
from .emulated import needs_compiler

N, P = 4500, 6
#: With CUDA C that runs on the host.
EVERY_KIND = pytest.mark.parametrize(
    "kind", [*KINDS, pytest.param(EMULATED, marks=needs_compiler)], ids=lambda kind: kind.name
)
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


def sparse_rows(storage="float64"):
    """Return rows with a column far from zero that all of them store, a constant and an empty one,
    and one of small numbers."""
    rng = np.random.default_rng(0)
    X = np.where(rng.random((2600, P)) < 0.3, rng.normal(size=(2600, P)), 0.0)
    X[:, 1] = 1000.0 + rng.normal(size=len(X))
    X[:, 3], X[:, 4] = 7.0, 0.0
    X[:, 2] *= 1e-4
    return sp.csr_array(X.astype(storage)), rng


@EVERY_KIND
@pytest.mark.parametrize("folds", [False, True])
@pytest.mark.parametrize("extras", [False, True])
@pytest.mark.parametrize("n_targets", [1, 70])
def test_moments_of_sparse_rows(kind, folds, extras, n_targets):
    X, rng = sparse_rows()
    y = X[:, [5, 0]].toarray() @ rng.normal(size=(2, n_targets)) + 50
    weight = rng.integers(0, 3, len(y)).astype(float) if extras else None
    offset = rng.normal(size=(len(y), 1)) if extras else None
    if extras:
        weight[2400:] = 0.0
    kernel = MomentsKernel(weightings=weightings([0, 1] if folds else [-1]))
    assert kernel.runs_on_device(X.dtype, True, {})
    parts = blocks(X, y, weight, offset, borders=(100, 140, 2400))
    found, expected = both_moments(kind, kernel, parts)
    same_moments(found.moments, expected.moments, False)
    for key, part in found.moments.items():
        assert part.m2[3] == part.m2[4] == 0.0
        # Functions of any library add up all columns in one sum.
        rtol = 1e-12 if kind is EMULATED else 1e-6
        np.testing.assert_allclose(part.m2[:3], expected.moments[key].m2[:3], rtol=rtol)


@EVERY_KIND
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("storage", ["float32", "float64"])
def test_moments_of_sparse_rows_by_label(kind, apart, storage):
    X, _ = sparse_rows(storage)
    y = np.repeat(["b", "c", "a", "b"], [700, 900, 200, 800])[:, None]
    kernel = MomentsKernel(by_label=True, apart_by_label=apart)
    parts = blocks(X, y, borders=(300, 901))
    found, expected = both_moments(kind, kernel, parts)
    assert found.labels.tolist() == ["a", "b", "c"]
    assert found.tallies == expected.tallies
    same_moments(found.moments, expected.whole().moments, False)


@EVERY_KIND
def test_moments_of_rows_that_store_nothing(kind):
    X, y = sp.csr_array((40, P)), np.arange(40.0)[:, None]
    found, expected = both_moments(kind, MomentsKernel(), blocks(X, y))
    same_moments(found.moments, expected.moments, False)


def both_moments(kind, kernel, parts):
    """Return the moments of blocks as a card and as the host sums them."""
    shares = [kernel(part, {})["moments"] for part in parts]
    cards = [device_block(kind, part) for part in parts]
    with kind.pure():
        found = [kernel.on_device(card, {})["moments"] for card in cards]
        total = sum(found[1:], found[0])
    fetched = total.mapped(lambda one: one if one is None else kind.fetch(one))
    return fetched, sum(shares[1:], shares[0])


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
    assert not MomentsKernel(columns=None).runs_on_device(float32, True, {})
    assert not MomentsKernel().runs_on_device(np.dtype("int8"), True, {})
    assert not MomentsKernel(columns=(1, 2)).runs_on_device(float32, False, {})
    resampled = weightings([-1, -1], [0, 1])
    for settings in ({}, {"by_label": True}, {"columns": None, "plain_gram": True}):
        kernel = MomentsKernel(weightings=resampled, **settings)
        assert not kernel.runs_on_device(float32, False, {})
