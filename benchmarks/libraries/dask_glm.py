"""dask-ml's linear models, which are those of dask-glm.

Its squared loss is the plain sum of squares, its logistic loss a plain sum, and its intercept is
penalised like a column. For the squared loss the data are centred first, which makes the objective
ours; for the logistic loss nothing does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Found, Library


class DaskGlm(Library):
    """LinearRegression and LogisticRegression, penalty "l1", by proximal gradients."""

    LADDER: ClassVar[tuple[Any, ...]] = (1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14)
    PACKAGES: ClassVar[tuple[str, ...]] = ("dask-glm", "dask-ml", "dask", "numpy")
    REMARK: ClassVar[str] = "its logistic regression penalises the intercept"

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        if problem.kind != "fit":
            return "no paths and no cross-validation in shared passes"
        if problem.sparse:
            return "its sparse arrays are not scipy's"
        return "no multinomial loss" if problem.loss == "multinomial" else ""

    def load(self) -> None:
        import dask.array as da

        folder = Path(self.problem.folder)
        self.y = np.load(folder / "y.npy")
        if self.problem.on_disk:
            self.X = da.from_zarr(str(folder / "X.zarr"))
        else:
            self.load_arrays("C")
            rows = max(1, -(-self.problem.n_rows // (4 * self.problem.threads)))
            self.X = da.from_array(self.X, chunks=(rows, -1))

    def fit(self, tol: Any) -> Found:
        import dask.array as da
        from dask_ml.linear_model import LinearRegression, LogisticRegression

        problem, X = self.problem, self.X
        y = da.from_array(self.y, chunks=X.chunks[0])
        settings = {"penalty": "l1", "solver": "proximal_grad", "tol": tol, "max_iter": 10_000}
        if problem.loss == "logistic":
            C = 1.0 / (problem.n_rows * self.alpha)
            model = LogisticRegression(C=C, **settings).fit(X, y)
            return Found.one(model.coef_, model.intercept_)
        mean, centre = X.mean(axis=0).compute(), float(self.y.mean())
        C = 1.0 / (2.0 * problem.n_rows * self.alpha)
        model = LinearRegression(C=C, fit_intercept=False, **settings)
        model.fit(X - mean.astype(X.dtype), y - centre)
        return Found.one(model.coef_, centre - mean @ model.coef_)


ADAPTER = DaskGlm
