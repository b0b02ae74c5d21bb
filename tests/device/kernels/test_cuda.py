"""The CUDA C of a pass, its arguments and its launches, run on the host by an emulator."""

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.datafit.kernels.cuda.launch import GROUP
from daskreg.datafit.kernels.gradient import GradientKernel
from daskreg.datafit.weightings import Weightings
from daskreg.design.partials import Sums
from daskreg.losses import Logistic, Squared
from daskreg.problems import Problems
from daskreg.splits import PoissonBootstrap, ShuffledFolds

from .blocks import blocks, close, device_block
from .emulated import KIND, RawModule, needs_compiler
from .test_gradient import on_card, on_host, problem

pytestmark = needs_compiler
LOSSES = pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=lambda loss: loss.name)


@pytest.fixture(autouse=True)
def few_lines(monkeypatch):
    """Few blocks of threads: the emulator runs them one after another."""
    monkeypatch.setattr("daskreg.datafit.kernels.cuda.launch.MULTIPROCESSORS", 1)
    monkeypatch.setattr("daskreg.datafit.kernels.cuda.launch.tile_lines", lambda n_columns: 2)
    RawModule.launches.clear()


def widened(X, state, p):
    """Return columns beside columns, p of them, and coefficients for them."""
    rng = np.random.default_rng(2)
    X = np.tile(X, (1, -(-p // X.shape[1])))[:, :p].copy()
    X[:, -1] = X[:, 0] > 0
    scale = 1.0 / (np.sqrt(p) * np.abs(X).max().astype(float))
    return X, {**state, "coef": 3.0 * scale * rng.normal(size=(p, state["coef"].shape[1]))}


@LOSSES
@pytest.mark.parametrize("p", [9, 256])
@pytest.mark.parametrize("extras", [False, True])
def test_lone_column(loss, p, extras):
    X, y, weight, offset, kernel, state = problem(loss, 1)
    X, state = widened(X, state, p)
    beside = (weight, offset) if extras else (None, None)
    parts = blocks(X, y, *beside, borders=(100, 101))
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-12)
    launches = RawModule.launches
    assert [name for name, *_ in launches] == ["gradient_rows"] * 6  # one a block and pass
    assert {(grid, block) for _, grid, block, _ in launches} <= {((2,), (128,)), ((3,), (128,))}


@pytest.mark.parametrize(
    ("storage", "p", "shifted"),
    [
        ("bool", 64, False),
        ("int8", 256, True),
        ("uint8", 48, True),
        ("int16", 40, False),
        ("float16", 256, False),
        ("float16", 33, True),
        ("bfloat16", 256, False),
        ("bfloat16", 33, True),
        ("float32", 256, False),
        ("float32", 700, True),
    ],
)
def test_lone_column_storage(storage, p, shifted):
    X, y, weight, offset, kernel, state = problem(Logistic(), 1, storage=storage)
    X, state = widened(X, state, p)
    X, y, weight, offset = X[:90], y[:90], weight[:90], offset[:90]
    kernel = GradientKernel(kernel.loss, "float32", kernel.labels)
    if shifted:
        state["shift"] = X.mean(axis=0, dtype=np.float32)
    parts = blocks(X, y, weight, offset, borders=(40,))
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-5)


@LOSSES
@pytest.mark.parametrize("n_columns", [2, 5, 40])
@pytest.mark.parametrize("sparse", [False, True])
def test_several_columns(loss, n_columns, sparse):
    X, y, weight, offset, kernel, state = problem(loss, n_columns)
    if sparse:
        X[np.abs(X) < 2] = 0.0
        X[5], X[:, 2] = 0.0, 0.0
        X = sp.csr_array(X)
    parts = blocks(X, y, weight, offset, borders=(100, 101))
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-12)
    names = {name for name, *_ in RawModule.launches}
    sparse_ones = {"csr_times", "between_sparse", "csc_pieces", "csc_join"}
    assert names == (sparse_ones if sparse else {"between_products"})
    if sparse:
        groups = -(-n_columns // GROUP)
        assert len(RawModule.launches) == 2 * 3 * 4 * groups


@pytest.mark.parametrize("n_columns", [1, 5])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("resampled", [False, True])
@LOSSES
def test_weightings(loss, n_columns, sparse, resampled):
    fold = np.array([2, 0, 3, -1, -1])[:n_columns]
    bootstrap = np.array([1, -1, -1, 0, 1])[:n_columns] if resampled else np.full(n_columns, -1)
    ones, resamples = np.ones(n_columns), PoissonBootstrap(3, 0) if resampled else None
    zeros = np.zeros(n_columns, np.intp)
    problems = Problems(ones, ones, zeros, fold=fold, bootstrap=bootstrap)
    weightings, which = Weightings.of(problems, ShuffledFolds(5, 0), resamples)
    X, y, weight, offset, kernel, state = problem(loss, n_columns, weightings, which)
    X = sp.csr_array(np.where(np.abs(X) > 2, X, 0.0)) if sparse else X
    parts = blocks(X, y, weight, offset, borders=(77,))
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-12)


