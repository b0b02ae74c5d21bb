"""adelie: the path solver of group elastic nets, with groups of one column."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Array, Found, Library


class Adelie(Library):
    """grpnet; a multinomial model would penalise the classes of a column as a group."""

    PACKAGES: ClassVar[tuple[str, ...]] = ("adelie", "numpy")

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        if problem.on_disk:
            return "in memory only"
        grouped = problem.loss == "multinomial"
        return "its multinomial penalty groups the classes of a column" if grouped else ""

    def load(self) -> None:
        self.load_arrays("F", "csc")

    def fit(self, tol: Any) -> Found:
        problem = self.problem
        if problem.kind == "cv":
            return self.cross_validate(lambda X, y: self._path(X, y, tol), copy_order="F")
        coefs, intercepts = self._path(self.X, self.y, tol)
        return Found.path(coefs, intercepts)

    def _path(self, X: Any, y: Array, tol: float) -> tuple[Array, Array]:
        import adelie

        problem = self.problem
        if problem.sparse:
            columns = adelie.matrix.sparse(X, method="naive", n_threads=problem.threads)
        else:
            columns = adelie.matrix.dense(X, method="naive", n_threads=problem.threads)
        family = adelie.glm.gaussian if problem.loss == "squared" else adelie.glm.binomial
        state = adelie.grpnet(
            columns,
            family(y),
            lmda_path=np.array(problem.alphas),
            intercept=problem.intercept,
            tol=tol,
            irls_tol=tol,
            early_exit=False,
            n_threads=problem.threads,
            progress_bar=False,
        )
        if len(state.lmdas) != len(problem.alphas):
            raise RuntimeError(f"{len(state.lmdas)} of {len(problem.alphas)} alphas came back")
        return state.betas.toarray().T, np.array(state.intercepts)


ADAPTER = Adelie
