"""scikit-learn: coordinate descent with a Gram matrix, saga, and SGD from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Found, Library

#: Epochs over the file are the only thing that SGD can be given more of.
EPOCHS = (1, 3, 10)


class Sklearn(Library):
    """Lasso, LassoCV, lasso_path, LogisticRegression(solver="saga"); SGD with partial_fit."""

    PACKAGES: ClassVar[tuple[str, ...]] = ("scikit-learn", "numpy", "scipy")

    @classmethod
    def ladder(cls, problem: Problem) -> tuple[Any, ...]:
        if problem.on_disk:
            return EPOCHS
        return cls.LADDER[:8] if problem.loss != "squared" else cls.LADDER

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        return ""

    def load(self) -> None:
        if self.problem.on_disk:
            self.y = np.load(Path(self.problem.folder) / "y.npy")
        else:
            self.load_arrays("F" if self.problem.loss == "squared" else "C", "csr")

    def fit(self, tol: Any) -> Found:
        problem = self.problem
        if problem.on_disk:
            return self._from_disk(tol)
        if problem.loss != "squared":
            return self._classes(tol)
        if problem.kind == "path":
            from sklearn.linear_model import lasso_path

            _, coefs, _ = lasso_path(
                self.X, self.y, alphas=problem.alphas, tol=tol, max_iter=1_000_000
            )
            return Found.path(coefs)
        return self._cross_validated(tol) if problem.kind == "cv" else self._lasso(tol)

    def _lasso(self, tol: float) -> Found:
        from sklearn.linear_model import Lasso

        gram = self.problem.n_rows > self.problem.n_columns
        model = Lasso(self.alpha, tol=tol, precompute=gram, max_iter=1_000_000)
        model.fit(self.X, self.y)
        return Found.one(model.coef_, model.intercept_, iterations=int(model.n_iter_))

    def _cross_validated(self, tol: float) -> Found:
        from sklearn.linear_model import LassoCV
        from sklearn.model_selection import KFold

        alphas = np.array(self.problem.alphas)
        model = LassoCV(
            alphas=alphas, cv=KFold(self.problem.n_folds), tol=tol, precompute=True,
            max_iter=1_000_000, n_jobs=self.problem.threads,
        ).fit(self.X, self.y)  # fmt: skip
        place = int(np.argmin(np.abs(alphas - model.alpha_)))
        return Found.chosen(model.coef_, model.intercept_, place, model.mse_path_)

    def _classes(self, tol: float) -> Found:
        from sklearn.linear_model import LogisticRegression

        C = 1.0 / (self.alpha * self.problem.n_rows)
        model = LogisticRegression(
            C=C, l1_ratio=1.0, solver="saga", tol=tol, max_iter=100_000, random_state=0
        ).fit(self.X, self.y)
        return Found.one(model.coef_, model.intercept_, iterations=int(model.n_iter_[0]))

    def _from_disk(self, epochs: int) -> Found:
        from data import open_columns
        from sklearn.linear_model import SGDClassifier, SGDRegressor

        problem = self.problem
        settings = {"penalty": "l1", "alpha": self.alpha, "random_state": 0}
        squared = problem.loss == "squared"
        model = SGDRegressor(**settings) if squared else SGDClassifier("log_loss", **settings)
        first = {} if squared else {"classes": [0.0, 1.0]}
        X = open_columns(Path(problem.folder), problem.storage)
        for _ in range(epochs):
            for start in range(0, problem.n_rows, X.chunks[0]):
                rows = slice(start, start + X.chunks[0])
                model.partial_fit(X[rows], self.y[rows], **first)
        return Found.one(model.coef_, model.intercept_, epochs=epochs)


ADAPTER = Sklearn
