"""Fits of every solver, small ones in many blocks, and every checkpoint that they write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import daskreg
from daskreg.checkpoint.store import Store
from daskreg.design.design import Design

N, P = 2000, 12
BLOCK = "16KiB"


@dataclass(frozen=True)
class Case:
    """What is fitted: the estimator, from which data, and how many further passes it may cost to
    go on (columns that were gathered in memory are gathered again)."""

    make: Callable[[], Any]
    target: str
    kind: str = "file"
    rows: dict[str, Any] = field(default_factory=dict)
    further: int = 0


def _made(name: str, **settings: Any) -> Callable[[], Any]:
    return lambda: getattr(daskreg, name)(block_size=BLOCK, **settings)


CASES = {
    "gram": Case(_made("Lasso", alpha=0.1), "y", rows={"sample_weight": np.arange(N) % 3}),
    "float32": Case(_made("ElasticNet", alpha=0.1, tol=1e-12), "y", "float32"),
    "fista": Case(_made("Lasso", alpha=0.1, solver="fista"), "y"),
    "quasi_newton": Case(_made("LogisticRegression", C=0.1, l1_ratio=1.0), "labels"),
    "ridge": Case(_made("LogisticRegression", C=0.1, class_weight="balanced"), "labels"),
    "sampled": Case(
        _made("LogisticRegression", C=0.1, l1_ratio=1.0, solver="sampled_newton"),
        "labels",
        "sparse",
    ),
    "classes": Case(_made("LogisticRegression", C=0.1, l1_ratio=1.0), "classes"),
    "free": Case(
        _made("LogisticRegression", C=0.1, l1_ratio=1.0, penalty_weight=np.r_[0, np.ones(P - 1)]),
        "labels",
    ),
    "screening": Case(_made("Lasso", alpha=0.1, solver="screening"), "y", further=1),
    "path": Case(_made("LassoCV", alphas=6, cv=3, eps=0.1, solver="screening"), "y", further=1),
    "LassoCV": Case(_made("LassoCV", alphas=10), "y"),
    "few rows": Case(_made("LassoCV", alphas=5, cv=3, eps=0.1, solver="gram"), "y", "wide"),
    "RidgeCV": Case(_made("RidgeCV"), "y"),
    "LogisticRegressionCV": Case(
        _made("LogisticRegressionCV", Cs=[1e-2, 1e-1], l1_ratios=[1.0], cv=3), "labels"
    ),
    "BootstrapPaths": Case(
        _made("BootstrapPaths", n_replicates=3, alphas=[0.1, 0.2], loss="logistic"), "labels"
    ),
    "StabilitySelection": Case(_made("StabilitySelection", n_pairs=3, alphas=4), "y"),
    "early, converged": Case(
        _made("LogisticRegression", C=0.01, l1_ratio=1.0, solver="fista", tol=1e-3),
        "labels",
        rows={"validation": 0.2, "patience": 100},
    ),
    "early": Case(
        _made("LogisticRegression", C=1.0, l1_ratio=1.0, solver="fista"),
        "labels",
        rows={"validation": 0.2, "patience": 1},
    ),
}

#: What has to come out equal, as far as an estimator has it.
RESULTS = (
    *("coef_", "intercept_", "alpha_", "alphas_", "C_", "dual_gap_", "n_iter_", "status_"),
    *("mse_path_", "best_score_", "validation_scores_", "stability_path_", "best_iteration_"),
)


def data(folder: Path, kind: str) -> tuple[Any, dict[str, Any]]:
    """X, and targets by name."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(60, 400) if kind == "wide" else (N, P))
    y = X[:, :4] @ [1.0, -2.0, 0.5, 3.0] + rng.normal(size=len(X))
    labels = {
        "y": y,
        "labels": (y > 0).astype(int),
        "classes": np.array(["a", "b", "c"])[np.digitize(y, [-2, 1])],
    }
    if kind == "sparse":
        return sparse.csr_array(np.where(np.abs(X) > 0.7, X, 0.0)), labels
    if kind == "float32":
        X = X.astype(np.float32) + np.float32(2.0)
    np.save(folder / "X.npy", X)
    return folder / "X.npy", labels


def results(model: Any) -> dict[str, Any]:
    """What a model has found, comparable bit by bit."""
    found = {name: getattr(model, name) for name in RESULTS if hasattr(model, name)}
    return {name: np.asarray(value) for name, value in found.items()}


def assert_equal(model: Any, other: Any) -> None:
    mine, its = results(model), results(other)
    assert mine.keys() == its.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], its[name], err_msg=name)


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Every content that a checkpoint has had."""
    written: list[bytes] = []
    write = Store.write

    def record(self: Store, parts: Any) -> None:
        write(self, parts)
        written.append(Path(self.path).read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", record)
        yield written


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Blocks that each pass over X has read; looks at the data to know them do not count."""
    passes: list[int] = []
    make_pass = Design._pass

    def count(self: Design, kernel: Any, state: Any, running: Any = None) -> Any:
        reads_X = getattr(kernel, "reads_X", True) and self.journal is not None
        if reads_X and kernel.name != "fingerprint":
            assert self.layout is not None
            passes.append(self.layout.n_blocks - (len(running.skip) if running else 0))
        return make_pass(self, kernel, state, running)

    with monkeypatch.context() as patch:
        patch.setattr(Design, "_pass", count)
        yield passes
