"""Compressed rows that loops can trust."""

import numpy as np
import pytest
import scipy.sparse as sp

import daskreg
from daskreg.design.sources.csr import canonical
from daskreg.exceptions import DataError


def broken(column):
    X = sp.random_array((40, 7), density=0.5, format="csr", rng=np.random.default_rng(0))
    X.indices[5] = column
    return X


@pytest.mark.parametrize("column", [-1, 7, 2**30])
def test_an_entry_in_no_column_is_refused(column):
    with pytest.raises(DataError, match=f"entry in column {column:,} .expected 0 to 6"):
        canonical(broken(column), np.dtype(np.float64))


def test_a_fit_names_the_entry_that_lies_in_no_column():
    with pytest.raises(DataError, match="entry in column -3"):
        daskreg.Lasso(0.1).fit(broken(-3), np.arange(40.0))


def test_what_is_known_to_be_right_is_not_looked_through():
    block = canonical(broken(-1), np.dtype(np.float64), known=True)
    assert block.has_canonical_format
