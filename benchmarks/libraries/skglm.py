"""skglm: Gram coordinate descent where tall, working sets with Anderson steps else."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Array, Found, Library


class Skglm(Library):
    """GramCD, Lasso (and its path) and SparseLogisticRegression."""

    PACKAGES: ClassVar[tuple[str, ...]] = ("skglm", "numpy", "numba", "scikit-learn")

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        if problem.on_disk:
            return "in memory only"
        return "no multinomial loss" if problem.loss == "multinomial" else ""

    def load(self) -> None:
        self.load_arrays("F", "csc")

    def fit(self, tol: Any) -> Found:
        from skglm import Lasso, SparseLogisticRegression

        problem = self.problem
        if problem.loss == "logistic":
            model = SparseLogisticRegression(self.alpha, tol=tol, max_iter=1000, max_epochs=10_000)
            model.fit(self.X, self.y)
            return Found.one(model.coef_, model.intercept_)
        if problem.kind == "cv":
            return self.cross_validate(lambda X, y: self._gram(X, y, problem.alphas, tol))
        if problem.kind == "path":
            lasso = Lasso(tol=tol, fit_intercept=False, max_iter=1000, max_epochs=1_000_000)
            coefs = lasso.path(self.X, self.y, np.array(problem.alphas), return_n_iter=False)[1]
            return Found.path(coefs)
        if problem.n_rows > problem.n_columns:
            coefs, intercepts = self._gram(self.X, self.y, problem.alphas, tol)
            return Found.path(coefs, intercepts)
        model = Lasso(self.alpha, tol=tol, max_iter=1000, max_epochs=1_000_000).fit(self.X, self.y)
        return Found.one(model.coef_, model.intercept_)

    def _gram(self, X: Array, y: Array, alphas: Any, tol: float) -> tuple[Array, Array]:
        """Solve by GramCD, which has no intercept: the data are centred first, as Lasso does.

        GramCD makes its Gram matrix at every call.  A path of it therefore passes the square root
        of the Gram matrix, p rows that stand for all n: its problem is the same.
        """
        from skglm.penalties import L1
        from skglm.solvers import GramCD

        mean, centre = X.mean(axis=0), y.mean()
        rows, target = X - mean, y - centre
        if len(alphas) > 1:
            root = np.linalg.cholesky(rows.T @ rows / len(y)).T
            target = np.linalg.solve(root.T, rows.T @ target / len(y)) * np.sqrt(len(root))
            rows = root * np.sqrt(len(root))
        coef, coefs = np.zeros(X.shape[1]), []
        solver = GramCD(max_iter=1_000_000, tol=tol, fit_intercept=False)
        for alpha in alphas:
            coef = solver.solve(rows, target, None, L1(alpha), coef.copy())[0]
            coefs.append(coef)
        found = np.transpose(coefs)
        return found, centre - mean @ found


ADAPTER = Skglm
