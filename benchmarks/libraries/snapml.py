"""Snap ML: parallel coordinate descent; stops on the change of its coefficients."""

from __future__ import annotations

from typing import Any, ClassVar

from cases import Problem

from .base import Found, Library


class SnapML(Library):
    """LinearRegression and LogisticRegression with penalty "l1", in their primal form."""

    LADDER: ClassVar[tuple[Any, ...]] = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
    PACKAGES: ClassVar[tuple[str, ...]] = ("snapml", "numpy")
    REMARK: ClassVar[str] = "float32 inside; its logistic regression penalises the intercept"

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        if problem.on_disk:
            return "in memory only"
        if problem.kind != "fit":
            return "no paths"
        return "its classes are one against the rest" if problem.loss == "multinomial" else ""

    def load(self) -> None:
        self.load_arrays("C", "csc")

    def fit(self, tol: Any) -> Found:
        from snapml import LinearRegression, LogisticRegression

        problem = self.problem
        settings = {
            "penalty": "l1", "dual": False, "tol": tol, "max_iter": 10_000,
            "n_jobs": problem.threads, "random_state": 0,
        }  # fmt: skip
        if problem.loss == "logistic":
            model = LogisticRegression(
                regularizer=problem.n_rows * self.alpha, fit_intercept=True, **settings
            ).fit(self.X, self.y)
            return Found.one(model.coef_, model.intercept_)
        mean, centre = self.X.mean(axis=0), self.y.mean()
        model = LinearRegression(regularizer=problem.n_rows * self.alpha, **settings)
        model.fit(self.X - mean, self.y - centre)
        coef = model.coef_.ravel()
        return Found.one(coef, centre - mean @ coef)


ADAPTER = SnapML
