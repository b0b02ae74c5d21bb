"""Passes over X that each solver takes to a relative gap of 1e-3, 1e-6 and 1e-9.

    python benchmarks/bench_passes.py [--only lasso logistic ...] [--scale 1.0] [--out FILE.md]

Groups of problems: ``lasso`` and ``logistic`` (columns of an autoregressive process, correlation
rho between neighbours, a tenth of them explain y), ``hard`` labels (0.5% positives with balanced
class weights; log odds five times as large, near separation), ``scales`` (columns in units from
1e-3 to 1e3, not standardised), ``multinomial`` (10 classes), ``sparse`` (log counts in CSR),
``wide`` (a path of 50 alphas on more columns than rows, in memory and on disk by rows), ``batch``
(alphas and folds together).  alpha is a fraction of the smallest one whose solution is zero.  A
cell holds passes by the solver's own certificate, the first pass included, and the seconds to the
last level in memory; "-" where ``--cap`` iterations end it.  ``--scale`` multiplies the rows.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import problems as data
import threadpoolctl

from daskreg.datafit import Datafit
from daskreg.design import as_design
from daskreg.losses import Logistic, Multinomial, Squared
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import BatchScreening, Fista, Gram, QuasiNewton, solve
from daskreg.splits import ContiguousFolds

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


def main() -> None:
    arguments = parse()
    lines = [heading(arguments)]
    for group in arguments.only:
        for case in GROUPS[group](arguments.scale):
            with tempfile.TemporaryDirectory() as folder:
                data.SCRATCH = Path(folder)
                made = case.make()
                for name, solver in case.solvers.items():
                    cell = run(case, solver, *made, arguments.cap)
                    lines.append(f"| {case.name} | {name} | {cell} |")
                    print(lines[-1], flush=True)
    if arguments.out:
        Path(arguments.out).write_text("\n".join(lines) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the rows")
    parser.add_argument("--cap", type=int, default=400, help="iterations at most")
    parser.add_argument("--out", help="also write the table to this Markdown file")
    return parser.parse_args()


def heading(arguments: argparse.Namespace) -> str:
    blas = ", ".join(
        f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} thread(s)"
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    )
    text = (
        "# Passes to a certificate\n\n"
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, numpy "
        f"{np.__version__} with {blas}.\nMade by `benchmarks/bench_passes.py --scale "
        f"{arguments.scale:g} --cap {arguments.cap}`, whose docstring says what the problems are: "
        "float64,\nin memory, with intercept, standardised where nothing else is said. Cells: "
        "passes to relative gaps of\n1e-3/1e-6/1e-9 (the last column names other levels), and "
        "seconds to the last one.\n\n| problem | solver | passes |\n| --- | --- | --- |"
    )
    print(text)
    return text


def run(case: Case, solver: Any, X: Any, y: Any, cap: int) -> str:
    """Passes to each level; several problems at once are solved anew for each of them."""
    alone = len(case.fractions) == 1
    if alone:
        gaps, seconds = solved(case, solver, X, y, cap, case.levels[-1])
        passes = [next((n for n, gap in gaps if gap <= level), "-") for level in case.levels]
        return f"{'/'.join(map(str, passes))} ({seconds:.1f} s)"
    cells = []
    for level in case.levels:
        gaps, seconds = solved(case, solver, X, y, cap, level)
        reached = gaps[-1][1] <= level
        cells.append(f"{gaps[-1][0] if reached else '-'} to {level:g} ({seconds:.1f} s)")
    return ", ".join(cells)


def solved(
    case: Case, solver: Any, X: Any, y: Any, cap: int, tol: float
) -> tuple[list[tuple[int, float]], float]:
    """Passes and largest gap after every iteration; wall seconds."""
    seen: list[tuple[int, float]] = []

    class Gaps:
        def on_iteration(self, event: Any) -> None:
            seen.append((design.n_passes, event.gap))

    fold = range(-1, case.folds) if case.folds else -1
    problems = Problems.product(case.fractions, fold=fold, alpha_unit="fraction")
    with as_design(X, y) as design:
        folds = ContiguousFolds(case.folds, design.n_samples) if case.folds else None
        design.prepare()
        options = {"standardize": True, **case.options}
        datafit = Datafit(design, case.loss, problems, folds=folds, tol=tol, **options)
        started = time.perf_counter()
        solver.prepare(datafit)
        top = alpha_max(datafit.on_all_rows().null_grad).max()
        penalty = ElasticNet(problems.alpha * top, problems.l1_ratio)
        most = 100_000 if isinstance(solver, Gram) else cap  # sweeps in memory are no passes
        solution = solve(solver, datafit, penalty, tol=tol, max_iter=most, callbacks=[Gaps()])
        seconds = time.perf_counter() - started
        seen.append((design.n_passes, float(np.max(solution.relative_gap))))
    return seen, seconds


if __name__ == "__main__":
    main()
