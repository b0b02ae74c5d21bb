"""Passes over X that Fista takes, beside those of a prototype of the same method.

    python benchmarks/bench_fista.py [--only lasso logistic] [--rows] [--out FILE.md]

Columns of an autoregressive process, correlation rho between neighbours, standardised; 30 of 300
explain y.  Lasso: 200,000 rows, noise of 0.7 standard deviations of the signal.  Logistic: 20,000
rows (fewer in two cells), log odds of standard deviation 2 about -0.7, with intercept.  alpha is a
fraction of the smallest one whose solution is zero.  A cell holds the passes to relative gaps of
1e-3/1e-6/1e-9 by the solver's own certificate, the first pass included.

A lasso depends on the rows only through the sums that their triangular factor keeps, so the 200,000
rows are replaced by the 301 of that factor; ``--rows`` takes the rows themselves.
"""

from __future__ import annotations

import argparse
import datetime
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import problems as data

from daskreg.datafit import Datafit
from daskreg.design import as_design
from daskreg.losses import Logistic, Squared
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import Fista, solve

LEVELS = (1e-3, 1e-6, 1e-9)
P = 300
Array = np.ndarray[Any, Any]

#: Passes of the prototype (identity metric, standardised columns), by problem, rho and fraction.
PROTOTYPE: dict[tuple[str, float, float], tuple[int | None, ...]] = {
    ("lasso", 0.5, 0.1): (13, 24, 29),
    ("lasso", 0.5, 0.001): (27, 46, 65),
    ("lasso", 0.9, 0.1): (47, 78, 107),
    ("lasso", 0.9, 0.01): (72, 135, 204),
    ("lasso", 0.9, 0.001): (133, 212, 349),
    ("lasso", 0.99, 0.1): (252, 519, 925),
    ("lasso", 0.99, 0.01): (416, 831, 1374),
    ("logistic", 0.5, 0.1): (15, 24, 37),
    ("logistic", 0.5, 0.001): (28, 42, 78),
    ("logistic", 0.9, 0.01): (76, 154, 253),
    ("logistic", 0.9, 0.001): (160, 295, 489),
    ("logistic", 0.99, 0.1): (138, 341, 570),
}
#: Rows of the cells that were measured on fewer than 20,000.
FEWER = {("logistic", 0.9, 0.001): 10_000, ("logistic", 0.99, 0.1): 10_000}


def signal(X: Array) -> Array:
    """Linear predictor of 30 columns with coefficients at least half a unit apart from zero."""
    rng = np.random.default_rng(1)
    chosen = rng.choice(P, 30, replace=False)
    size = rng.standard_normal(30)
    return X[:, chosen] @ (size + 0.5 * np.sign(rng.standard_normal(30)))


def lasso(rho: float, rows: bool) -> tuple[Array, Array, bool]:
    """Columns, target, whether there is an intercept to fit."""
    X = data.columns(200_000, P, rho, np.random.default_rng(0))
    eta = signal(X)
    y = eta + 0.7 * eta.std() * np.random.default_rng(5).standard_normal(len(eta))
    if rows:
        return X, y, True
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    factor = np.linalg.cholesky(np.c_[X, y - y.mean()].T @ np.c_[X, y - y.mean()] / len(X)).T
    factor *= np.sqrt(len(factor))
    return np.ascontiguousarray(factor[:, :P]), factor[:, P].copy(), False


def labels(rho: float, n_rows: int) -> tuple[Array, Array, bool]:
    """Columns, labels, whether there is an intercept to fit."""
    X = data.columns(n_rows, P, rho, np.random.default_rng(0))
    eta = signal(X)
    odds = np.exp(0.7 - 2.0 * eta / eta.std())
    y = np.random.default_rng(5).random(n_rows) < 1.0 / (1.0 + odds)
    return X, y, True


def passes(loss: Any, X: Array, y: Array, intercept: bool, fraction: float, cap: int) -> list[Any]:
    """Passes to each level, None where ``cap`` iterations did not reach it."""
    seen: list[tuple[int, float]] = []

    class Gaps:
        def on_iteration(self, event: Any) -> None:
            seen.append((design.n_passes, event.gap))

    problems = Problems.product([fraction], alpha_unit="fraction")
    with as_design(X, y) as design:
        datafit = Datafit(
            design, loss, problems, tol=LEVELS[-1], fit_intercept=intercept, standardize=intercept
        )
        top = alpha_max(datafit.null_grad).max()
        solution = solve(
            Fista(), datafit, ElasticNet([fraction * top], [1.0]), tol=LEVELS[-1], max_iter=cap,
            callbacks=[Gaps()],
        )  # fmt: skip
        seen.append((design.n_passes, float(solution.relative_gap[0])))
    return [next((n for n, gap in seen if gap <= level), None) for level in LEVELS]


def rows_of(name: str, rows: bool, cap: int) -> Iterator[str]:
    """Table rows of one loss; data are drawn once for every rho and number of rows."""
    last: Any = None
    for (loss, rho, fraction), before in PROTOTYPE.items():
        if loss != name:
            continue
        n_rows = FEWER.get((loss, rho, fraction), 20_000)
        if last is None or last[0] != (rho, n_rows):
            made = lasso(rho, rows) if name == "lasso" else labels(rho, n_rows)
            last = (rho, n_rows), made
        kind = Squared() if name == "lasso" else Logistic()
        found = passes(kind, *last[1], fraction, cap)
        ratios = [f"{a / b:.2f}" if a and b else "-" for a, b in zip(found, before, strict=True)]
        cells = " | ".join(map(cell, (found, before, ratios)))
        yield f"| {name} rho {rho} alpha {fraction} | {cells} |"


def cell(values: Any) -> str:
    return "/".join("-" if value is None else str(value) for value in values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=["lasso", "logistic"])
    parser.add_argument("--rows", action="store_true", help="the rows of the lasso, not a factor")
    parser.add_argument("--cap", type=int, default=3000, help="iterations at most")
    parser.add_argument("--out", help="also write the table to this Markdown file")
    arguments = parser.parse_args()
    lines = [
        "# Passes of Fista\n\n"
        f"{datetime.date.today()}, {platform.machine()}, numpy {np.__version__}. Made by "
        "`benchmarks/bench_fista.py`, whose docstring says\nwhat the problems are. Cells: passes "
        "to relative gaps of 1e-3/1e-6/1e-9.\n\n"
        "| problem | Fista | prototype | ratio |\n| --- | --- | --- | --- |"
    ]
    print(lines[0], flush=True)
    for name in arguments.only:
        for line in rows_of(name, arguments.rows, arguments.cap):
            lines.append(line)
            print(line, flush=True)
    if arguments.out:
        Path(arguments.out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
