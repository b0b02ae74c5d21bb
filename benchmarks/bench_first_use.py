"""The first fit of a machine: a fresh process, and nothing compiled yet.

Each fit runs in a process of its own with an empty cache of compiled code, and once more in that
process, which shows what the first one had to wait for.  The clock starts after imports and
data.  Printed are seconds and CPU seconds of the first fit, then those of the second:

    python -m benchmarks.bench_first_use [--rounds 3] [--case ...] [--beside CHECKOUT]

``--beside`` measures another checkout in turn with this one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parents[1]
SMALL, MIDDLE, WIDE, LARGE = (442, 10), (20_000, 50), (500, 5_000), (100_000, 200)
#: Large enough for compiled loops; so are the entries of the larger ones of the sparse cases.
LARGER, SPARSE, SPARSER = (500_000, 200), (20_000, 5_000), (300_000, 50_000)
#: Share of the largest alpha, about, for unit columns.
ALPHA = 0.05


def numbers(shape: tuple[int, int]) -> tuple[Any, Any]:
    """Return X and a noisy sum of its first columns."""
    random = np.random.default_rng(0)
    X = random.standard_normal(shape, dtype=np.float32 if shape == LARGER else np.float64)
    return X, X[:, :5].sum(axis=1) + random.standard_normal(len(X))


def labels(shape: tuple[int, int], n_classes: int = 2) -> tuple[Any, Any]:
    """Return X and classes of equal size."""
    X, y = numbers(shape)
    return X, np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))


def sparse(shape: tuple[int, int]) -> tuple[Any, Any]:
    """Return compressed sparse rows of thirty entries, and a noisy product with them."""
    import scipy.sparse as sp

    random = np.random.default_rng(0)
    n, p = shape
    columns = random.integers(0, p, 30 * n, dtype=np.int32)
    places = np.arange(0, 30 * n + 1, 30, dtype=np.int32)
    X = sp.csr_array((random.standard_normal(30 * n), columns, places), shape=shape)
    X.sum_duplicates()
    return X, X @ random.standard_normal(p) + random.standard_normal(n)


def sparse_labels(shape: tuple[int, int]) -> tuple[Any, Any]:
    """Return compressed sparse rows and two classes."""
    X, y = sparse(shape)
    return X, y > 0.0


def cases() -> dict[str, tuple[Callable[[], Any], Callable[[], tuple[Any, Any]]]]:
    """Return what makes the model and what makes the data, by name."""
    from daskreg import ElasticNet, Lasso, LassoCV, LogisticRegression

    def logistic(n: int, alpha: float = 0.01) -> Any:
        return LogisticRegression(C=1.0 / (alpha * n), l1_ratio=1.0)

    def fista() -> Any:
        return ElasticNet(alpha=ALPHA, solver="fista")

    return {
        "Lasso 442 x 10": (lambda: Lasso(alpha=ALPHA), lambda: numbers(SMALL)),
        "Lasso 20,000 x 50": (lambda: Lasso(alpha=ALPHA), lambda: numbers(MIDDLE)),
        "logistic 442 x 10": (lambda: logistic(442), lambda: labels(SMALL)),
        "logistic 20,000 x 50": (lambda: logistic(20_000), lambda: labels(MIDDLE)),
        "ElasticNet by fista 20,000 x 50": (fista, lambda: numbers(MIDDLE)),
        "LassoCV 20,000 x 50": (LassoCV, lambda: numbers(MIDDLE)),
        "Lasso 500 x 5,000": (lambda: Lasso(alpha=4 * ALPHA), lambda: numbers(WIDE)),
        "logistic CSR 20,000 x 5,000": (
            lambda: logistic(20_000, 0.0002),
            lambda: sparse_labels(SPARSE),
        ),
        "multinomial 20,000 x 50 x 4": (lambda: logistic(20_000), lambda: labels(MIDDLE, 4)),
        "Lasso 100,000 x 200": (lambda: Lasso(alpha=ALPHA), lambda: numbers(LARGE)),
        "ElasticNet by fista 100,000 x 200": (fista, lambda: numbers(LARGE)),
        "logistic 100,000 x 200": (lambda: logistic(100_000), lambda: labels(LARGE)),
        "ElasticNet by fista 500,000 x 200": (fista, lambda: numbers(LARGER)),
        "logistic 500,000 x 200": (lambda: logistic(500_000), lambda: labels(LARGER)),
        "Lasso CSR 300,000 x 50,000": (lambda: Lasso(alpha=0.0005), lambda: sparse(SPARSER)),
        "logistic CSR 300,000 x 50,000": (
            lambda: logistic(300_000, 3e-5),
            lambda: sparse_labels(SPARSER),
        ),
    }


def child(name: str) -> None:
    """Print seconds and CPU seconds of two fits of a case, and whether the compiler was loaded."""
    import warnings

    warnings.simplefilter("ignore")
    make, data = cases()[name]
    X, y = data()
    seconds = []
    for _ in range(2):
        model = make()
        started, busy = perf_counter(), process_time()
        model.fit(X, y)
        seconds += [perf_counter() - started, process_time() - busy]
    print(json.dumps([*seconds, "llvmlite" in sys.modules]))


def measured(name: str, checkout: Path) -> list[float]:
    """Return what :func:`child` prints in a process of its own on a checkout."""
    with tempfile.TemporaryDirectory() as cache:
        # The second name is that of older checkouts.
        folders = {"DASKREG_CACHE_DIR": cache, "NUMBA_CACHE_DIR": cache}
        known = os.environ | folders | {"PYTHONPATH": str(checkout)}
        command = [sys.executable, str(Path(__file__).resolve()), "--child", name]
        done = subprocess.run(
            command, env=known, cwd=cache, capture_output=True, text=True, check=True
        )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", nargs="*")
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    trees = [HERE] if given.beside is None else [given.beside.resolve(), HERE]
    for name in given.case or list(cases()):
        runs = [[measured(name, tree) for tree in trees] for _ in range(given.rounds)]
        for place, tree in enumerate(trees):
            costs = [statistics.median(run[place][part] for run in runs) for part in range(4)]
            compiler = "with the compiler" if runs[0][place][4] else ""
            told = "".join(f"{cost:8.3f}" for cost in costs)
            print(f"{name:36}{tree.name:12}{told}  {compiler}", flush=True)


if __name__ == "__main__":
    main()
