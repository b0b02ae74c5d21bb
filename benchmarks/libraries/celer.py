"""celer: working sets with dual extrapolation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Found, Library


class Celer(Library):
    """Lasso, LassoCV and celer_path; its logistic regression has no intercept."""

    PACKAGES: ClassVar[tuple[str, ...]] = ("celer", "numpy", "scikit-learn")

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        if problem.on_disk:
            return "in memory only"
        return "" if problem.loss == "squared" else "its logistic regression has no intercept"

    def load(self) -> None:
        self.load_arrays("F")

    def fit(self, tol: Any) -> Found:
        from celer import Lasso, LassoCV, celer_path

        problem, alphas = self.problem, np.array(self.problem.alphas)
        if problem.kind == "path":
            _, coefs, _ = celer_path(self.X, self.y, pb="lasso", alphas=alphas, tol=tol)
            return Found.path(coefs)
        if problem.kind == "fit":
            model = Lasso(self.alpha, tol=tol).fit(self.X, self.y)
            return Found.one(model.coef_, model.intercept_)
        from sklearn.model_selection import KFold

        folds = KFold(problem.n_folds)
        model = LassoCV(alphas=alphas, cv=folds, tol=tol, n_jobs=problem.threads)
        model.fit(self.X, self.y)
        place = int(np.argmin(np.abs(alphas - model.alpha_)))
        return Found.chosen(model.coef_, model.intercept_, place, model.mse_path_)


ADAPTER = Celer
