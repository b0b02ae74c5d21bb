"""The problems of ``bench_passes.py``: data, losses, alphas, and the solvers to compare on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import problems as data

from daskreg.losses import Logistic, Multinomial, Squared
from daskreg.solvers import BatchScreening, Fista, Gram, QuasiNewton

LEVELS = (1e-3, 1e-6, 1e-9)
RHOS = (0.5, 0.9, 0.99)
FRACTIONS = (0.1, 0.01, 0.001)


@dataclass(frozen=True)
class Case:
    """Data, a loss, alphas, and the solvers to compare on them."""

    name: str
    make: Callable[[], tuple[Any, Any]]
    loss: Any
    fractions: tuple[float, ...]
    solvers: dict[str, Any]
    folds: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    levels: tuple[float, ...] = LEVELS


def sampled(times: int, n_columns: int = 300) -> QuasiNewton:
    return QuasiNewton(metric="sample", sample_rows=times * n_columns)


def lasso(scale: float) -> Iterator[Case]:
    solvers = {
        "gram": Gram(), "sample 30p": sampled(30), "sample 10p": sampled(10), "fista": Fista(),
    }  # fmt: skip
    for rho in RHOS:
        for fraction in FRACTIONS:

            def make(rho: float = rho) -> Any:
                return data.lasso(int(200_000 * scale), 300, rho)

            yield Case(f"lasso rho {rho} alpha {fraction}", make, Squared(), (fraction,), solvers)


def logistic(scale: float) -> Iterator[Case]:
    solvers = {"gram metric": QuasiNewton(), "sample 30p": sampled(30), "fista": Fista()}
    for rho in RHOS:
        for fraction in FRACTIONS:

            def make(rho: float = rho) -> Any:
                return data.labels(int(40_000 * scale), 300, rho)

            yield Case(
                f"logistic rho {rho} alpha {fraction}", make, Logistic(), (fraction,), solvers
            )


def hard(scale: float) -> Iterator[Case]:
    solvers = {"gram metric": QuasiNewton(), "sample 30p": sampled(30), "fista": Fista()}
    kinds = {
        "0.5% positives, balanced": ({"shift": -7.3}, {"class_weight": "balanced"}),
        "near separation": ({"factor": 5.0}, {}),
    }
    for kind, (settings, options) in kinds.items():
        for fraction in FRACTIONS:

            def make(settings: Any = settings) -> Any:
                return data.labels(int(40_000 * scale), 300, 0.9, **settings)

            yield Case(
                f"{kind} alpha {fraction}", make, Logistic(), (fraction,), solvers, options=options
            )


def scales(scale: float) -> Iterator[Case]:
    for name, loss, solver in (
        ("lasso", Squared(), Gram()), ("logistic", Logistic(), QuasiNewton()),
    ):  # fmt: skip

        def make(name: str = name) -> Any:
            size = int(40_000 * scale), 300, 0.5
            X, y = data.lasso(*size) if name == "lasso" else data.labels(*size)
            return X * np.geomspace(1e-3, 1e3, X.shape[1]), y

        solvers = {solver.name: solver, "sample 30p": sampled(30), "fista": Fista()}
        yield Case(
            f"{name}, columns of any unit, alpha 0.1", make, loss, (0.1,), solvers,
            options={"standardize": False},
        )  # fmt: skip


def multinomial(scale: float) -> Iterator[Case]:
    solvers = {"sampled Hessian": sampled(50, 60), "W x Gram": QuasiNewton(), "fista": Fista()}
    for rho in (0.5, 0.9):
        for fraction in (0.1, 0.01):

            def make(rho: float = rho) -> Any:
                return data.classes(int(20_000 * scale), 60, rho, 10)

            yield Case(
                f"10 classes rho {rho} alpha {fraction}", make, Multinomial(), (fraction,), solvers
            )


def sparse(scale: float) -> Iterator[Case]:
    solvers = {"screening": BatchScreening(), "fista": Fista()}
    for fraction in (0.1, 0.01):

        def make() -> Any:
            return data.counts(int(200_000 * scale), 50_000, 24)

        yield Case(
            f"counts 50,000 columns alpha {fraction}", make, Logistic(), (fraction,), solvers,
            options={"standardize": False},
        )  # fmt: skip


def wide(scale: float) -> Iterator[Case]:
    for where in ("in memory", "on disk by rows"):
        for least in (0.06, 0.01):

            def make(where: str = where) -> Any:
                X, y = data.lasso(int(1000 * scale), 25_000, 0.0, n_informative=500)
                return (data.on_disk(X) if where == "on disk by rows" else X), y

            fractions = tuple(np.geomspace(1.0, least, 50))
            name = f"50 alphas to {least}, 25,000 columns {where}"
            yield Case(
                name, make, Squared(), fractions, {"screening": BatchScreening()},
                levels=(1e-6,), options={"standardize": False},
            )  # fmt: skip


def batch(scale: float) -> Iterator[Case]:
    fractions = tuple(np.geomspace(1.0, 1e-3, 50))
    for rho in (0.5, 0.9):

        def lasso_data(rho: float = rho) -> Any:
            return data.lasso(int(40_000 * scale), 300, rho)

        yield Case(
            f"lasso rho {rho}, 50 alphas x (5 folds + all rows)", lasso_data, Squared(), fractions,
            {"gram": Gram(), "sample 30p": sampled(30)}, folds=5, levels=(1e-6,),
        )  # fmt: skip

        def label_data(rho: float = rho) -> Any:
            return data.labels(int(6_000 * scale), 100, rho)

        yield Case(
            f"logistic rho {rho}, 50 alphas x (2 folds + all rows)", label_data, Logistic(),
            fractions, {"gram metric": QuasiNewton()}, folds=2, levels=(1e-3, 1e-6),
        )  # fmt: skip


GROUPS = {
    maker.__name__: maker
    for maker in (lasso, logistic, hard, scales, multinomial, sparse, wide, batch)
}
