from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg._array import take_rows
from daskreg.design.recognise import open_rows

from .readings import check_rows

DTYPES = [
    "?",
    "i1",
    "i2",
    "i4",
    "i8",
    "u1",
    "u2",
    "u4",
    "u8",
    "f2",
    "f4",
    "f8",
    ">f4",
    ">i2",
    ">f8",
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_array(random, dtype, order):
    X = np.asarray(random.integers(0, 100, (53, 7)), dtype=dtype, order=order)
    rows = open_rows(X)
    check_rows(rows, X)
    assert rows.resident
    assert rows.dtype == np.dtype(dtype).newbyteorder("=")


def test_array_is_viewed_not_copied(random):
    X = random.normal(size=(20, 3))
    X.flags.writeable = False
    with open_rows(X).open() as reader:
        assert np.shares_memory(reader.read(3, 9), X)


@pytest.mark.parametrize("view", [np.s_[::2], np.s_[:, ::-1], np.s_[5:30, 1:3], np.s_[::-1]])
def test_views(random, view):
    X = random.normal(size=(40, 6))[view]
    check_rows(open_rows(X), X)


def test_pickle_of_a_cut_holds_its_rows_only(random):
    X = random.normal(size=(10_000, 8))
    assert len(pickle.dumps(open_rows(X).cut(100, 120))) < 4096


@pytest.mark.parametrize("role", ["y", "sample_weight", "offset"])
def test_one_dimension_becomes_a_column(random, role):
    y = random.normal(size=41)
    check_rows(open_rows(y, role=role), y[:, None])


@pytest.mark.parametrize("y", [np.array(["no", "yes", "maybe"] * 9), ["a", "bb"] * 5])
def test_string_labels(y):
    check_rows(open_rows(y, role="y"), np.asarray(y)[:, None])


def test_labels_that_came_as_objects():
    y = np.array(["a", "bcd"] * 6, dtype=object)
    check_rows(open_rows(y, role="y"), y.astype(str)[:, None])


def test_lists():
    check_rows(open_rows([[1, 2], [3, 4], [5, 6]]), [[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array, sp.coo_array, sp.lil_array])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "?"])
def test_sparse(random, kind, dtype):
    X = sp.random_array((61, 23), density=0.2, rng=random, dtype=np.float64)
    X.data = np.ceil(9 * X.data)
    X = kind(X.astype(dtype))
    rows = open_rows(X)
    check_rows(rows, X.toarray())
    assert rows.sparse
    assert rows.dtype == dtype


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_sparse_with_duplicates_unsorted(random, kind):
    row, column = random.integers(0, 30, 400), random.integers(0, 5, 400)
    data = random.integers(1, 9, 400).astype(float)
    coo = sp.coo_array((data, (row, column)), shape=(30, 5))
    if kind == "csr":
        order = np.argsort(row, kind="stable")
        indptr = np.searchsorted(row[order], np.arange(31))
        X = sp.csr_array((data[order], column[order], indptr), shape=(30, 5))
    elif kind == "csc":
        order = np.argsort(column, kind="stable")
        indptr = np.searchsorted(column[order], np.arange(6))
        X = sp.csc_array((data[order], row[order], indptr), shape=(30, 5))
    else:
        X = coo
    before = X.data.copy()
    check_rows(open_rows(X), coo.toarray())
    np.testing.assert_array_equal(X.data, before)


def test_sparse_rows_in_order_coo(random):
    X = sp.random_array((61, 23), density=0.2, rng=random, dtype=np.float64).tocsr().tocoo()
    check_rows(open_rows(X), X.toarray())


def test_canonical_csr_shares_its_values(random):
    X = sp.random_array((61, 23), density=0.2, rng=random, dtype=np.float64).tocsr()
    X.sum_duplicates()
    with open_rows(X).open() as reader:
        # Little of it too: SciPy would copy what is less than half of the whole.
        for rows in (slice(3, 40), slice(7, 11)):
            block = reader.read(rows.start, rows.stop)
            assert np.shares_memory(block.data, X.data)
            assert np.shares_memory(block.indices, X.indices)
            half = take_rows(block, 1, 3)
            assert np.shares_memory(half.data, X.data)
            np.testing.assert_array_equal(half.toarray(), X[rows].toarray()[1:3])


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_pickle_of_a_sparse_cut_holds_its_rows_only(random, kind):
    X = sp.random_array((20_000, 50), density=0.05, rng=random, dtype=np.float64).asformat(kind)
    assert len(pickle.dumps(open_rows(X).cut(100, 130))) < 4096


def test_wide_indices_become_small(random):
    X = sp.random_array((61, 23), density=0.2, rng=random, dtype=np.float64).tocsr()
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    check_rows(open_rows(X), X.toarray())
