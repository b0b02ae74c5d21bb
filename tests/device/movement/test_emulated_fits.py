"""Whole fits whose CUDA C runs on the host; some blocks stay on the card, others pass through it.

The card checks the order of copies and of what kernels read, as it does for functions of arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

from daskreg.design.device.shelf import SHELF
from daskreg.linear_model import Lasso, LassoCV, LogisticRegression
from tests.device.conftest import BLOCK
from tests.device.kernels.emulated import KIND, Array, RawModule, needs_compiler
from tests.device.stand_in import Buffer, StandInCard, Watched

pytestmark = needs_compiler


class Emulated(Array, Watched):
    """An array of the card with an address."""

    def is_read(self) -> None:
        if self.card is not None:
            self.card.reads(self.buffer)


class EmulatedCard(StandInCard):
    """A card that takes CUDA C."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit, mixes=True)
        self.xp = KIND.xp

    def array(self, values: Any, buffer: Buffer | None = None) -> Any:
        array = values.view(Emulated)
        array.card, array.buffer = self, buffer
        return array

    def is_array(self, value: Any) -> bool:
        return isinstance(value, Array)

    def fetch(self, array: Any) -> Any:
        return super().fetch(array) if isinstance(array, Watched) else np.array(array)


MODELS: dict[str, Any] = {
    "lasso": lambda: Lasso(alpha=0.05, solver="fista", tol=1e-7, block_size=BLOCK // 16),
    "folds": lambda: LassoCV(alphas=4, cv=3, solver="fista", tol=1e-6, block_size=BLOCK // 16),
    "logistic": lambda: LogisticRegression(
        C=0.05, solver="fista", tol=1e-7, block_size=BLOCK // 16
    ),
}
#: One problem alone is read once, several at a time go through products.
DENSE = {"gradient_rows", "between_products"}
SPARSE = {"csr_times", "between_sparse", "csc_pieces", "csc_join", "csc_moments"}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_fit_by_cuda_c(card_with, monkeypatch, name, sparse):
    monkeypatch.setattr("daskreg.design.plan.SMALL", 0)
    monkeypatch.setattr("daskreg.datafit.kernels.cuda.launch.MULTIPROCESSORS", 1)
    monkeypatch.setattr("daskreg.datafit.kernels.cuda.launch.tile_lines", lambda n_columns: 2)
    rng = np.random.default_rng(3)
    X = rng.standard_normal((300, 6)) + 0.5
    y = X[:, :3] @ np.array([1.0, -0.5, 0.25]) + rng.standard_normal(len(X))
    y = (y > y.mean()).astype(int) if name == "logistic" else y
    X = scipy.sparse.csr_array(np.where(rng.random(X.shape) < 0.5, X, 0.0)) if sparse else X
    expected = MODELS[name]().fit(X, y)
    RawModule.launches.clear()
    stored = X.data.nbytes if sparse else X.nbytes
    card, claim = card_with(1 << 30, EmulatedCard), SHELF.claim

    def some(shard: Any, nbytes: int, limit: int) -> bool:
        return SHELF.nbytes + nbytes <= stored // 2 and claim(shard, nbytes, limit)

    monkeypatch.setattr(SHELF, "claim", some)
    found = MODELS[name]().fit(X, y)
    bound = 1e-10 * np.abs(expected.coef_).max()
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=0, atol=bound)
    launched = {kernel for kernel, *_ in RawModule.launches}
    assert launched == (SPARSE if sparse else DENSE)
    assert card.moved > 3 * stored
    assert found.plan_.device is not None
