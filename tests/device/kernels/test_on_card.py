"""The same on a card: what the host sums, and the same bits each time."""

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg._device import cupy_or_none, gpu_available
from daskreg.datafit.kernels.cuda.batched import fista_on_gram
from daskreg.datafit.kernels.cuda.descent import descended
from daskreg.datafit.kernels.gradient import GradientKernel
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.datafit.weightings import Weightings
from daskreg.losses import Logistic, Multinomial, Squared
from daskreg.problems import Problems
from daskreg.splits import PoissonBootstrap, ShuffledFolds
from tests.stand_in import Kind

from .blocks import blocks, close, device_block
from .test_cuda import widened
from .test_gradient import on_card, on_host, problem
from .test_inner import problems, residual
from .test_moments import same_moments

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not gpu_available(), reason="needs CuPy and an NVIDIA GPU"),
]


class CardKind(Kind):
    """Arrays of CuPy."""

    def put(self, values):
        return self.xp.asarray(values)

    def fetch(self, array):
        assert isinstance(array, self.xp.ndarray)
        return array.get()


KIND = CardKind("numpy", cupy_or_none())


@pytest.mark.parametrize("loss", [Squared(), Logistic(), Multinomial()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("storage", ["float64", "float32", "float16", "int8", "csr"])
@pytest.mark.parametrize("n_columns", [1, 4, 40])
def test_a_pass(loss, storage, n_columns):
    X, y, weight, offset, kernel, state = problem(loss, n_columns)
    sparse = storage == "csr"
    X = sp.csr_array(np.where(np.abs(X) > 2, X, 0.0)) if sparse else X.astype(storage)
    parts = blocks(X, y, weight, offset, borders=(100, 101))
    found = on_card(KIND, kernel, state, parts)
    close(found, on_host(kernel, state, parts), 1e-11)
    again = on_card(KIND, kernel, state, parts)
    for name, value in found.items():
        np.testing.assert_array_equal(value, again[name])


@pytest.mark.parametrize("storage", ["bool", "int8", "uint16", "float16", "bfloat16", "float32"])
@pytest.mark.parametrize("p", [1, 33, 155, 256, 512, 1000, 1024, 1500])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("n_columns", [1, 3])
def test_float32_products(storage, p, shifted, n_columns):
    X, y, weight, offset, kernel, state = problem(Logistic(), n_columns)
    X, state = widened(np.abs(X).astype(storage), state, p)
    kernel = GradientKernel(kernel.loss, "float32", kernel.labels)
    if shifted:
        state["shift"] = X.mean(axis=0, dtype=np.float64).astype(np.float32)
    parts = blocks(X, y, weight, offset, borders=(1, 334))
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-5)


@pytest.mark.parametrize("n_columns", [1, 5, 40])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("resampled", [False, True])
def test_weightings(n_columns, sparse, resampled):
    fold = np.arange(n_columns) % 5 - 1
    bootstrap = np.where(fold < 0, np.arange(n_columns) % 3, -1)
    bootstrap = bootstrap if resampled else np.full(n_columns, -1)
    ones, zeros = np.ones(n_columns), np.zeros(n_columns, np.intp)
    problems = Problems(ones, ones, zeros, fold=fold, bootstrap=bootstrap)
    resamples = PoissonBootstrap(3, 0) if resampled else None
    weightings, which = Weightings.of(problems, ShuffledFolds(5, 0), resamples)
    X, y, weight, offset, kernel, state = problem(Logistic(), n_columns, weightings, which)
    X = sp.csr_array(np.where(np.abs(X) > 2, X, 0.0)) if sparse else X
    parts = blocks(X, y, weight, offset, borders=(77,))
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-11)


@pytest.mark.parametrize("columns", [(), None])
def test_the_first_pass_over_labels(columns):
    rng = np.random.default_rng(0)
    X = (3 * rng.normal(size=(9000, 30)) + 20).astype("float32")
    y = np.repeat(["b", "c", "a"], [4000, 3000, 2000])[:, None]
    kernel = MomentsKernel(by_label=True, columns=columns)
    parts = blocks(X, y, borders=(2500, 7100))
    shares = [kernel(part, {})["moments"] for part in parts]
    expected = shares[0] + shares[1] + shares[2]
    sums = [kernel.on_device(device_block(KIND, part), {})["moments"] for part in parts]
    total = (sums[0] + sums[1] + sums[2]).mapped(lambda one: one if one is None else one.get())
    same_moments(total.moments, expected.moments, columns is None)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("method", ["descent", "fista"])
def test_least_squares_in_memory(method, positive):
    G, which, c, l1, l2, start = problems(positive)
    put, tol = KIND.put, np.full(5, 1e-7)
    if method == "descent":
        arrays = [put(np.ascontiguousarray(array.T)) for array in (c, l1, l2, start)]
        own = np.arange(5)
        coef = descended(KIND.xp, put(G), put(which), *arrays, positive, put(tol), 10_000)[0].T
    else:
        own = np.flatnonzero(which == 1)
        arrays = [put(np.ascontiguousarray(array[:, own])) for array in (c, l1, l2, start)]
        aim = put(tol[own])
        steps = 20_000
        coef, _ = fista_on_gram(KIND.xp, put(G[1]), *arrays, positive, aim, steps, KIND.fetch)
    for place, k in enumerate(own):
        one = c[:, k], l1[:, k], l2[:, k], KIND.fetch(coef)[:, place]
        assert residual(G[which[k]], *one, positive) <= 1.1e-7


def test_tf32_is_rough_and_only_where_it_is_asked_for(monkeypatch):
    X, y, weight, offset, kernel, state = problem(Squared(), 40)
    X, state = widened(X.astype("float32"), state, 256)
    kernel = GradientKernel(Squared(), "float32")
    parts = blocks(X, y, weight, offset)
    expected = on_host(kernel, state, parts)
    errors = []
    for wanted in ("0", "1", "0"):
        monkeypatch.setenv("DASKREG_TF32", wanted)
        grad = on_card(KIND, kernel, state, parts)["grad"]
        errors.append(np.abs(grad - expected["grad"]).max() / np.abs(expected["grad"]).max())
    assert max(errors[0], errors[2]) < 1e-5 < errors[1] < 1e-2


@pytest.mark.parametrize("storage", ["int8", "float32", "float64"])
@pytest.mark.parametrize("gram_dtype", ["float32", "float64"])
def test_the_first_pass(storage, gram_dtype):
    rng = np.random.default_rng(0)
    X = (3 * rng.normal(size=(9000, 300)) + 20).astype(storage)
    y = rng.normal(size=(9000, 2))
    (part,) = blocks(X, y, rng.random(9000))
    expected = MomentsKernel(columns=None)(part, {})["moments"].moments[-1, None]
    kernel = MomentsKernel(columns=None, gram_dtype=gram_dtype)
    share = kernel.on_device(device_block(KIND, part), {})["moments"].moments[-1, None]
    for name in ("mean", "m2", "cross", "gram"):
        one, other = KIND.fetch(getattr(share, name)), getattr(expected, name)
        rtol = 1e-5 if (name, gram_dtype) == ("gram", "float32") else 1e-11
        np.testing.assert_allclose(one, other, rtol=0, atol=rtol * np.abs(other).max())
