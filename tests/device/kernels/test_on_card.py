"""The same on a card: what the host sums, and the same bits each time."""

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg._device import cupy_or_none, gpu_available
from daskreg.losses import Logistic, Multinomial, Squared
from tests.stand_in import Kind

from .blocks import blocks, close
from .test_gradient import on_card, on_host, problem

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


@pytest.mark.parametrize("loss", [Squared(), Logistic(), Multinomial()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("storage", ["float64", "float32", "float16", "int8", "csr"])
@pytest.mark.parametrize("n_columns", [1, 4, 40])
def test_a_pass(loss, storage, n_columns):
    X, y, weight, offset, kernel, state = problem(loss, n_columns)
    sparse = storage == "csr"
    X = sp.csr_array(np.where(np.abs(X) > 2, X, 0.0)) if sparse else X.astype(storage)
    parts = blocks(X, y, weight, offset, borders=(100, 101))
    kind = CardKind("numpy", cupy_or_none())
    found = on_card(kind, kernel, state, parts)
    close(found, on_host(kernel, state, parts), 1e-11)
    again = on_card(kind, kernel, state, parts)
    for name, value in found.items():
        np.testing.assert_array_equal(value, again[name])
