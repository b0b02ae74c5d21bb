"""A fit whose process is killed at any moment, gone on with each time: the same bits at the end.

A process fits with a checkpoint, gets SIGKILL at a random moment, and another one takes up what it
has left.  Half of the kills go to a fit of some ten passes, half to one of a single long pass.
Results must equal those of an undisturbed fit to the last bit:

    python -m benchmarks.kills [--kills 30]

The exit status is 1 where a result differs or a process fails.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import daskreg
from benchmarks import chaos
from daskreg.datasets import make_sparse_classification

COMPARED = (*chaos.COMPARED, "alpha_", "mse_path_")
CHECKPOINT, FOUND = "checkpoint", "found.pickle"


def lasso() -> Any:
    """A path of a lasso over three folds in one pass."""
    return daskreg.LassoCV(alphas=20, cv=3, block_size="1MiB", cache=None)


FITS = {"path": chaos.model, "lasso": lasso}


def results(model: Any) -> dict[str, Any]:
    """What a model has found."""
    return {name: np.asarray(getattr(model, name)) for name in COMPARED if hasattr(model, name)}


def differs(found: dict[str, Any], calm: dict[str, Any]) -> list[str]:
    """Names of the results that are not the same bits."""
    names = calm.keys() | found.keys()
    return sorted(n for n in names if not np.array_equal(found.get(n, ()), calm.get(n, ())))


def child(name: str, folder: Path, checkpoint: bool) -> None:
    """Fit, going on from what is there, and say what was found."""
    warnings.simplefilter("error", UserWarning)  # of a checkpoint that is damaged
    keeping: dict[str, Any] = {}
    if checkpoint:
        keeping = {"checkpoint": folder / CHECKPOINT, "checkpoint_every": 0, "resume": "auto"}
    print("ready", flush=True)
    model = FITS[name]().fit(str(folder / "X.zarr"), np.load(folder / "y.npy"), **keeping)
    (folder / FOUND).write_bytes(pickle.dumps(results(model)))
    print("done", flush=True)


def started(name: str, folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.kills", "--child", name, "--folder", str(folder)]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finished(process: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
    """What a process has found that is let go on to its end."""
    process.communicate()
    if process.returncode:
        raise SystemExit(f"a process ended with status {process.returncode}")
    found: dict[str, Any] = pickle.loads((folder / FOUND).read_bytes())
    return found


def disturbed(name: str, folder: Path, n_kills: int, chance: random.Random) -> int:
    """Kill fits so many times, each gone on with until it ends; returns how many were wrong."""
    process = started(name, folder, "--calm")
    began = time.monotonic()
    calm = finished(process, folder)
    seconds, killed, bad = time.monotonic() - began, 0, 0
    while killed < n_kills:
        alive, times = True, 0
        while alive:
            process = started(name, folder)
            try:
                process.wait(chance.uniform(0, seconds) if killed < n_kills else None)
                alive = False
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed, times = killed + 1, times + 1
        wrong = differs(finished(process, folder), calm)
        bad += bool(wrong)
        told = f"DIFFERS in {wrong}" if wrong else "the same bits"
        print(f"{name}: killed {times} times: {told}", flush=True)
        for left in folder.glob(f"{CHECKPOINT}*"):
            os.remove(left)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--columns", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fit", choices=FITS, help="only this one")
    parser.add_argument("--child", choices=FITS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--calm", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.folder, not options.calm)
        return 0
    chance, bad = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = {"n_rows": options.rows, "n_columns": options.columns}
        make_sparse_classification(folder, **size, format="zarr")
        chosen = [options.fit] if options.fit else list(FITS)
        for one in chosen:
            bad += disturbed(one, folder, -(-options.kills // len(chosen)), chance)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
