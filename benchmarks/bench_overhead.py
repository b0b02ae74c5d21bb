"""What a pass costs beyond its arithmetic: 1,000 resident blocks on threads and on two processes.

    python benchmarks/bench_overhead.py [--blocks 1000] [--rows 512] [--columns 64] [--passes 30]

Overhead is the wall time of a pass minus the time spent in the kernel (per thread); the median of
the passes after the first two is printed, with what the first pass took.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from daskreg.cluster import local
from daskreg.datafit import Datafit
from daskreg.design import as_design
from daskreg.losses import Squared
from daskreg.problems import Problems


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "X.npy")
        rng = np.random.default_rng(0)
        n_rows = arguments.blocks * arguments.rows
        np.save(path, rng.standard_normal((n_rows, arguments.columns), dtype=np.float32))
        y = rng.standard_normal(n_rows)
        print(f"{arguments.blocks} blocks of {arguments.rows} x {arguments.columns} float32")
        print(f"{'scheduler':<28}{'first pass':>12}{'pass':>10}{'kernel':>10}{'overhead':>10}  ms")
        report("threads", arguments, path, y)
        with local(n_workers=2, threads_per_worker=1, memory_limit="2GiB"):
            report("LocalCluster, 2 processes", arguments, path, y)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--columns", type=int, default=64)
    parser.add_argument("--passes", type=int, default=30)
    return parser.parse_args()


def report(name: str, arguments: argparse.Namespace, path: str, y: np.ndarray) -> None:
    block_size = arguments.rows * arguments.columns * 4
    with as_design(path, y, block_size=block_size) as design:
        design.prepare()
        datafit = Datafit(design, Squared(), Problems.product(alpha=1.0))
        walls, kernels = [], []
        for _ in range(arguments.passes):
            before, started = design.kernel_seconds, time.perf_counter()
            datafit.value_and_grad(np.zeros((arguments.columns, 1, 1)), np.zeros((1, 1)))
            walls.append(time.perf_counter() - started)
            kernels.append(design.kernel_seconds - before)
        plan = design.plan
        assert plan.n_blocks == arguments.blocks
        threads = plan.n_workers * plan.n_threads
        kernel = np.median(kernels[2:]) / threads
        wall = np.median(walls[2:])
    figures = [1e3 * seconds for seconds in (walls[0], wall, kernel, wall - kernel)]
    print(f"{name:<28}{figures[0]:>12.1f}{figures[1]:>10.1f}{figures[2]:>10.1f}{figures[3]:>10.1f}")


if __name__ == "__main__":
    main()
