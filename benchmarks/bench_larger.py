"""Fits on data larger than memory beside passes that only read the same files.

    python benchmarks/bench_larger.py [--loss logistic] [--rows 20000000] [--limit 3072]
        [--fraction 0.01] [--where FOLDER]

The data are those of the cases ``disk_lasso`` and ``disk_logistic`` of ``run.py``, made where they
are missing.  Reading is a pass whose kernel looks at no number, through the same reader and
threads: once with the pages of the files dropped before, and once more with what the system keeps
of them.  A fit is timed in two ways: as ``run.py`` does it, with the pages dropped before the fit
alone, and with the pages dropped before each of its passes, so that none is read from memory that
nobody has planned.  ``reads`` are the bytes that a fit has read over those of the files.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from data import DATA, make
from process import drop_from_cache
from tier_passes import Nothing

from daskreg import Lasso, LogisticRegression
from daskreg.design import as_design
from daskreg.solvers import QuasiNewton

FULL = 20_000_000


def main() -> None:
    arguments = parse()
    name = "stored" if arguments.loss == "squared" else "stored_labels"
    folder = make(DATA[name], arguments.where, arguments.rows / FULL)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {folder.name}", flush=True)
    larger = Larger(folder, arguments)
    larger.say("read again, from the system's cache", larger.read_again())
    for each in {"first": (False,), "each": (True,), "both": (False, True)}[arguments.drop]:
        for _ in range(arguments.repeat):
            larger.compare(each)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--loss", choices=["squared", "logistic"], default="logistic")
    parser.add_argument("--rows", type=int, default=FULL)
    parser.add_argument("--limit", type=int, default=3072, help="MiB that the process may use")
    parser.add_argument("--fraction", type=float, default=0.01, help="of the largest alpha")
    parser.add_argument("--solver", choices=["auto", "sample"], default="auto")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument(
        "--drop", choices=["first", "each", "both"], default="both", help="pages before which pass"
    )
    where = os.environ.get("DASKREG_BENCHMARKS", f"{tempfile.gettempdir()}/daskreg-benchmarks")
    parser.add_argument("--where", type=Path, default=Path(where))
    return parser.parse_args()


class Dropping:
    """Drops the pages of some files after each pass."""

    def __init__(self, path: Path) -> None:
        self.path, self.seconds = path, 0.0

    def on_iteration(self, progress: Any) -> None:
        """Nothing: it is what makes a callback."""

    def on_pass(self, record: Any) -> None:
        started = time.perf_counter()
        drop_from_cache(self.path)
        self.seconds += time.perf_counter() - started


class Larger:
    """Rows in a file, read and fitted within a memory limit."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self.path, self.y = folder / "X.zarr", np.load(folder / "y.npy")
        meta = json.loads((folder / "meta.json").read_text())
        self.alpha = arguments.fraction * meta["alpha_max"]
        self.nbytes = 4 * meta["n_rows"] * meta["n_columns"]
        self.limit = arguments.limit << 20
        sample = arguments.solver == "sample"
        self.solver: Any = QuasiNewton(metric="sample") if sample else "auto"
        self.model: Callable[..., Any] = (
            self._lasso if arguments.loss == "squared" else self._logistic
        )

    def _lasso(self, **settings: Any) -> Any:
        return Lasso(self.alpha, **settings)

    def _logistic(self, **settings: Any) -> Any:
        return LogisticRegression(1 / (self.alpha * len(self.y)), l1_ratio=1.0, **settings)

    def say(self, what: str, figures: tuple[float, float]) -> None:
        seconds, cpu = figures
        print(f"{what:<40}{seconds:>8.2f} s{cpu:>8.2f} CPU s", flush=True)

    def read(self) -> tuple[float, float]:
        """Seconds of a pass that reads and does nothing else, on the clock and of the CPU."""
        drop_from_cache(self.path)
        return self._timed(self._pass)

    def read_again(self) -> tuple[float, float]:
        """The same for the second pass of a design that keeps nothing."""
        with self._design() as design:
            design.sum_over_rows(Nothing())
            return self._timed(lambda: design.sum_over_rows(Nothing()))

    def compare(self, each: bool) -> None:
        """Fit, and print the seconds over those of as many reads, made before and after.

        Parameters
        ----------
        each : bool
            Drop the pages before each pass, not before the first one alone.
        """
        before = self.read()
        drop_from_cache(self.path)
        dropping = Dropping(self.path)
        model = self.model(
            solver=self.solver, memory_limit=self.limit, callbacks=[dropping] if each else ()
        )
        seconds, cpu = self._timed(lambda: model.fit(str(self.path), self.y))
        seconds -= dropping.seconds
        after = self.read()
        read = (before[0] + after[0]) / 2
        reads, passes = model.bytes_read_ / self.nbytes, model.fit_report_.passes
        self.say("read, pages dropped, before", before)
        self.say("read, pages dropped, after", after)
        what = "each pass" if each else "the first pass"
        self.say(f"fit, pages dropped before {what}", (seconds, cpu))
        print(
            f"    {model.n_passes_} passes, {reads:.2f} reads: {seconds / (reads * read):.2f} of "
            f"their time; gap {model.relative_gap_:.1e}, solver {model.solver_}\n"
            f"    seconds a pass {np.round(passes['seconds'], 2).tolist()}\n"
            f"    waiting for blocks {np.round(passes['wait'], 2).tolist()}",
            flush=True,
        )

    def _design(self) -> Any:
        design = as_design(str(self.path), self.y, memory_limit=self.limit)
        design.prepare(passes=1)
        return design

    def _pass(self) -> None:
        with self._design() as design:
            design.sum_over_rows(Nothing())

    @staticmethod
    def _timed(work: Callable[[], Any]) -> tuple[float, float]:
        started, cpu = time.perf_counter(), time.process_time()
        work()
        return time.perf_counter() - started, time.process_time() - cpu


if __name__ == "__main__":
    main()
