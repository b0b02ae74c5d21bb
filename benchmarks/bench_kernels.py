"""What one look at the data costs, beside what this machine can do at best.

    python benchmarks/bench_kernels.py [--only gradient moments sparse passes] [--mib 256] [--out F]

Ceilings of one core come first: reading numbers from memory, products and symmetric rank updates
of BLAS.  Then, on one core, the sums of the gradient pass for 1 to 250 columns of coefficients,
the first pass with and without its Gram matrix, and compressed rows; the plain kernels, which
small data use, beside the compiled ones.  ``passes`` are whole passes of a design in memory, on
one thread and on all.  A time is the smallest of several, in CPU seconds of the thread (``passes``:
seconds of the clock); X is counted once.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dask
import numba
import numpy as np
import scipy.linalg
import scipy.sparse as sp
import threadpoolctl

from daskreg.datafit.kernels.gradient import GradientKernel
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.datafit.kernels.tiles import Labels
from daskreg.design import as_design
from daskreg.design.blocks import Block
from daskreg.losses import Logistic, Squared

WIDTHS = (20, 100, 256, 2000)
BATCHES = (1, 8, 50, 250)
STORED = (
    ("float32", "float32"), ("float64", "float64"), ("float32", "float64"),
    ("int8", "float32"), ("uint8", "float32"), ("float16", "float32"),
)  # fmt: skip
LABELS = Labels((0, 1), np.ones((2, 1)))


def best(work: Callable[[], Any], clock: Callable[[], float] = time.thread_time) -> float:
    """Smallest time of a call, after one that warms up and compiles."""
    work()
    times = []
    for _ in range(5):
        before = clock()
        work()
        times.append(clock() - before)
    return min(times)


@numba.njit(fastmath=True, nogil=True)
def add_up(numbers: Any) -> Any:
    total = numbers.dtype.type(0)
    for i in range(numbers.size):
        total += numbers[i]
    return total


class Ceilings:
    """Reading in GB/s and products in GFLOP/s, one core, by type."""

    def __init__(self, mib: int) -> None:
        self.read, self.gemm, self.syrk = {}, {}, {}
        for name, syrk in (("float32", "ssyrk"), ("float64", "dsyrk")):
            numbers = np.ones((mib << 20) // np.dtype(name).itemsize, dtype=name)
            self.read[name] = numbers.nbytes / best(lambda X=numbers: add_up(X)) / 1e9
            A = np.random.default_rng(0).random((2048, 2048)).astype(name)
            C = np.zeros((2048, 2048), dtype=name, order="F")
            update = getattr(scipy.linalg.blas, syrk)
            self.gemm[name] = 2 * 2048**3 / best(lambda A=A: A @ A) / 1e9
            self.syrk[name] = (
                2048**3
                / best(lambda A=A, C=C, f=update: f(1.0, A.T, 1.0, C, lower=1, overwrite_c=1))
                / 1e9
            )

    def lines(self) -> Iterator[str]:
        yield "| ceiling of one core | float32 | float64 |\n| --- | ---: | ---: |"
        for label, values in (
            ("read, GB/s", self.read), ("gemm, GFLOP/s", self.gemm), ("syrk, GFLOP/s", self.syrk),
        ):  # fmt: skip
            yield f"| {label} | {values['float32']:.1f} | {values['float64']:.1f} |"


def block_of(n: int, p: int, stored: str, labels: bool) -> Block:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p), dtype=np.float32)
    if np.dtype(stored).kind in "iu":
        X = np.abs(20 * X)
    y = rng.integers(0, 2, (n, 1)) if labels else rng.standard_normal((n, 1))
    return Block(X.astype(stored), y, None, None, 0, 0)


def state_of(p: int, C: int) -> dict[str, Any]:
    coef = np.random.default_rng(1).standard_normal((p, C)) / p
    zeros = np.zeros(C, dtype=np.intp)
    return {"coef": coef, "intercept": np.zeros(C), "target": zeros, "weighting": zeros}


def gradient(top: Ceilings, mib: int) -> Iterator[str]:
    yield (
        "| gradient | p | K | X | products | plain GB/s | GB/s | of read | GFLOP/s | of gemm |\n"
        "| --- " + "| ---: " * 2 + "| --- | --- " + "| ---: " * 5 + "|"
    )
    for loss in (Squared(), Logistic()):
        for p in WIDTHS:
            for C in BATCHES:
                for stored, dtype in STORED if p == 256 else STORED[:2]:
                    n = max(1000, (mib << 18) // (p * max(1, C // 8)))
                    block, state = block_of(n, p, stored, loss.is_classifier), state_of(p, C)
                    labels = LABELS if loss.is_classifier else None
                    kernels = [
                        GradientKernel(loss, dtype, labels, compiled=own) for own in (False, True)
                    ]
                    seconds = [best(partial(kernel, block, state)) for kernel in kernels]
                    plain, rate = (block.X.nbytes / one / 1e9 for one in seconds)
                    flops = 4 * n * p * C / seconds[1] / 1e9
                    yield (
                        f"| {loss.name} | {p} | {C} | {stored} | {dtype} | {plain:.2f} | "
                        f"{rate:.2f} | {rate / top.read['float32']:.0%} | {flops:.0f} | "
                        f"{flops / top.gemm[dtype]:.0%} |"
                    )


def moments(top: Ceilings, mib: int) -> Iterator[str]:
    yield (
        "| first pass | p | X | products | plain GB/s | GB/s | of read | GFLOP/s | of syrk |\n"
        "| --- | ---: | --- | --- " + "| ---: " * 5 + "|"
    )
    for p in (100, 200, 1000, 2000):
        for stored in ("float32", "float64", "int8"):
            block = block_of((mib << 18) // p, p, stored, False)
            for columns, dtype in (((), "float64"), (None, "float64"), (None, "float32")):
                kernels = [
                    MomentsKernel(False, columns, dtype, compiled=own) for own in (False, True)
                ]
                seconds = [best(partial(kernel, block, {})) for kernel in kernels]
                plain, rate = (block.X.nbytes / one / 1e9 for one in seconds)
                flops = block.n_rows * p**2 / seconds[1] / 1e9
                gram = (
                    f"{flops:.0f} | {flops / top.syrk[dtype]:.0%}" if columns is None else "- | -"
                )
                yield (
                    f"| {'Gram' if columns is None else 'no Gram'} | {p} | {stored} | {dtype} | "
                    f"{plain:.2f} | {rate:.2f} | {rate / top.read['float32']:.0%} | {gram} |"
                )


def sparse(top: Ceilings, mib: int) -> Iterator[str]:
    yield "| compressed rows | K | X | plain GB/s | GB/s | of read |\n| --- " + "| ---: " * 5 + "|"
    n, p, each = 2000 * mib, 200_000, 30
    rng = np.random.default_rng(0)
    indices = np.sort(rng.integers(0, p, (n, each), dtype=np.int32), axis=1).ravel()
    for stored in ("float32", "float64"):
        data = rng.standard_normal(n * each).astype(stored)
        X = sp.csr_array((data, indices, np.arange(n + 1, dtype=np.int32) * each), shape=(n, p))
        block = Block(X, rng.integers(0, 2, (n, 1)), None, None, 0, 0)
        for C in (1, 8):
            kernels = [
                GradientKernel(Logistic(), "float64", LABELS, compiled=own) for own in (False, True)
            ]
            state = state_of(p, C)
            seconds = [best(partial(kernel, block, state)) for kernel in kernels]
            nbytes = data.nbytes + indices.nbytes
            plain, rate = (nbytes / one / 1e9 for one in seconds)
            share = rate / top.read["float32"]
            yield f"| logistic | {C} | {stored} | {plain:.2f} | {rate:.2f} | {share:.0%} |"


def passes(top: Ceilings, mib: int) -> Iterator[str]:
    cores = len(os.sched_getaffinity(0))
    yield (
        f"| pass of a design in memory | K | GB/s on 1 thread | on {cores} | ratio |\n| --- "
        + "| ---: " * 4
        + "|"
    )
    n, p = (mib << 18) // 256, 256
    block = block_of(n, p, "float32", False)
    for C in (1, 50):
        kernel, state, rates = (
            GradientKernel(Squared(), "float32", compiled=True),
            state_of(p, C),
            [],
        )
        for threads in (1, cores):
            with dask.config.set(num_workers=threads), as_design(block.X, block.y) as design:
                design.prepare()
                seconds = best(
                    lambda d=design, k=kernel, s=state: d.sum_over_rows(k, s), time.perf_counter
                )
                rates.append(block.X.nbytes / seconds / 1e9)
        ratio = rates[1] / rates[0]
        yield f"| squared | {C} | {rates[0]:.2f} | {rates[1]:.2f} | {ratio:.2f} |"


GROUPS = {maker.__name__: maker for maker in (gradient, moments, sparse, passes)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--mib", type=int, default=256, help="size of a float32 X")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    today = datetime.datetime.now(tz=datetime.UTC).date()
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    say(f"# One look at the data, {today}\n")
    say(f"{platform.machine()}, numpy {np.__version__}, numba {numba.__version__}\n")
    with threadpoolctl.threadpool_limits(1):
        top = Ceilings(arguments.mib)
        for line in top.lines():
            say(line)
        for group in arguments.only:
            say("")
            for line in GROUPS[group](top, arguments.mib):
                say(line)
    if arguments.out is not None:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
