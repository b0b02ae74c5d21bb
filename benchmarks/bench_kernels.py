"""What one look at the data costs, beside what this machine can do at best.

    python benchmarks/bench_kernels.py [--only gradient passes grams moments sparse] [--mib 256]
        [--widths 256] [--batches 1 250] [--out benchmarks/results/kernels.md]

Ceilings come first: reading numbers from memory with one thread and with all, products and
symmetric rank updates of BLAS, also of as many columns as the Gram matrices have. Then the sums of
the gradient pass for 1 to 250 columns of coefficients, the first pass with and without its Gram
matrix, and compressed rows: the kernel alone on one core, the plain one, which small data use,
beside the compiled one. ``passes`` and ``grams`` are whole passes of a design in memory through the
engine, on one thread and on all. A time is the smallest of several, on the clock; X is counted
once. Read rates are measured again before each line, since neighbours of a virtual machine share
its memory. ``--append`` adds to the file, so that short calls make one record.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dask
import llvmlite
import numpy as np
import scipy.linalg
import scipy.sparse as sp
import threadpoolctl

from daskreg.compiled.code import kind_of, loaded
from daskreg.compiled.loops.arrays import Array
from daskreg.compiled.loops.compiler import compiled
from daskreg.compiled.loops.writing import Code, written
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


def best(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Smallest time of a call, after one that warms up and compiles."""
    work()
    times = []
    for _ in range(5):
        before = clock()
        work()
        times.append(clock() - before)
    return min(times)


@written()
def _add_up(code: Code, numbers: Array, out: Array) -> None:
    total = code.variable(0.0)
    for i in code.each(numbers.size):
        total.add(numbers[i])
    out[0] = total.now


def add_up(numbers: np.ndarray) -> None:
    """Read all numbers, as a compiled loop does."""
    given = numbers, np.empty(1)
    kinds = tuple(map(kind_of, given))
    if kinds not in _loops:
        _loops[kinds] = loaded(compiled(_add_up, "add_up", kinds), kinds)
    _loops[kinds](*given)


_loops: dict[Any, Callable[..., Any]] = {}

CORES = len(os.sched_getaffinity(0))


class Reading:
    """Reads numbers from memory as fast as threads can; GB/s."""

    def __init__(self, mib: int) -> None:
        self.numbers = np.ones(mib << 18, dtype=np.float32)

    def rate(self, threads: int = 1) -> float:
        parts = np.array_split(self.numbers, threads)

        def work() -> None:
            others = [threading.Thread(target=add_up, args=(part,)) for part in parts[1:]]
            for other in others:
                other.start()
            add_up(parts[0])
            for other in others:
                other.join()

        return self.numbers.nbytes / best(work) / 1e9


class Ceilings:
    """Reading in GB/s and products in GFLOP/s, one core, by type."""

    def __init__(self, mib: int) -> None:
        self.reading = Reading(mib)
        self.read = {1: self.reading.rate(), CORES: self.reading.rate(CORES)}
        self.gemm, self.ranks = {}, {}
        for name in ("float32", "float64"):
            A = np.random.default_rng(0).random((2048, 2048)).astype(name)
            self.gemm[name] = 2 * 2048**3 / best(lambda A=A: A @ A) / 1e9

    def syrk(self, dtype: str, p: int) -> float:
        """GFLOP/s of the products of p columns of 2,048 rows with one another."""
        if (dtype, p) not in self.ranks:
            A = np.random.default_rng(0).random((2048, p)).astype(dtype)
            C = np.zeros((p, p), dtype=dtype, order="F")
            update = getattr(scipy.linalg.blas, "ssyrk" if dtype == "float32" else "dsyrk")
            repeats = 1 + 2**19 // p**2

            def work() -> None:
                for _ in range(repeats):
                    update(1.0, A.T, 1.0, C, lower=1, overwrite_c=1)

            self.ranks[dtype, p] = repeats * 2048 * p**2 / best(work) / 1e9
        return self.ranks[dtype, p]

    def lines(self) -> Iterator[str]:
        one, all_ = self.read[1], self.read[CORES]
        yield f"Read from memory: {one:.1f} GB/s by one thread, {all_:.1f} by {CORES}.\n"
        yield "| ceiling of one core, GFLOP/s | float32 | float64 |\n| --- | ---: | ---: |"
        rows = {"gemm": self.gemm} | {
            f"syrk of {p} columns": {t: self.syrk(t, p) for t in self.gemm} for p in (200, 2048)
        }
        for label, values in rows.items():
            yield f"| {label} | {values['float32']:.0f} | {values['float64']:.0f} |"


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


def share(rate: float, top: float) -> str:
    return f"{rate:.2f} | {rate / top:.0%}"


