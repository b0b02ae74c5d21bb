"""Passes over X that a logistic lasso takes: FISTA against the quasi-Newton solver.

    python benchmarks/bench_solver_passes.py [--rows 20000] [--columns 300] [--out FILE.md]

Columns follow an autoregressive process of correlation rho between neighbours; a tenth of them
(at least 5) explain the labels with log odds of standard deviation 2.  "rare" has some 0.5%
positives and class_weight="balanced", "steep" log odds five times as large, close to separable.
alpha is a fraction of the smallest one whose solution is zero.  A cell holds the passes to
relative gaps of 1e-3, 1e-6 and 1e-9 by the solver's own certificate, the first pass included, and
the seconds to the last of them in memory; "-" where the cap ends it.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from daskreg.datafit import Datafit
from daskreg.design import as_design
from daskreg.losses import Logistic
from daskreg.penalties import L1, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import Fista, QuasiNewton, solve

LEVELS = (1e-3, 1e-6, 1e-9)
#: name: (shift of the log odds, their factor, class_weight)
KINDS = {"even": (0.0, 1.0, None), "rare": (-7.3, 1.0, "balanced"), "steep": (0.0, 5.0, None)}
HARD_ONLY = 0.9


class Gaps:
    """Collects the relative gap after every pass; not a number before there is a bound."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []
        self.seconds: dict[float, float] = {}
        self.started = time.perf_counter()

    def on_iteration(self, event: Any) -> None:
        self.seen.append((event.n_passes, event.gap))
        for level in LEVELS:
            if event.gap <= level:
                self.seconds.setdefault(level, time.perf_counter() - self.started)

    def cell(self) -> str:
        passes = [next((n for n, gap in self.seen if gap <= level), "-") for level in LEVELS]
        taken = self.seconds.get(LEVELS[-1], time.perf_counter() - self.started)
        return f"{'/'.join(map(str, passes))} ({taken:.1f} s)"


def main() -> None:
    arguments = parse()
    lines = [heading(arguments)]
    for rho in (0.5, 0.9, 0.99):
        X, eta = columns(arguments.rows, arguments.columns, rho)
        for name, (shift, factor, class_weight) in KINDS.items():
            if name != "even" and rho != HARD_ONLY:
                continue
            odds = np.exp(-factor * eta - shift)
            y = np.random.default_rng(5).random(len(X)) < 1 / (1 + odds)
            for fraction in (0.1, 0.01, 0.001):
                cells = [
                    run(solver, X, y, class_weight, fraction, arguments.cap)
                    for solver in (QuasiNewton(), Fista())
                ]
                lines.append(f"| {name} | {rho} | {fraction} | {cells[0]} | {cells[1]} |")
                print(lines[-1], flush=True)
    if arguments.out:
        Path(arguments.out).write_text("\n".join(lines) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=300)
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
        "# Passes of a logistic lasso\n\n"
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, numpy "
        f"{np.__version__} with {blas}.\n{arguments.rows:,} rows x {arguments.columns:,} columns, "
        "float64, in memory, standardised, with intercept, tol 1e-9; made by\n"
        "`benchmarks/bench_solver_passes.py`, whose docstring says what the labels are. Cells: "
        f"passes to\nrelative gaps of 1e-3/1e-6/1e-9 and seconds; cap {arguments.cap} iterations."
        "\nThe first cell's time includes loading the compiled descent."
        "\n\n| labels | rho | alpha | quasi_newton | fista |\n| --- | --- | --- | --- | --- |"
    )
    print(text)
    return text


def columns(n_rows: int, n_columns: int, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns and log odds of standard deviation 2."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns))
    for j in range(1, n_columns):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    n_informative = max(5, n_columns // 10)
    chosen = rng.choice(n_columns, n_informative, replace=False)
    strength = rng.standard_normal(n_informative)
    eta = X[:, chosen] @ (strength + 0.5 * np.sign(strength))
    return X, 2.0 * eta / eta.std()


def run(
    solver: Any, X: np.ndarray, y: np.ndarray, class_weight: Any, fraction: float, cap: int
) -> str:
    with as_design(X, y) as design:
        design.prepare()
        datafit = Datafit(
            design, Logistic(), Problems.product(), class_weight=class_weight, standardize=True,
            tol=LEVELS[-1],
        )  # fmt: skip
        gaps = Gaps()
        solver.prepare(datafit)
        penalty = L1(fraction * alpha_max(datafit.null_grad))
        already = design.n_passes
        solve(solver, datafit, penalty, tol=LEVELS[-1], max_iter=cap, callbacks=[gaps])
        # What was prepared before the loop counts too.
        gaps.seen = [(n + already, gap) for n, gap in gaps.seen]
        assert design.n_passes == gaps.seen[-1][0]
        return gaps.cell()


if __name__ == "__main__":
    main()
