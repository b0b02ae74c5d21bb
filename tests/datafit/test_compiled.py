"""Compiled loops and the plain kernel are the same sums, for every kind of block."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.compiled.loops import elementary, widening
from daskreg.datafit.groups import ALL
from daskreg.datafit.kernels import fused
from daskreg.datafit.kernels.gradient import GradientKernel
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.datafit.kernels.sparse_rows import SparseRows
from daskreg.datafit.kernels.tile_sums import TileSums, mirror
from daskreg.datafit.kernels.tiles import Labels, stored
from daskreg.design.blocks import Block
from daskreg.losses import Logistic, Multinomial, Squared
from tests.compiled.running import running

from .common import LOSSES, problem
from .common import datafit as make_datafit

TYPES = [
    ("float64", "float64"),
    ("float32", "float32"),
    ("float32", "float64"),
    ("int8", "float32"),
    ("uint16", "float32"),
    ("int64", "float64"),
    ("float16", "float32"),
    ("bfloat16", "float32"),
    ("bool", "float64"),
]
#: A loss sees products of either type and nothing of what is stored: one of two losses meets all
#: types of storage, the other both types of products.  Each case is a compilation.
CASES = [(Squared(), *pair) for pair in TYPES] + [(Logistic(), *pair) for pair in TYPES[:2]]
SHIFTED = [(Squared(), *pair) for pair in (*TYPES[:4], *TYPES[6:8])] + [(Logistic(), *TYPES[1])]


def named(part):
    return part if isinstance(part, str) else part.name


def sample(loss, dtype, kind=np.asarray, *, n=2111, p=17, C=1, weight=False, offset=False):
    rng = np.random.default_rng(n + C)
    X = 3 * rng.standard_normal((n, p)) + 1
    X = (np.abs(X) if np.dtype(dtype).kind == "u" else X).astype(dtype)
    targets = 1 if loss.is_classifier else 3
    y = (
        rng.integers(0, 2, (n, 1)) if loss.is_classifier else rng.standard_normal((n, targets))
    )  # fmt: skip
    block = Block(
        kind(X), y, rng.random(n) if weight else None,
        rng.standard_normal((n, targets)) if offset else None, 0, 0,
    )  # fmt: skip
    state = {
        "coef": 0.3 * rng.standard_normal((p, C)),
        "intercept": rng.standard_normal(C),
        "target": rng.integers(0, targets, C),
        "weighting": np.zeros(C, dtype=np.intp),
    }
    return block, state


def both(loss, block, state, dtype):
    labels = Labels((0, 1), np.array([[1.0], [2.0]])) if loss.is_classifier else None
    return [
        GradientKernel(loss, dtype, labels, compiled=own)(block, state) for own in (False, True)
    ]


def check(plain, compiled, dtype):
    assert set(plain) == set(compiled)
    rtol = 1e-11 if dtype == "float64" else 1e-5
    for name, expected in plain.items():
        size = np.abs(expected).max()
        np.testing.assert_allclose(compiled[name], expected, rtol=rtol, atol=rtol * size)
        assert compiled[name].dtype == np.float64


@pytest.mark.parametrize(("loss", "stored", "dtype"), CASES, ids=named)
@pytest.mark.parametrize("C", [1, 2, 5])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_compiled_sums_are_the_plain_ones(loss, stored, dtype, C, kind):
    if kind is sp.csr_array and stored.endswith("float16"):
        pytest.skip("scipy has no sparse float16")
    for weight, offset in itertools.product([False, True], repeat=2):
        block, state = sample(loss, stored, kind, C=C, weight=weight, offset=offset)
        check(*both(loss, block, state, dtype), dtype)


@pytest.mark.parametrize(("loss", "stored", "dtype"), SHIFTED, ids=named)
@pytest.mark.parametrize("C", [1, 3])
def test_columns_are_shifted_in_cache(loss, stored, dtype, C):
    block, state = sample(loss, stored, C=C)
    state["shift"] = np.linspace(-2, 2, 17).astype(dtype)
    check(*both(loss, block, state, dtype), dtype)
    assert block.X.dtype == stored  # and X itself stays as it is


@pytest.mark.parametrize(("n", "p"), [(1, 1), (3, 2), (130, 1), (5, 3000), (4097, 40)])
@pytest.mark.parametrize("C", [1, 2, 5, 40])
@pytest.mark.parametrize("stored", ["float32", "int8"])
def test_tiles_of_any_size(n, p, C, stored):
    block, state = sample(Squared(), stored, n=n, p=p, C=C)
    check(*both(Squared(), block, state, "float32"), "float32")


@pytest.mark.parametrize("n", [1, 2, 3, 1027])
@pytest.mark.parametrize("C", [3, 4, 7, 16])
@pytest.mark.parametrize("stored", ["float32", "int8"])
def test_few_columns_are_multiplied_in_fours(n, C, stored):
    block, state = sample(Squared(), stored, n=n, p=131, C=C, weight=True)
    check(*both(Squared(), block, state, "float32"), "float32")


def test_read_only_blocks_are_used_where_they_are():
    block, state = sample(Squared(), "float64")
    block.X.flags.writeable = False
    before = both(Squared(), block, state, "float64")
    check(*before, "float64")


@pytest.mark.parametrize("C", [1, 2, 3])
@pytest.mark.parametrize("laid", [np.asfortranarray, lambda X: np.repeat(X, 2, axis=1)[:, ::2]])
def test_rows_that_do_not_follow_one_another_are_copied_to_cache(laid, C):
    block, state = sample(Squared(), "float64", C=C)
    state["intercept"], state["target"] = (
        np.repeat(state[name], 2)[::2] for name in ("intercept", "target")
    )
    check(*both(Squared(), replace(block, X=laid(block.X)), state, "float64"), "float64")


@pytest.mark.parametrize("C", [1, 2, 3])
def test_rows_without_columns_have_sums(C):
    block, state = sample(Squared(), "float32", n=5, p=0, C=C)
    plain, compiled = both(Squared(), block, state, "float32")
    for name, expected in plain.items():
        np.testing.assert_allclose(compiled[name], expected, rtol=1e-5)


@pytest.mark.parametrize("C", [1, 2])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_what_overflows_is_not_finite(loss, C):
    block, state = sample(loss, "float32", C=C)
    state["coef"] = np.full_like(state["coef"], 1e308)
    with np.errstate(over="ignore"):
        sums = both(loss, block, state, "float32")[1]
    assert not np.isfinite(sums["value"]).any()


def test_margins_of_any_size_keep_their_digits():
    """Against the loss itself, one number at a time: no overflow and no cancellation."""
    eta = np.r_[-800.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 0.3, 1.0, 30.0, 700.0]
    for y in (0, 1):
        for number in eta:
            block = Block(np.array([[number]]), np.array([[y]]), None, None, 0, 0)
            state = {
                "coef": np.ones((1, 1)), "intercept": np.zeros(1),
                "target": np.zeros(1, dtype=int), "weighting": np.zeros(1, dtype=int),
            }  # fmt: skip
            labels = Labels((0, 1), np.ones((2, 1)))
            plain, own = (
                GradientKernel(Logistic(), "float64", labels, compiled=way)(block, state)
                for way in (False, True)
            )
            for name in plain:
                np.testing.assert_allclose(own[name], plain[name], rtol=1e-13, atol=1e-300)


def exp_minus_of(a):
    return (elementary.exp_minus(a),)


def log1p_of(u):
    high, f = elementary.halved(u)
    return (high + elementary.log_near_one(f, 1.0 / (2.0 + f)),)


def log_of(x):
    k, f = elementary.split(x)
    return (elementary.joined(k, elementary.log_near_one(f, 1.0 / (2.0 + f))),)


def five_inverses_of(x):
    return elementary.inverses(x, 1.01 * x, 0.98 * x, 0.95 * x, x)


def at_each(function, numbers, n_results=1):
    """The results of a formula, one row for each number."""

    @running
    def run(code, numbers, out):
        for i in code.each(numbers.size):
            for place, one in enumerate(function(numbers[i])):
                out[i, place] = one

    out = np.zeros((len(numbers), n_results))
    run(numbers, out)
    return out


@pytest.mark.parametrize("name", ["exp_minus", "log1p", "log"])
def test_elementary_functions_are_within_two_units_of_the_last_place(name):
    rng = np.random.default_rng(0)
    own, x, exact = {
        "exp_minus": (
            exp_minus_of,
            np.r_[0.0, rng.random(500), 700 * rng.random(500), 1e300, np.inf],
            lambda x: np.exp(-np.minimum(x, elementary.LARGEST)),
        ),
        "log1p": (
            log1p_of,
            np.r_[0.0, 1.0, rng.random(500), 10 ** (-20 * rng.random(500))],
            np.log1p,
        ),
        "log": (log_of, np.r_[1.0, 0.5, rng.random(500), 10 ** (-300 * rng.random(500))], np.log),
    }[name]
    expected = exact(x.astype(np.longdouble))
    found = at_each(own, x)[:, 0]
    assert np.all(np.abs(found - expected) <= 2 * np.spacing(np.abs(expected).astype(float)))


def test_reciprocals_with_one_division_are_within_five_units_of_the_last_place():
    x = 2 + np.random.default_rng(0).uniform(-0.2, 0.38, 500)
    numbers = np.column_stack([x, 1.01 * x, 0.98 * x, 0.95 * x, x])
    exact = 1 / numbers.astype(np.longdouble)
    assert np.all(np.abs(at_each(five_inverses_of, x, 5) - exact) <= 5 * np.spacing(1 / numbers))


def test_what_is_no_number_stays_none():
    assert np.isnan(at_each(exp_minus_of, np.array([np.nan]))).all()


def test_every_float16_is_widened_exactly():
    bits = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    out = np.empty(bits.shape, dtype=np.float32)
    running(widening.widen)(bits, 256, True, np.zeros(256, dtype=np.float32), out)
    np.testing.assert_array_equal(out, bits.view(np.float16).astype(np.float32))


def test_every_bfloat16_is_widened_exactly():
    X = np.arange(2**16, dtype=np.uint16).view("bfloat16").reshape(256, 256)
    bits, half = stored(X)
    out = np.empty(bits.shape, dtype=np.float32)
    running(widening.widen)(bits, 256, half, np.zeros(256, dtype=np.float32), out)
    np.testing.assert_array_equal(out, X.astype(np.float32))


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_a_block_cut_in_two_adds_up(kind):
    block, state = sample(Logistic(), "float64", kind, C=2, weight=True)
    kernel = GradientKernel(Logistic(), "float64", Labels((0, 1), np.ones((2, 1))), compiled=True)
    whole = kernel(block, state)
    halves = [
        kernel(
            Block(block.X[rows], block.y[rows], block.sample_weight[rows], None, rows.start, 0),
            state,
        )
        for rows in (slice(0, 700), slice(700, 2111))
    ]
    check(whole, halves[0] + halves[1], "float64")


def test_data_decide_who_runs(monkeypatch):
    X, y, w, o = problem(loss=Squared())
    fit = make_datafit(X, y, w, o, loss=Squared())
    monkeypatch.setattr(fused, "COMPILED_SIZE", X.size)
    assert fused.pays(fit.design, 1)
    assert not fused.pays(fit.design, 1, once=True)  # dozens of such looks would pay
    assert fit.footprint(1).libraries == ("llvmlite",)
    short = make_datafit(X.astype(np.float16), y, w, o, loss=Squared())
    monkeypatch.setattr(fused, "COMPILED_SIZE", fused.WIDENED * X.size)
    assert not fused.pays(fit.design, 1)
    assert fused.pays(short.design, 1)
    monkeypatch.setattr(fused, "COMPILED_SIZE", X.size)
    fit.design.process_memory = 2**29
    assert not fused.pays(fit.design, 1)
    assert not fused.is_fused(Multinomial())
    monkeypatch.setattr(fused, "COMPILED_SIZE", X.size + 1)
    fit.design.process_memory = None
    assert not fused.pays(fit.design, 1)
    assert fit.footprint(1).libraries == ()
    with fused.compiled_whatever_the_size():
        assert fused.pays(fit.design, 1)
    assert not fused.pays(fit.design, 1)


def test_sparse_rows_count_by_their_entries(monkeypatch):
    X = sp.random_array((300, 50), density=0.1, format="csr", rng=0)
    fit = make_datafit(X, np.zeros((300, 1)), None, None, loss=Squared())
    monkeypatch.setattr(fused, "COMPILED_ENTRIES", X.nnz)
    assert fused.pays(fit.design, 1)
    monkeypatch.setattr(fused, "COMPILED_ENTRIES", 3 * X.nnz)
    assert not fused.pays(fit.design, 1)
    assert fused.pays(fit.design, 3)


@pytest.mark.parametrize("stored", ["float64", "float32", "int8", "float16", "bfloat16", "bool"])
@pytest.mark.parametrize("columns", [(), (0, 3), None])
@pytest.mark.parametrize("gram_dtype", ["float64", "float32"])
@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("by_label", [False, True])
def test_compiled_moments_are_the_plain_ones(stored, columns, gram_dtype, weight, by_label):
    loss = Logistic() if by_label else Squared()
    block, _ = sample(loss, stored, n=10_003, p=7, weight=weight)
    plain, own = (
        MomentsKernel(by_label, columns, gram_dtype, compiled=way)(block, {})["moments"]
        for way in (False, True)
    )
    assert plain.moments.keys() == own.moments.keys()
    for key, expected in plain.moments.items():
        found = own.moments[key]
        for name in ("weight", "n_rows", "mean", "m2", "target_mean", "target_m2", "cross"):
            a, b = getattr(found, name), getattr(expected, name)
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11 * expected.weight)
        assert (found.gram is None) == (expected.gram is None)
        if expected.gram is not None:
            atol = 1e-11 if gram_dtype == "float64" else 1e-4
            atol *= max(1.0, expected.m2.max())
            np.testing.assert_allclose(found.gram, expected.gram, rtol=0, atol=atol)


@pytest.mark.parametrize("constant", [0.1, 1e5, 0.0])
@pytest.mark.parametrize("weight", [False, True])
def test_a_constant_column_of_compiled_moments_has_no_variance(constant, weight):
    block, _ = sample(Squared(), "float32", n=9000, p=5, weight=weight)
    block.X[:, 2] = constant
    if weight:  # what no row of any weight shows is not there
        block.sample_weight[:3000] = 0.0
        block.X[:3000, 2] = 7.0
    found = MomentsKernel(False, None, "float64", compiled=True)(block, {})["moments"]
    moments = found.moments[-1, None]
    assert np.sqrt(moments.m2[2] / moments.weight) <= 1e-13 * abs(constant)
    far = np.abs(moments.gram[2]).max() / moments.weight
    assert far <= 1e-12 * max(1.0, abs(constant))


def test_far_columns_keep_the_digits_of_their_variance():
    block, _ = sample(Squared(), "float64", n=20_000, p=3)
    expected = block.X.var(axis=0)
    block.X[:] += 1e6
    found = MomentsKernel(compiled=True)(block, {})["moments"].moments[-1, None]
    np.testing.assert_allclose(found.m2 / found.weight, expected, rtol=1e-8)


@pytest.mark.parametrize("stored", ["float64", "float32", "int8", "bool"])
@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("by_label", [False, True])
def test_compiled_gram_matrices_of_sparse_rows_are_the_products(stored, weight, by_label):
    loss = Logistic() if by_label else Squared()
    block, _ = sample(loss, stored, n=3001, p=7, weight=weight)
    dense = np.where(np.arange(block.X.size).reshape(block.X.shape) % 3 > 0, 0, block.X)
    dense[:, 4] = 1  # a column that is stored in every row is shifted
    X = sp.csr_array(dense.astype(stored))
    wide = dense.astype(stored).astype(np.float64)
    other = Block(X, block.y, block.sample_weight, None, 0, 0)
    found = MomentsKernel(by_label, None, compiled=True)(other, {})["moments"].moments[ALL, None]
    w = np.ones(len(dense)) if block.sample_weight is None else block.sample_weight
    centred = wide - w @ wide / w.sum()
    np.testing.assert_allclose(
        found.gram, (centred * w[:, None]).T @ centred, rtol=0, atol=1e-9 * found.m2.max()
    )


def test_columns_of_a_sparse_row_come_in_any_order_and_twice():
    parts = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([3, 0, 3, 1, 2]), np.array([0, 3, 5])
    X = sp.csr_array(parts, shape=(2, 4))
    gram = np.zeros((4, 4))
    SparseRows(X, np.arange(2)).add_gram(np.empty(0), np.ones((2, 1)), gram)
    mirror(gram)
    dense = np.array([[2.0, 0, 0, 4.0], [0, 4.0, 5.0, 0]])
    np.testing.assert_array_equal(gram, dense.T @ dense)


@pytest.mark.parametrize("whole", [0, 1, 2])
@pytest.mark.parametrize("n_rows", [1, 5, 40])
def test_sums_of_some_sparse_rows_are_those_of_their_dense_form(whole, n_rows):
    """About the means of the columns that all of these rows store; there may be none."""
    rng = np.random.default_rng(n_rows)
    dense = np.where(rng.random((60, 6)) < 0.3, rng.normal(size=(60, 6)), 0.0)
    dense[:, :whole] = 5.0 + rng.random((60, whole))
    rows = np.sort(rng.choice(60, n_rows, replace=False))
    if n_rows == 40:
        dense[rows[0]] = 1.0  # the first of the rows stores everything
    some, weight = SparseRows(sp.csr_array(dense), rows), rng.random(n_rows) + 0.5
    root, own = np.sqrt(weight), dense[rows]
    shift = some.shift(root, weight.sum())
    full = (own != 0).all(axis=0)
    expected = np.where(full, weight @ own / weight.sum(), 0.0)
    np.testing.assert_allclose(shift if shift.size else np.zeros(6), expected, atol=1e-15)
    right = np.column_stack([root, rng.normal(size=n_rows)])
    stored = np.where(own != 0, own - expected, 0.0) * root[:, None]
    sums = some.sums(shift, right)
    np.testing.assert_allclose(sums[:, 0], (stored**2).sum(axis=0), atol=1e-14)
    np.testing.assert_allclose(sums[:, 1:], stored.T @ right, atol=1e-14)
    gram = np.zeros((6, 6))
    some.add_gram(shift, right, gram)
    np.testing.assert_allclose(gram, np.triu(stored.T @ stored), atol=1e-14)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("columns", [(), None])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("by_label", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_moments_prove_values_finite_only_where_they_are(kind, columns, compiled, by_label, value):
    loss = Logistic() if by_label else Squared()
    block, _ = sample(loss, "float64", n=200, p=5)
    kernel = MomentsKernel(by_label, columns, compiled=compiled)
    for place in [(0, 0), (37, 1), (199, 4)]:
        X = np.array(block.X)
        X[place] = value
        bad = Block(kind(X), block.y, None, None, 0, 0)
        assert not kernel.proves_finite(kernel(bad, {}), bad)
        weight = np.ones(len(X))
        weight[place[0]] = 0.0  # hides the value
        bad = Block(kind(X), block.y, weight, None, 0, 0)
        assert not kernel.proves_finite(kernel(bad, {}), bad)
    good = Block(kind(block.X), block.y, None, None, 0, 0)
    proven = kernel.proves_finite(kernel(good, {}), good)
    assert proven or by_label  # labels summed apart prove nothing


@pytest.mark.parametrize("n_labels", [1, 2, 3])
def test_products_with_the_last_label_follow_from_those_with_the_others(n_labels):
    rng = np.random.default_rng(n_labels)
    X, z = rng.standard_normal((300, 7)), np.eye(n_labels)[rng.integers(0, n_labels, 300)]
    root = np.sqrt(rng.random(300))
    right = np.column_stack(
        [root, (z - np.square(root) @ z / np.square(root).sum()) * root[:, None]]
    )
    found = []
    for one_hot in (False, True):
        sums = TileSums(7, np.dtype(np.float64), None, ())
        sums.one_hot = one_hot
        found.append(sums.add(X, np.zeros(7), root, right))
    for one, other in zip(*found, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-12)
