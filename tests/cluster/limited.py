"""A fit that takes longer than its walltime, as an element of a job array.

``python limited.py FOLDER NUMBER``: every iteration waits, so that the time is spent without
keeping a processor busy.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from daskreg import Lasso, checkpoint

ITERATIONS, SECONDS = 100, 0.5


class Slow:
    """Makes an iteration last."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_iteration(self, event: Any) -> None:
        time.sleep(self.seconds)


def model(number: int, seconds: float) -> Lasso:
    slow = [Slow(seconds)]
    return Lasso(0.01 * number, solver="fista", tol=0.0, max_iter=ITERATIONS, callbacks=slow)


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    common = rng.normal(size=(600, 1))
    X = common + 0.05 * rng.normal(size=(600, 30))
    return X, X[:, :3].sum(axis=1) + rng.normal(size=600)


if __name__ == "__main__":
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    with open(folder / f"starts-{number}", "a") as starts:
        starts.write(os.environ.get("SLURM_RESTART_COUNT", "0") + "\n")
    with checkpoint.on_signal():
        fitted = model(number, SECONDS)
        fitted.fit(*data(), checkpoint=folder / f"{number}.checkpoint", resume="auto")
    np.savez(folder / f"{number}.npz", coef=fitted.coef_, n_iter=fitted.n_iter_)
