"""Numbers that numpy does not have by itself are refused in words that help."""

import dask.array as da
import numpy as np
import pytest

from daskreg.exceptions import DataError
from daskreg.linear_model import Lasso


@pytest.mark.parametrize("wrap", [np.asarray, lambda X: da.from_array(X, chunks=5)])
def test_bfloat16_is_refused_with_what_to_do(wrap):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    X = np.ones((20, 2), dtype=ml_dtypes.bfloat16)
    with pytest.raises(DataError, match=r"bfloat16.*astype\("):
        Lasso().fit(wrap(X), np.arange(20.0))
