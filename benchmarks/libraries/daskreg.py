"""daskreg by its public names, with its defaults; ``tol`` is 1e-6 unless that misses the gap."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Found, Library


class Daskreg(Library):
    """Lasso, LassoCV, lasso_path and LogisticRegression of daskreg."""

    LADDER: ClassVar[tuple[Any, ...]] = (1e-6, 1e-7, 1e-8, 1e-9)
    PACKAGES: ClassVar[tuple[str, ...]] = ("daskreg", "dask", "numpy", "llvmlite", "scikit-learn")

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        return ""

    @classmethod
    @cache
    def _compiled(cls) -> None:
        # Tiny fits load no compiler: what it compiles once for an installation is not a fit's.
        subprocess.run([sys.executable, "-m", "daskreg", "warm-up"], check=True, stdout=sys.stderr)

    def prepare(self) -> None:
        self._compiled()

    def load(self) -> None:
        if self.problem.on_disk:
            self.X = str(Path(self.problem.folder) / "X.zarr")
            self.y = np.load(Path(self.problem.folder) / "y.npy")
        else:
            self.load_arrays("C", "csr")

    def fit(self, tol: Any) -> Found:
        from daskreg import Lasso, LassoCV, LogisticRegression, lasso_path

        problem, X, y = self.problem, self.X, self.y
        limit = {} if problem.memory is None else {"memory_limit": problem.memory}
        if problem.kind == "path":
            _, coefs, _ = lasso_path(X, y, alphas=problem.alphas, tol=tol)
            return Found.path(coefs)
        model: Any
        if problem.kind == "cv":
            model = LassoCV(alphas=np.array(problem.alphas), cv=problem.n_folds, tol=tol).fit(X, y)
            place = int(np.argmin(np.abs(np.array(problem.alphas) - model.alpha_)))
            notes = {"passes": int(model.n_passes_), "solver": model.solver_}
            return Found.chosen(model.coef_, model.intercept_, place, model.mse_path_, **notes)
        if problem.loss == "squared":
            model = Lasso(self.alpha, tol=tol, **limit).fit(X, y)
        else:
            C = 1.0 / (self.alpha * problem.n_rows)
            model = LogisticRegression(C, l1_ratio=1.0, tol=tol, **limit).fit(X, y)
        notes = {"passes": int(model.n_passes_), "solver": str(model.solver_)}
        return Found.one(model.coef_, model.intercept_, **notes)


ADAPTER = Daskreg
