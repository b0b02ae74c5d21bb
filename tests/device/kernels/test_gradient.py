"""The gradient pass on a stand-in card gives the sums of the pass on the host."""

import pickle
import sys
import types

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg._array import running_sum, stable_order
from daskreg.datafit.kernels.cuda.tiles import CARD_TILE_BYTES, MOST_ROWS, card_tile_rows
from daskreg.datafit.kernels.gradient import GradientKernel
from daskreg.datafit.kernels.tiles import Labels
from daskreg.datafit.weightings import Weightings
from daskreg.losses import Logistic, Multinomial, Squared
from daskreg.problems import Problems
from daskreg.splits import PoissonBootstrap, ShuffledFolds
from tests.stand_in import KINDS

from .blocks import blocks, close, device_block

N, P = 530, 9
KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
LOSSES = pytest.mark.parametrize(
    "loss", [Squared(), Logistic(), Multinomial()], ids=lambda loss: loss.name
)


def problem(loss, n_columns, weightings=None, which=None, storage="float64", targets=1):
    """Return X, y, weight, offset, kernel and state."""
    rng = np.random.default_rng(0)
    X = (3 * rng.normal(size=(N, P))).astype(storage)
    weight, offset = rng.integers(0, 4, N).astype(float), 0.5 * rng.normal(size=(N, 1))
    q = 3 if isinstance(loss, Multinomial) else 1
    labels = None
    if loss.is_classifier:
        classes = ("a", "b", "c")[: max(2, q)]
        y = rng.choice(classes, (N, 1))
        n_weightings = 1 if weightings is None else len(weightings)
        labels = Labels(classes, rng.random((len(classes), n_weightings)) + 0.5)
    else:
        y = rng.normal(size=(N, targets))
    state = {
        "coef": 0.3 * rng.normal(size=(P, q * n_columns)),
        "intercept": rng.normal(size=q * n_columns),
        "target": rng.integers(0, targets, n_columns),
        "weighting": np.zeros(n_columns, np.intp) if which is None else np.asarray(which),
    }
    options = {} if weightings is None else {"weightings": weightings}
    return X, y, weight, offset, GradientKernel(loss, "float64", labels, **options), state


def on_card(kind, kernel, state, parts, keeps=True):
    """Return the sums of blocks on a card, fetched; kernel and state travel before each pass."""
    cards = [device_block(kind, part, keeps) for part in parts]
    for _ in range(2):  # the second pass finds what the first has kept
        own = pickle.loads(pickle.dumps(kernel))
        for card in cards:
            card.uploads.clear()
        with kind.pure():
            shares = [own.on_device(card, state) for card in cards]
            sums = sum(shares[1:], shares[0])
    return {name: kind.fetch(value) for name, value in sums.items()}


def on_host(kernel, state, parts):
    shares = [kernel(part, state) for part in parts]
    return sum(shares[1:], shares[0])


@KIND
@LOSSES
@pytest.mark.parametrize("n_columns", [1, 4])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("extras", [False, True])
def test_dense_and_sparse(kind, loss, n_columns, sparse, extras):
    X, y, weight, offset, kernel, state = problem(loss, n_columns)
    if sparse:
        X[np.abs(X) < 2] = 0.0
        X[5], X[:, 2] = 0.0, 0.0
        X = sp.csr_array(X)
    beside = (weight, offset) if extras else (None, None)
    parts = blocks(X, y, *beside, borders=(100, 101))
    close(on_card(kind, kernel, state, parts), on_host(kernel, state, parts), 1e-12)


