"""Passes over X that each solver takes to a relative gap of 1e-3, 1e-6 and 1e-9.

    python benchmarks/bench_passes.py [--only lasso logistic ...] [--scale 1.0] [--out FILE.md]

Groups of problems: ``lasso`` and ``logistic`` (columns of an autoregressive process, correlation
rho between neighbours, a tenth of them explain y), ``hard`` labels (0.5% positives with balanced
class weights; log odds five times as large, near separation), ``scales`` (columns in units from
1e-3 to 1e3, not standardised), ``multinomial`` (10 classes), ``sparse`` (log counts in CSR),
``wide`` (a path of 50 alphas on more columns than rows, in memory and on disk by rows), ``batch``
(alphas and folds together).  alpha is a fraction of the smallest one whose solution is zero.  A
cell holds passes by the solver's own certificate, the first pass included, and the seconds in
memory to 1e-6; "-" where ``--cap`` iterations end it.  ``--scale`` multiplies the rows.  ``auto``
is what an estimator would take for these data; the last line says how much slower it is at most
than the best of the others, by the least seconds of ``--repeat`` runs in turn.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import problems as data
import threadpoolctl
from pass_cases import GROUPS, Case

from daskreg.datafit import Datafit
from daskreg.design import as_design
from daskreg.fitting.choose import Task, choose, for_classes
from daskreg.fitting.costs import Costs
from daskreg.fitting.planning import sample_size
from daskreg.losses import Squared
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import SOLVERS, Gram, solve
from daskreg.splits import ContiguousFolds


def main() -> None:
    arguments = parse()
    lines = [heading(arguments)]
    ratios: dict[str, float] = {}
    for group in arguments.only:
        for case in GROUPS[group](arguments.scale):
            with tempfile.TemporaryDirectory() as folder:
                data.SCRATCH = Path(folder)
                made = case.make()
                name, solver = automatic(case, *made)
                same = [which for which, other in case.solvers.items() if other == solver]
                solvers = case.solvers if same else {**case.solvers, name: solver}
                cells, best = measured(case, solvers, made, arguments)
                if same:  # no second measurement: it would differ by noise alone
                    cells[f"{name}, as {same[0]}"], best[name] = cells[same[0]], best[same[0]]
                lines += [f"| {case.name} | {which} | {cell} |" for which, cell in cells.items()]
                others = min(best[which] for which in case.solvers)
                ratios[case.name] = best[name] / others if others < np.inf else 1.0
                print("\n".join(lines[-len(cells) :]), flush=True)
    worst = max(ratios, key=lambda name: ratios[name])
    lines.append(f"\nauto / best: at most {ratios[worst]:.2f} ({worst})")
    print(lines[-1])
    if arguments.out:
        Path(arguments.out).write_text("\n".join(lines) + "\n")


def measured(
    case: Case, solvers: dict[str, Any], made: Any, arguments: Any
) -> tuple[dict[str, str], dict[str, float]]:
    """Cells, and the least seconds to 1e-6 or infinity, of solvers that run in turn."""
    cells: dict[str, str] = {}
    best = dict.fromkeys(solvers, np.inf)
    for _ in range(arguments.repeat):
        for name, solver in solvers.items():
            passes, seconds = run(case, solver, *made, arguments.cap)
            best[name] = min(best[name], seconds)
            cells[name] = f"{passes} ({best[name]:.2f} s)" if best[name] < np.inf else passes
    return cells, best


def automatic(case: Case, X: Any, y: Any) -> tuple[str, Any]:
    """What an estimator takes for these data: its name and the solver."""
    fold = range(-1, case.folds) if case.folds else -1
    problems = Problems.product(case.fractions, fold=fold, alpha_unit="fraction")
    with as_design(X, y) as design:
        design.prepare()
        quadratic = isinstance(case.loss, Squared)
        n_problems = problems.n_problems
        task = Task(quadratic, design.n_features, design.n_samples, n_problems, has_l1=True)
        choice = choose("auto", task)
        if not quadratic:
            plain = {k: v for k, v in case.options.items() if k == "class_weight"}
            datafit = Datafit(design, case.loss, Problems.product(), **plain)
            rows, n_outputs = sample_size(design, None), datafit.n_outputs
            choice = for_classes(
                choice,
                n_outputs=n_outputs,
                n_features=design.n_features,
                class_count=datafit.first().class_count,
                weighted=bool(plain),
                costs=Costs.planned(design.plan, rows, n_problems, n_outputs),
            )
    return f"auto: {choice.name}", SOLVERS[choice.name]()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the rows")
    parser.add_argument("--cap", type=int, default=400, help="iterations at most")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each solver, in turn")
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
        f"{arguments.scale:g} --cap {arguments.cap} --repeat {arguments.repeat}`,\nwhose docstring "
        "says what the problems are: float64, in memory, with intercept, standardised where\n"
        "nothing else is said. Cells: passes to relative gaps of 1e-3/1e-6/1e-9, or to the levels "
        "that are named,\nand the least seconds to 1e-6.\n\n"
        "| problem | solver | passes |\n| --- | --- | --- |"
    )
    print(text)
    return text


def run(case: Case, solver: Any, X: Any, y: Any, cap: int) -> tuple[str, float]:
    """Passes to each level, and seconds to 1e-6 or infinity; several problems at once are solved
    anew for each level."""
    if len(case.fractions) == 1:
        seen = solved(case, solver, X, y, cap, case.levels[-1])
        passes = [next((n for n, gap, _ in seen if gap <= level), "-") for level in case.levels]
        return "/".join(map(str, passes)), next((t for _, gap, t in seen if gap <= 1e-6), np.inf)
    cells, seconds = [], np.inf
    for level in case.levels:
        n_passes, gap, spent = solved(case, solver, X, y, cap, level)[-1]
        cells.append(f"{n_passes if gap <= level else '-'} to {level:g}")
        seconds = spent if level == 1e-6 and gap <= level else seconds
    return ", ".join(cells), seconds


def solved(
    case: Case, solver: Any, X: Any, y: Any, cap: int, tol: float
) -> list[tuple[int, float, float]]:
    """Passes, largest gap and wall seconds after every iteration."""
    seen: list[tuple[int, float, float]] = []

    class Gaps:
        def on_iteration(self, event: Any) -> None:
            seen.append((design.n_passes, event.gap, time.perf_counter() - started))

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
        gap = float(np.max(solution.relative_gap))
        seen.append((design.n_passes, gap, time.perf_counter() - started))
    return seen


if __name__ == "__main__":
    main()