def gradient(
    top: Ceilings, mib: int, widths: Sequence[int] = WIDTHS, batches: Sequence[int] = BATCHES
) -> Iterator[str]:
    yield (
        "| gradient, one core | p | K | X | products | read GB/s | plain GB/s | GB/s | of read | "
        "GFLOP/s | of gemm |\n| --- " + "| ---: " * 2 + "| --- | --- " + "| ---: " * 6 + "|"
    )
    for loss in (Squared(), Logistic()):
        for p in widths:
            for C in batches:
                for stored, dtype in STORED if p == 256 and C <= 8 else STORED[:2]:
                    n = max(1000, (mib << 18) // (p * max(1, C // 8)))
                    block, state = block_of(n, p, stored, loss.is_classifier), state_of(p, C)
                    kernels = [kernel_of(loss, dtype, own) for own in (False, True)]
                    seconds = [best(partial(kernel, block, state)) for kernel in kernels]
                    plain, rate = (block.X.nbytes / one / 1e9 for one in seconds)
                    flops, read = 4 * n * p * C / seconds[1] / 1e9, top.reading.rate()
                    yield (
                        f"| {loss.name} | {p} | {C} | {stored} | {dtype} | {read:.1f} | "
                        f"{plain:.2f} | {share(rate, read)} | {share(flops, top.gemm[dtype])} |"
                    )


def kernel_of(loss: Any, dtype: str, compiled: bool = True) -> GradientKernel:
    return GradientKernel(loss, dtype, LABELS if loss.is_classifier else None, compiled=compiled)


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
                    f"{flops:.0f} | {flops / top.syrk(dtype, p):.0%}"
                    if columns is None
                    else "- | -"
                )
                yield (
                    f"| {'Gram' if columns is None else 'no Gram'} | {p} | {stored} | {dtype} | "
                    f"{plain:.2f} | {rate:.2f} | {rate / top.read[1]:.0%} | {gram} |"
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
            part = rate / top.read[1]
            yield f"| logistic | {C} | {stored} | {plain:.2f} | {rate:.2f} | {part:.0%} |"


def pass_rates(block: Block, kernel: Any, state: dict[str, Any]) -> list[float]:
    """GB/s of passes through the engine, on one thread and on all."""
    rates = []
    for threads in (1, CORES):
        with dask.config.set(num_workers=threads), as_design(block.X, block.y) as design:
            design.prepare()
            seconds = best(lambda d=design: d.sum_over_rows(kernel, state))
            rates.append(block.X.nbytes / seconds / 1e9)
    return rates


def passes(top: Ceilings, mib: int) -> Iterator[str]:
    yield (
        "| pass of a design, p = 256 | K | X | read GB/s | kernel GB/s | of read | "
        f"pass GB/s | of read | GFLOP/s | of gemm | on {CORES} threads | ratio |\n"
        "| --- | ---: | --- " + "| ---: " * 9 + "|"
    )
    for loss in (Squared(), Logistic()):
        for C in BATCHES:
            for stored in ("float32", "int8") if C == 1 else ("float32",):
                n = (mib << 18) // (256 * max(1, C // 50))
                block, state = block_of(n, 256, stored, loss.is_classifier), state_of(256, C)
                kernel, read = kernel_of(loss, "float32"), top.reading.rate()
                alone = block.X.nbytes / best(partial(kernel, block, state)) / 1e9
                one, all_ = pass_rates(block, kernel, state)
                flops = C * one * 4 / block.X.itemsize
                yield (
                    f"| {loss.name} | {C} | {stored} | {read:.1f} | {share(alone, read)} | "
                    f"{share(one, read)} | {share(flops, top.gemm['float32'])} | {all_:.2f} | "
                    f"{all_ / one:.2f} |"
                )


def grams(top: Ceilings, mib: int) -> Iterator[str]:
    yield (
        "| first pass of a design, with its Gram matrix | p | products | GB/s | GFLOP/s | "
        f"of syrk of p columns | on {CORES} threads, GB/s | ratio |\n| --- | ---: | --- "
        + "| ---: " * 5
        + "|"
    )
    for p in (100, 200, 1000):
        block = block_of((mib << 18) // p, p, "float32", False)
        for dtype in ("float32", "float64"):
            kernel = MomentsKernel(False, None, dtype, compiled=True)
            one, all_ = pass_rates(block, kernel, {})
            flops = one * p / 4
            yield (
                f"| squared | {p} | {dtype} | {one:.2f} | {share(flops, top.syrk(dtype, p))} | "
                f"{all_:.2f} | {all_ / one:.2f} |"
            )


GROUPS = {maker.__name__: maker for maker in (passes, grams, gradient, moments, sparse)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--mib", type=int, default=256, help="size of a float32 X")
    parser.add_argument("--widths", type=int, nargs="+", help="columns of X in `gradient`")
    parser.add_argument("--batches", type=int, nargs="+", help="columns of coefficients there")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--append", action="store_true")
    arguments = parser.parse_args()
    today = datetime.datetime.now(tz=datetime.UTC).date()
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    if not arguments.append:
        say("# One look at the data\n")
        say(
            f"{today}, {platform.machine()}, {CORES} cores, Python {platform.python_version()}, "
            f"numpy {np.__version__}, llvmlite {llvmlite.__version__}; made by "
            "`benchmarks/bench_kernels.py`. X is counted once.\n"
        )
    with threadpoolctl.threadpool_limits(1):
        top = Ceilings(arguments.mib)
        if not arguments.append:
            for line in top.lines():
                say(line)
        for group in arguments.only:
            say("")
            maker = GROUPS[group]
            if maker is gradient:
                chosen = arguments.widths or WIDTHS, arguments.batches or BATCHES
                maker = partial(gradient, widths=chosen[0], batches=chosen[1])
            for line in maker(top, arguments.mib):
                say(line)
    if arguments.out is not None:
        with arguments.out.open("a" if arguments.append else "w") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