@KIND
@pytest.mark.parametrize("storage", ["bool", "int8", "uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_storage_types(kind, storage, shifted, dtype):
    X, y, weight, offset, kernel, state = problem(Logistic(), 3, storage=storage)
    kernel = GradientKernel(kernel.loss, dtype, kernel.labels)
    if shifted:
        state["shift"] = X.mean(axis=0).astype(dtype)
    parts = blocks(X, y, weight, offset, borders=(200,))
    tol = 1e-12 if dtype == "float64" else 1e-5
    close(on_card(kind, kernel, state, parts), on_host(kernel, state, parts), tol)


@KIND
@LOSSES
@pytest.mark.parametrize("resampled", [False, True])
@pytest.mark.parametrize("keeps", [False, True])
def test_weightings(kind, loss, resampled, keeps):
    folds = ShuffledFolds(5, 0)
    resamples = PoissonBootstrap(3, 0) if resampled else None
    fold = np.array([-1, 0, 3, 2, -1])
    bootstrap = np.array([-1, 1, -1, 0, 1]) if resampled else np.full(5, -1)
    ones = np.ones(5)
    problems = Problems(ones, ones, np.zeros(5, np.intp), fold=fold, bootstrap=bootstrap)
    weightings, which = Weightings.of(problems, folds, resamples)
    X, y, weight, offset, kernel, state = problem(loss, 5, weightings, which)
    parts = blocks(X, y, weight, offset, borders=(77,))
    found = on_card(kind, kernel, state, parts, keeps)
    close(found, on_host(kernel, state, parts), 1e-12)


@KIND
def test_several_targets(kind):
    X, y, weight, _, kernel, state = problem(Squared(), 6, targets=3)
    offset = np.random.default_rng(1).normal(size=(N, 3))
    parts = blocks(X, y, weight, offset)
    close(on_card(kind, kernel, state, parts), on_host(kernel, state, parts), 1e-12)


def test_far_columns_keep_their_digits():
    kind = KINDS[-1]
    X, y, _, _, _, state = problem(Squared(), 2)
    kernel = GradientKernel(Squared(), "float32")
    far = (1e4 + X).astype(np.float32)
    state["shift"] = far.mean(axis=0)
    exact = {**state, "shift": state["shift"].astype(float)}
    expected = on_host(GradientKernel(Squared()), exact, blocks(far.astype(float), y))
    close(on_card(kind, kernel, state, blocks(far, y)), expected, 1e-5)


def test_order_and_running_sums_by_the_names_that_cupy_knows(monkeypatch):
    class Array(np.ndarray):
        def argsort(self, axis=-1, kind=None):  # no other settings, and no other kind
            assert kind in (None, "stable")
            return np.argsort(np.asarray(self), axis, kind="stable")

    cupy = types.ModuleType("cupy")  # 14.0: without cumulative_sum
    cupy.ndarray, cupy.cumsum = Array, np.cumsum
    cupy.argsort = lambda a, axis=-1, kind=None: a.argsort(axis, kind)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    numbers = np.random.default_rng(0).integers(0, 5, 200)
    order = stable_order(numbers.view(Array))
    np.testing.assert_array_equal(order, np.argsort(numbers, kind="stable"))
    np.testing.assert_array_equal(running_sum(numbers.view(Array)), np.cumsum(numbers))


@pytest.mark.parametrize("computed", ["float32", "float64"])
@pytest.mark.parametrize("n_copied", [0, 10, 256, 10**6])
@pytest.mark.parametrize("beside", [4, 1000, 32000])
def test_copies_of_a_tile_are_small(computed, n_copied, beside):
    rows = card_tile_rows(n_copied, beside, computed)
    nbytes = rows * (n_copied * np.dtype(computed).itemsize + beside)
    assert nbytes <= CARD_TILE_BYTES or rows <= 16
    assert rows >= 16
    assert rows <= MOST_ROWS[computed]


def test_which_blocks_run_on_a_card():
    kernel = GradientKernel(Squared())
    for name in ("bool", "int8", "uint16", "float16", "float32", "float64"):
        assert kernel.runs_on_device(np.dtype(name), False, {})
    assert not kernel.runs_on_device(np.dtype("int64"), False, {})
    assert kernel.runs_on_device(np.dtype("float32"), True, {})
    assert not kernel.runs_on_device(np.dtype("int8"), True, {})
