"""Fits of tiny data beside scikit-learn's, in one process: the tax of everything but arithmetic.

Prints the least of many times of each and their ratio, and the Python calls of a fit, which other
work on the machine cannot disturb:

    python -m benchmarks.bench_small [--rounds 200]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso as TheirLasso
from sklearn.linear_model import LogisticRegression as TheirLogistic

import daskreg

#: Fits of each before the first that counts: loops that are compiled already are loaded by then.
WARM = 20


def cases() -> dict[str, tuple[Any, Any, Any, Any]]:
    """Return ours, theirs, X (442, 10) and y (442,) by name."""
    X, y = load_diabetes(return_X_y=True)
    labels = (y > np.median(y)).astype(int)
    return {
        "Lasso(alpha=0.1)": (daskreg.Lasso(alpha=0.1), TheirLasso(alpha=0.1), X, y),
        "LogisticRegression()": (daskreg.LogisticRegression(), TheirLogistic(), X, labels),
    }


def least_seconds(runs: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Return the least time of each, taken in turn."""
    least = [np.inf] * len(runs)
    for _ in range(rounds):
        for place, run in enumerate(runs):
            started = perf_counter()
            run()
            least[place] = min(least[place], perf_counter() - started)
    return least


def n_calls(run: Callable[[], Any]) -> int:
    """Return the function calls of one run."""
    profile = cProfile.Profile()
    profile.runcall(run)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    print(f"{'case':22}{'ours, ms':>10}{'scikit-learn':>14}{'ratio':>8}{'calls':>8}")
    for name, (ours, theirs, X, y) in cases().items():
        runs = [lambda m=model, X=X, y=y: m.fit(X, y) for model in (ours, theirs)]
        for _ in range(WARM):
            for run in runs:
                run()
        calls = n_calls(runs[0])
        mine, other = (1e3 * seconds for seconds in least_seconds(runs, rounds))
        print(f"{name:22}{mine:10.2f}{other:14.2f}{mine / other:8.2f}{calls:8d}")


if __name__ == "__main__":
    main()
