"""daskreg beside other libraries: same data, same objective, same gap, same threads.

    python benchmarks/environments.py                    # once: an environment for each library
    python benchmarks/run.py --scale 0.1 --repeat 3      # a tenth of the rows, all that is there
    python benchmarks/run.py --case lasso --libraries daskreg sklearn
    python benchmarks/run.py --check                     # tiny sizes: is our objective solved?

Writes a dated JSON, a Markdown table and a plot to ``benchmarks/results/``; ``README.md`` beside
this file says how to read them.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machine
import numpy as np
import report
from cases import CASES, Problem, build
from environments import ENVIRONMENTS, WHERE, works
from evaluate import Bounds, unsound
from libraries.base import Library
from measure import Result, measure
from reference import held_out_errors
from session import Session

LIBRARIES = tuple(ENVIRONMENTS)
RESULTS = Path(__file__).parent / "results"
#: Objective above the bound, relative to that of zero coefficients, that passes the check.
CHECKED = 1e-4


def adapter(library: str) -> type[Library]:
    """Return the adapter of a library; the library itself is not imported."""
    return importlib.import_module(f"libraries.{library}").ADAPTER


def settle_bounds(session: Session) -> None:
    """Have a lower bound of every alpha that is far closer than the gap asked for.

    A tight fit, not timed, serves as the dual point; whoever made it, the judge computes the bound.
    """
    bounds = Bounds(session.problem)
    if not bounds.known and session.problem.kind != "cv":
        measure(session, (1e-8,), repeat=1)


def one(library: str, problem: Problem, tiny: Problem, args: argparse.Namespace) -> Result:
    """Measure one library on one problem."""
    kind = adapter(library)
    reason = kind.lacks(problem) or works(library, args.where)
    if reason:
        return Result(library, problem.case, "lacks", reason)
    errors = held_out_errors(problem) if problem.kind == "cv" else None
    ladder = kind.ladder(problem)[-2:-1] if args.check else kind.ladder(problem)
    return measure(session(library, problem, tiny, args), ladder, args.repeat, errors)


def session(library: str, problem: Problem, tiny: Problem, args: argparse.Namespace) -> Session:
    """Return a process of a library on a problem, not yet started."""
    logs = args.where / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{problem.case}-{library}.log"
    return Session(library, problem, tiny, args.where, args.cap, log)


def run(args: argparse.Namespace) -> Iterator[Result]:
    """Yield the results, case by case, a line printed for each."""
    for name in args.case:
        problem = build(CASES[name], args.where, 0 if args.check else args.scale, args.threads)
        tiny = build(CASES[name], args.where, 0, args.threads)
        print(f"\n{name}: {problem.n_rows:,} x {problem.n_columns:,}", flush=True)
        if args.check and (fault := unsound(problem)):
            raise SystemExit(f"The judge is wrong about {name}: {fault}")
        settle_bounds(session("daskreg", problem, tiny, args))
        for library in args.libraries:
            result = one(library, problem, tiny, args)
            print(line(result), flush=True)
            yield result


def line(result: Result) -> str:
    """Return one result as a line of text."""
    if result.status == "lacks":
        return f"  {result.library:10s} -           {result.reason}"
    apart = "" if result.apart is None else f"  errors apart {result.apart:.0e}"
    mib, cpu = result.median("peak_bytes") / 2**20, result.median("cpu_seconds")
    return (
        f"  {result.library:10s} {result.median('seconds'):8.2f} s {cpu:8.2f} CPU s "
        f"{mib:8.0f} MiB  gap {result.gap:.1e} at tol {result.tol}{apart}  "
        f"{result.status} {result.reason}"
    )


def check(results: list[Result]) -> int:
    """Print who does not solve our objective; return 1 where that is daskreg."""
    wrong = [
        r
        for r in results
        if r.status != "lacks" and not (r.gap <= CHECKED and (r.apart or 0) < 1e-2)
    ]
    solved = sum(r.status != "lacks" for r in results) - len(wrong)
    print(f"\n{solved} solve the objective to {CHECKED:g} of that of zero coefficients; else:")
    for result in wrong:
        print(f"  {result.case:16s} {result.library:10s} gap {result.gap:.1e} {result.reason}")
    return int(any(result.library == "daskreg" for result in wrong))


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument(
        "--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES), metavar="LIBRARY"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of the sizes; default 1")
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the median counts")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cap", type=float, default=300.0, help="seconds of one fit at most")
    parser.add_argument("--check", action="store_true", help="tiny sizes, objectives only")
    parser.add_argument("--where", type=Path, default=WHERE, help="environments, data and logs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    if not 0 < args.threads <= len(os.sched_getaffinity(0)):
        parser.error(f"--threads {args.threads}: this process may use {os.sched_getaffinity(0)}")
    if args.scale <= 0:
        parser.error(f"--scale {args.scale}: a positive number was expected")
    return args


def write(args: argparse.Namespace, ceilings: dict[str, Any], results: list[Result]) -> Path:
    """Write JSON, table and plot; of the same day and settings, what was not redone stays.

    Results of the day with other settings are set aside under another name.
    """
    now = datetime.date.today().isoformat()
    stem = f"{now}-rivals" + ("" if args.scale == 1.0 else f"-scale-{args.scale:g}")
    args.results.mkdir(parents=True, exist_ok=True)
    path = args.results / f"{stem}.json"
    settings = {name: getattr(args, name) for name in ("scale", "repeat", "threads", "cap")}
    made = [dataclasses.asdict(result) for result in results]
    cases: dict[str, Any] = {}
    if path.exists():
        kept = json.loads(path.read_text())
        if {**kept["settings"], "repeat": 0} == {**settings, "repeat": 0}:
            redone = {(result.case, result.library) for result in results}
            made += [r for r in kept["results"] if (r["case"], r["library"]) not in redone]
            cases = kept["cases"]
        else:
            aside = path.with_stem(f"{stem}-until-{datetime.datetime.now():%H%M%S}")
            path.rename(aside)
            report.write(aside)
    for name in {result.case for result in results}:
        problem = build(CASES[name], args.where, args.scale, args.threads)
        cases[name] = {
            "title": CASES[name].title, "n_rows": problem.n_rows, "n_columns": problem.n_columns,
            "data_bytes": problem.data_bytes, "memory": problem.memory,
        }  # fmt: skip
    order = list(CASES)
    made.sort(key=lambda r: (order.index(r["case"]), LIBRARIES.index(r["library"])))
    document = {"date": now, "settings": settings, "machine": ceilings, "cases": cases}
    path.write_text(json.dumps(document | {"results": made}, indent=1, default=float))
    report.write(path)
    return path


def main() -> int:
    """Run what the command line asks for."""
    args = arguments()
    np.seterr(all="ignore")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # children are ended on the way out
    if args.check:
        args.repeat = 1
        return check(list(run(args)))
    ceilings = machine.ceilings(args.where, args.threads)
    print(json.dumps(ceilings, indent=1))
    results: list[Result] = []
    for result in run(args):
        results.append(result)
        path = write(args, ceilings, results)
    print(f"\n{path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
