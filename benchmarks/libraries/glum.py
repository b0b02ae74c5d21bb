"""glum: iteratively reweighted least squares with coordinate descent inside."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Found, Library


class Glum(Library):
    """GeneralizedLinearRegressor and its cross-validation."""

    PACKAGES: ClassVar[tuple[str, ...]] = ("glum", "tabmat", "numpy")

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        if problem.on_disk:
            return "in memory only"
        if problem.n_columns > 10_000:
            return "makes a matrix of columns by columns"
        return "no multinomial loss" if problem.loss == "multinomial" else ""

    def load(self) -> None:
        self.load_arrays("F", "csc")

    def fit(self, tol: Any) -> Found:
        from glum import GeneralizedLinearRegressor, GeneralizedLinearRegressorCV

        problem, alphas = self.problem, np.array(self.problem.alphas)
        settings: dict[str, Any] = {
            "family": "normal" if problem.loss == "squared" else "binomial",
            "l1_ratio": 1.0,
            "fit_intercept": problem.intercept,
            "solver": "irls-cd",
            "gradient_tol": tol,
            "max_iter": 1000,
        }
        if problem.kind == "fit":
            model = GeneralizedLinearRegressor(alpha=self.alpha, **settings).fit(self.X, self.y)
            return Found.one(model.coef_, model.intercept_, iterations=int(model.n_iter_))
        if problem.kind == "path":
            model = GeneralizedLinearRegressor(alphas=alphas, alpha_search=True, **settings)
            model.fit(self.X, self.y)
            return Found.path(np.transpose(model.coef_path_), model.intercept_path_)
        from sklearn.model_selection import KFold

        model = GeneralizedLinearRegressorCV(
            alphas=alphas, cv=KFold(problem.n_folds), n_jobs=problem.threads, **settings
        ).fit(self.X, self.y)
        place = int(np.argmin(np.abs(alphas - model.alpha_)))
        # Mean deviances (l1_ratios, folds, alphas): of a normal family the mean squared errors.
        errors = np.asarray(model.deviance_path_).reshape(problem.n_folds, len(alphas)).T
        return Found.chosen(model.coef_, model.intercept_, place, errors)


ADAPTER = Glum
