"""What an adapter is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from cases import Problem

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Found:
    """What a library found.

    Parameters
    ----------
    coef
        Shape (n_columns, n_outputs, K).
    intercept
        Shape (n_outputs, K).
    places
        Shape (K,): the number of each column's alpha; all of a path, the chosen one of a
        cross-validation.
    errors
        Shape (n_alphas, n_folds): mean squared error on held-out rows, of a cross-validation.
    notes
        What the library counts: passes, iterations, status.
    """

    coef: Array
    intercept: Array
    places: Array
    errors: Array | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def one(cls, coef: Any, intercept: Any = 0.0, **notes: Any) -> Found:
        """Return one model; coef (n_columns,) or, with one row a class, (n_outputs, n_columns)."""
        coef = np.atleast_2d(np.asarray(coef, float)).T[:, :, None]
        intercept = np.zeros(coef.shape[1]) + np.ravel(np.asarray(intercept, float))
        return cls(coef, intercept[:, None], np.zeros(1, int), notes=notes)

    @classmethod
    def path(cls, coefs: Any, intercepts: Any = 0.0, **notes: Any) -> Found:
        """Return a path of one output: coefs (n_columns, K), intercepts (K,) or one number."""
        coefs = np.asarray(coefs, float)
        K = coefs.shape[1]
        intercepts = np.zeros((1, K)) + np.asarray(intercepts, float)
        return cls(coefs[:, None, :], intercepts, np.arange(K), notes=notes)

    @classmethod
    def chosen(cls, coef: Any, intercept: Any, place: int, errors: Array, **notes: Any) -> Found:
        """Return what a cross-validation kept, the number of its alpha, and all errors."""
        one = cls.one(coef, intercept)
        return cls(one.coef, one.intercept, np.array([place]), np.asarray(errors), notes)


class Library(ABC):
    """One library on one problem.

    Heavy imports belong inside methods: the parent reads the class without the library.

    Parameters
    ----------
    problem
        What to solve.
    """

    #: Settings of its own tolerance, loosest first; the loosest that reaches the gap is timed.
    LADDER: ClassVar[tuple[Any, ...]] = tuple(10.0**-k for k in range(1, 12))
    #: Packages whose versions are reported.
    PACKAGES: ClassVar[tuple[str, ...]] = ()
    #: A line for the table: what is not ours but cannot be had otherwise.
    REMARK: ClassVar[str] = ""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.X: Any = None
        self.y: Any = None

    @classmethod
    def ladder(cls, problem: Problem) -> tuple[Any, ...]:
        """Return the tolerances for a problem, loosest first."""
        return cls.LADDER

    @classmethod
    @abstractmethod
    def lacks(cls, problem: Problem) -> str:
        """Return why this library cannot solve a problem, or an empty text."""

    def prepare(self) -> None:  # noqa: B027 - most have nothing to prepare
        """Bring files into a form that the library reads; never counted."""

    @abstractmethod
    def load(self) -> None:
        """Bring the data into memory as the library likes them best; not counted."""

    @abstractmethod
    def fit(self, tol: Any) -> Found:
        """Solve; this is timed."""

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End processes that the library started."""

    @property
    def alpha(self) -> float:
        """The only alpha of a ``fit``."""
        return self.problem.alphas[0]

    def load_arrays(self, order: str = "C", compressed: str = "csr") -> None:
        """Load X, by rows ("C") or columns ("F"), or CSR or CSC, and y (n_rows,)."""
        from data import load_sparse

        folder = Path(self.problem.folder)
        self.y = np.load(folder / "y.npy")
        if self.problem.sparse:
            self.X = load_sparse(folder).asformat(compressed)
        else:
            X = np.load(folder / "X.npy", mmap_mode="r")
            self.X = np.array(X, order=order)

    def cross_validate(
        self, solve_path: Callable[[Any, Any], tuple[Array, Array]], copy_order: str = "C"
    ) -> Found:
        """Cross-validate with a library that has paths but no folds.

        Parameters
        ----------
        solve_path
            Called with X and y of training rows; returns coefs (n_columns, n_alphas) and
            intercepts (n_alphas,).
        """
        X, y = self.X, self.y
        errors = []
        for held_out, training in self.problem.folds():
            part = np.array(X[training], order=copy_order)
            coefs, intercepts = solve_path(part, y[training])
            del part
            predicted = X[held_out] @ coefs + intercepts
            errors.append(np.square(predicted - y[held_out][:, None]).mean(axis=0))
        table = np.transpose(errors)
        place = int(np.argmin(table.mean(axis=1)))
        coefs, intercepts = solve_path(X, y)
        return Found.chosen(coefs[:, place], intercepts[place], place, table)