def test_many_sparse_rows_are_multiplied_with_few_columns_at_a_time(monkeypatch):
    monkeypatch.setattr("daskreg.datafit.kernels.cuda.launch.PREDICTORS", 8 * 200 * 2)
    X, y, weight, offset, kernel, state = problem(Logistic(), 5)
    X = sp.csr_array(np.where(np.abs(X) > 2, X, 0.0))
    parts = blocks(X, y, weight, offset, borders=(200,))
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-12)
    predictors = [values[-1] for name, _, _, values in RawModule.launches if name == "csr_times"]
    assert {array.shape for array in predictors} == {(200, 2), (200, 1), (330, 1)}


@LOSSES
def test_several_tiles_of_a_block(loss, monkeypatch):
    monkeypatch.setattr("daskreg.datafit.kernels.cuda.tiles.CARD_TILE_BYTES", 4096)
    X, y, weight, offset, kernel, state = problem(loss, 3)
    parts = blocks(X, y, weight, offset, borders=(100,))
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-12)
    assert len(RawModule.launches) == 2 * (1 + 3)  # of the two blocks, in two passes


@pytest.mark.parametrize("n_columns", [1, 6])
def test_several_targets(n_columns):
    X, y, weight, _, kernel, state = problem(Squared(), n_columns, targets=3)
    state["target"] = np.arange(n_columns)[::-1] % 3
    offset = np.random.default_rng(1).normal(size=(len(y), 3))
    parts = blocks(X, y, weight, offset)
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-12)


@pytest.mark.parametrize("sparse", [False, True])
def test_targets_may_lie_in_memory_as_they_like(sparse):
    X, y, weight, _, kernel, state = problem(Squared(), 6, targets=3)
    X = sp.csr_array(np.where(np.abs(X) > 2, X, 0.0)) if sparse else X
    state["target"] = np.arange(6)[::-1] % 3
    y, offset = np.asfortranarray(y), np.asfortranarray(0.5 * y)
    weight = np.repeat(weight, 2)[::2]
    parts = blocks(X, y, weight, offset)
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-12)


@pytest.mark.parametrize("sparse", [False, True])
def test_no_array_has_a_row_for_each_resample_and_column(sparse, monkeypatch):
    def refused(*_args, **_kwargs):
        raise AssertionError("multiplicities are taken one by one, in the kernel")

    ones, which = np.ones(40), np.arange(40) % 3
    resamples, zeros = PoissonBootstrap(3, 0), np.zeros(40, np.intp)
    problems = Problems(ones, ones, zeros, fold=np.full(40, -1), bootstrap=which)
    weightings, which = Weightings.of(problems, None, resamples)
    X, y, weight, offset, kernel, state = problem(Logistic(), 40, weightings, which)
    X = sp.csr_array(np.where(np.abs(X) > 2, X, 0.0)) if sparse else X
    parts = blocks(X, y, weight, offset)
    expected = on_host(kernel, state, parts)
    monkeypatch.setattr(KIND.xp, "take", refused)
    close(on_card(KIND, kernel, state, parts), expected, 1e-12)


def test_full_columns_are_added_in_pieces():
    rng = np.random.default_rng(0)
    X = sp.csr_array(rng.normal(size=(2500, 3)) * np.array([1.0, 0.0, 1.0]))
    y = rng.normal(size=(2500, 1))
    kernel = GradientKernel(Squared())
    state = {"coef": rng.normal(size=(3, 2)), "intercept": np.ones(2), "target": np.zeros(2, int)}
    parts = blocks(X, y)
    close(on_card(KIND, kernel, state, parts), on_host(kernel, state, parts), 1e-12)


def test_sums_come_in_a_fixed_order():
    X, y, weight, offset, kernel, state = problem(Logistic(), 1)
    parts = blocks(X.astype(np.float32), y, weight, offset, borders=(100,))
    first, second = (on_card(KIND, kernel, state, parts) for _ in range(2))
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


def test_packed_sums_add_as_any_sums_do():
    X, y, weight, offset, kernel, state = problem(Logistic(), 1)
    parts = [device_block(KIND, part) for part in blocks(X, y, weight, offset, borders=(100,))]
    first, second = (kernel.on_device(part, state) for part in parts)
    both, plain = first + second, Sums(first) + Sums(second)
    assert both.whole is not None
    for name, value in plain.items():
        np.testing.assert_array_equal(both[name], value)
    assert (first + Sums(second)).keys() == plain.keys()
