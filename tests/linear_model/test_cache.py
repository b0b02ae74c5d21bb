"""``cache=`` says where rows stay between passes and changes no bit of a fit."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg import Lasso
from daskreg.design.host import process_memory


@pytest.fixture
def files(tmp_path):
    random = np.random.default_rng(5)
    X = random.standard_normal((40_000, 50)).astype(np.float32)
    y = X[:, :5].sum(1) + random.standard_normal(len(X))
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    return str(tmp_path / "X.npy"), str(tmp_path / "y.npy")


@pytest.mark.parametrize("cache", ["auto", "memory", "disk", None])
def test_the_same_bits_from_every_tier(files, cache, tmp_path):
    settings = {"alpha": 0.05, "solver": "fista", "block_size": "512 KiB", "tol": 1e-4}
    plain = Lasso(**settings).fit(*files)
    model = Lasso(**settings, cache=cache, scratch=tmp_path).fit(*files)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    assert plain.n_passes_ == model.n_passes_ > 2
    if cache is None:
        assert model.plan_.bytes_pinned == 0
        assert model.bytes_read_ > 2 * plain.bytes_read_
    assert sorted(path.name for path in tmp_path.iterdir()) == ["X.npy", "y.npy"]


def test_the_plan_of_a_fit_tells_what_was_spooled(files, monkeypatch):
    standing = process_memory()
    monkeypatch.setattr("daskreg.design.passes.threads.process_memory", lambda: standing)
    settings = {"alpha": 0.05, "solver": "fista", "block_size": "256 KiB", "tol": 1e-4}
    roomy = Lasso(**settings).fit(*files)
    fixed = roomy.plan_.peak - roomy.plan_.bytes_pinned
    limit = int((fixed + roomy.plan_.total_bytes / 2) / 0.85)
    model = Lasso(**settings, memory_limit=limit, cache="disk").fit(*files)
    np.testing.assert_array_equal(model.coef_, roomy.coef_)
    assert 0 < model.plan_.bytes_spooled < model.plan_.total_bytes
    assert model.plan_.notes[-1].startswith("spooled ")


def test_another_cache_is_refused_before_anything_is_read(files):
    with pytest.raises(ValueError, match="cache must be one of"):
        Lasso(cache="ram").fit(*files)
