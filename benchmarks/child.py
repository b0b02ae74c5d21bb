"""The process of one library on one problem: it loads, waits for orders, fits and reports.

Started by ``session.py``. Every line of the standard input is an order in JSON, every line that
starts with ``process.MARK`` on the standard output an answer; what a library prints besides goes to
the log. Nothing but adapter, numpy and scipy is imported here.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import warnings
from importlib import metadata
from typing import Any

import numpy as np
import process
from cases import Problem
from libraries.base import Found, Library


def answer(**values: Any) -> None:
    """Send one answer to the parent."""
    print("\n" + process.MARK + json.dumps(values), flush=True)


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of installed packages; to import one would cost memory that is not
    the fit's."""
    found = {"python": sys.version.split()[0]}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def timed(library: Library, tol: Any) -> tuple[Found, dict[str, float]]:
    """Fit once; return what was found with seconds, CPU seconds and bytes of the whole tree."""
    before = process.resident_bytes(os.getpid())
    exact = process.forget_peak(os.getpid())
    cpu, started = process.cpu_seconds(os.getpid()), time.perf_counter()
    found = library.fit(tol)
    seconds = time.perf_counter() - started
    return found, {
        "seconds": seconds,
        "cpu_seconds": process.cpu_seconds(os.getpid()) - cpu,
        "peak_bytes": process.peak_bytes(os.getpid()),
        "before_bytes": before,
        "exact_peak": exact,
        "load_average": os.getloadavg()[0],
    }


def obey(library: Library, order: dict[str, Any]) -> None:
    """Carry out one order to fit, and answer."""
    found, costs = timed(library, order["tol"])
    errors = {} if found.errors is None else {"errors": found.errors}
    np.savez(
        order["out"], coef=found.coef, intercept=found.intercept, places=found.places, **errors
    )
    answer(kind="fitted", notes=found.notes, **costs)


def main() -> None:
    """Warm up on the tiny problem, load the large one, then obey until the input ends."""
    order = json.loads(sys.stdin.readline())
    warnings.simplefilter("ignore")
    adapter = importlib.import_module(f"libraries.{order['library']}").ADAPTER
    library = None
    try:
        tiny, problem = (Problem.from_json(order[name]) for name in ("tiny", "problem"))
        warm = adapter(tiny)
        warm.prepare()
        warm.load()
        warm.fit(adapter.ladder(tiny)[0])
        library = adapter(problem)
        library.prepare()
        library.load()
        answer(kind="loaded", versions=versions(adapter.PACKAGES))
        for line in sys.stdin:
            obey(library, json.loads(line))
    except Exception as error:
        traceback.print_exc()
        message = (str(error).strip().splitlines() or [""])[0][:300]
        answer(kind="failed", message=f"{type(error).__name__}: {message}")
    finally:
        if library is not None:
            library.close()


if __name__ == "__main__":
    main()
