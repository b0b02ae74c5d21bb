"""Rows that stand for their Gram matrix add up to the same matrix."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskreg.datafit.few_rows import FewRows, joined, matrix_of
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.design.blocks import Block

P = 40


def blocks(cuts, *, weight, seed):
    rng = np.random.default_rng(seed)
    n = int(sum(cuts))
    X = rng.normal(size=(n, P)) * rng.uniform(0.1, 10.0, size=P) + 100.0 * rng.normal(size=P)
    y = rng.normal(size=(n, 1))
    # Some rows, and now and then whole blocks, weigh nothing.
    w = rng.integers(0, 3, size=n).astype(float) if weight else None
    start, found = 0, []
    for index, size in enumerate(cuts):
        part = slice(start, start + size)
        found.append(Block(X[part], y[part], None if w is None else w[part], None, start, index))
        start += size
    return X, y, np.ones(n) if w is None else w, found


@settings(deadline=None, max_examples=60)
@given(
    cuts=st.lists(st.integers(1, 45), min_size=1, max_size=7),
    weight=st.booleans(),
    pairwise=st.booleans(),
    seed=st.integers(0, 100),
)
def test_any_blocks_add_up_to_the_centred_gram_matrix(cuts, weight, pairwise, seed):
    X, _, w, parts = blocks(cuts, weight=weight, seed=seed)
    if not w.sum():
        return
    kernel = MomentsKernel(columns=None)
    sums = [kernel(block, {})["moments"] for block in parts]
    while len(sums) > 1:
        if pairwise:
            sums = [sum(sums[i : i + 2][1:], sums[i]) for i in range(0, len(sums), 2)]
        else:
            sums = [sums[0] + sums[1], *sums[2:]]
    found = sums[0].whole().of([-1], None)
    mean = w @ X / w.sum()
    Z = (X - mean) * np.sqrt(w)[:, None]
    size = np.sqrt(np.diag(Z.T @ Z))
    error = np.abs(found.gram - Z.T @ Z) / np.maximum(np.outer(size, size), 1e-300)
    assert error.max(initial=0.0) <= 1e-10
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(found.m2, np.diag(Z.T @ Z), rtol=1e-9, atol=1e-12)


def test_a_sum_of_many_rows_is_a_matrix_and_never_larger():
    one = FewRows((np.ones((P // 4, P)),))
    assert isinstance(joined(one, FewRows((np.ones((1, P)),)), np.zeros(P)), FewRows)
    assert isinstance(joined(one, one, np.zeros(P)), np.ndarray)
    assert one.nbytes <= 8 * P * P / 2


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rows_scale_and_pickle_as_their_matrix(dtype):
    rng = np.random.default_rng(0)
    few = FewRows((rng.normal(size=(3, P)).astype(dtype), rng.normal(size=(2, P)).astype(dtype)))
    assert (few * 4.0).matrix().dtype == np.float64
    np.testing.assert_allclose((few * 4.0).matrix(), 4.0 * few.matrix(), rtol=1e-6)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(few)).matrix(), few.matrix())
    v = rng.normal(size=P)
    np.testing.assert_allclose(
        few.with_row(v).matrix(), few.matrix() + np.outer(v, v), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(matrix_of(few), few.matrix())
