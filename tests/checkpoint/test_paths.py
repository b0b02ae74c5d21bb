"""Path functions keep what they have found out and go on from it, like fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daskreg import enet_path, lasso_path, logistic_path
from daskreg.exceptions import CheckpointError

from .cases import BLOCK, counted, data, recorded

PATHS: dict[str, tuple[Callable[..., Any], str, dict[str, Any]]] = {
    "gram": (lasso_path, "y", {"alphas": 5}),
    "fista": (enet_path, "y", {"alphas": [0.3, 0.1], "solver": "fista", "fit_intercept": True}),
    "logistic": (logistic_path, "labels", {"Cs": [0.01, 0.1], "l1_ratio": 1.0}),
}


@pytest.mark.parametrize("name", PATHS)
def test_from_every_checkpoint_to_the_same_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (solve, target, settings), path = PATHS[name], tmp_path / "path"
    X, targets = data(tmp_path, "file")
    y, settings = targets[target], settings | {"block_size": BLOCK}
    plain = solve(X, y, **settings)
    with recorded(monkeypatch) as written:
        kept = solve(X, y, **settings, checkpoint=path, checkpoint_every=0)
    assert len(written) > 1
    spent = []
    for content in written[:: max(1, len(written) // 4)] + written[-1:]:
        path.write_bytes(content)
        Path(f"{path}.previous").unlink(missing_ok=True)
        with counted(monkeypatch) as passes:
            again = solve(X, y, **settings, checkpoint=path, resume=True)
        spent.append(sum(passes))
        for one, other, third in zip(again, plain, kept, strict=True):
            np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(third, other)
    assert spent == sorted(spent, reverse=True)
    assert spent[-1] == 0 < spent[0]


def test_another_path_is_refused_and_named(tmp_path: Path) -> None:
    X, targets = data(tmp_path, "file")
    path, y = tmp_path / "path", targets["y"]
    lasso_path(X, y, alphas=[0.2, 0.1], checkpoint=path)
    with pytest.raises(CheckpointError, match="alphas"):
        lasso_path(X, y, alphas=[0.3, 0.1], checkpoint=path, resume=True)
    with pytest.raises(CheckpointError, match="l1_ratio"):
        enet_path(X, y, alphas=[0.2, 0.1], checkpoint=path, resume=True)
    with pytest.raises(CheckpointError, match="fit_intercept"):
        lasso_path(X, y, alphas=[0.2, 0.1], fit_intercept=True, checkpoint=path, resume=True)
    with pytest.raises(CheckpointError, match="estimator"):
        logistic_path(X, targets["labels"], checkpoint=path, resume=True)
    with pytest.raises(ValueError, match="needs checkpoint="):
        lasso_path(X, y, resume=True)
