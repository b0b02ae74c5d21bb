"""Passes and fits on a card, beside what the card can do at best, in one command:

    python -m benchmarks.gpu [--tests] [--check-only [--stand-in]] [--size 8] [--fit-size 4]
                             [--out FOLDER]

First every kernel is checked against float64 sums of the host, and nothing is timed that is wrong;
``--tests`` runs the tests that need a card before.  Then the ceilings are measured (copies within
the card, over its link, products of matrices), then passes with X on the card, with and without
TF32, passes over rows that stream from page-locked memory, the Gram matrix, and whole fits, beside
this machine's processors, scikit-learn there, and cuML where it is installed; coefficients are
compared, and least squares in memory are solved on the card and on processors.  Last come fits
whose rows do not fit what the card may use, and stream.  It ends with status 2 without a card, and
with 1 where a number is wrong; ``--check-only --stand-in`` runs the checks over numpy, without a
card.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from daskreg._device import TF32_VARIABLE, cupy_or_none, gpu_available
from daskreg.datafit.kernels.gradient import GradientKernel
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.datafit.kernels.tiles import Labels
from daskreg.design.blocks import Block
from daskreg.design.device import Csr, DeviceBlock, Kept
from daskreg.design.device.card import card_of_process, locked_copy
from daskreg.design.device.lane import Lane
from daskreg.design.device.need import DeviceShare
from daskreg.losses import Logistic, Squared

from .gpu_fits import environment, error, fits, print_row

#: Columns of coefficients of a pass.
COLUMNS = (1, 8, 50, 250)
#: What is stored, and how close the sums of float32 products come to those of float64.
STORED = {"float64": 1e-11, "float32": 1e-5, "float16": 1e-5, "int8": 1e-5, "csr": 1e-11}
N_FEATURES = 256
#: Rows of a check; bytes of a block of a pass, and of copies; rows of the square matrices of a
#: product.
CHECK_ROWS, BLOCK_BYTES, COPY_BYTES, GEMM_ROWS = 5000, 2**28, 2**30, 8192
LABELS = Labels((0, 1), np.ones((2, 1)))


def data(stored: str, n_rows: int) -> Any:
    """Return X as it is stored; of sparse rows one number in ten."""
    rng = np.random.default_rng(0)
    if stored == "int8":
        return rng.integers(-100, 101, (n_rows, N_FEATURES), dtype=np.int8)
    if stored == "csr":
        size = n_rows, N_FEATURES
        return scipy.sparse.random_array(size, density=0.1, format="csr", rng=rng)
    return rng.standard_normal((n_rows, N_FEATURES), dtype=np.float32).astype(stored, copy=False)


def on_card(xp: Any, block: Block) -> DeviceBlock:
    """Return a block whose X lies on the card."""
    X = block.X
    if scipy.sparse.issparse(X):
        moved = Csr(*(xp.asarray(part) for part in (X.data, X.indices, X.indptr)), X.shape)
    else:
        moved = xp.asarray(X)
    return DeviceBlock(block, moved, Kept(lambda nbytes: True), xp, xp.asarray, fetched)


def fetched(array: Any) -> np.ndarray:
    """Return an array on the host."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def pass_of(loss: Any, stored: str, X: Any, n_columns: int) -> tuple[Any, Block, dict[str, Any]]:
    """Return kernel, block and state of a gradient pass."""
    rng = np.random.default_rng(1)
    n_rows, p = X.shape
    y = rng.integers(0, 2, (n_rows, 1)).astype(np.float64)
    product = "float64" if stored in ("float64", "csr") else "float32"
    scale = 1.0 / np.sqrt(p) / (60.0 if stored == "int8" else 1.0)
    state = {
        "coef": (scale * rng.normal(size=(p, n_columns))).astype(product).astype(np.float64),
        "intercept": np.zeros(n_columns),
        "target": np.zeros(n_columns, dtype=np.intp),
    }
    kernel = GradientKernel(loss, product, LABELS if loss.is_classifier else None)
    return kernel, Block(X, y, None, None, 0, 0), state


# ---------------------------------------------------------------------- checks


def checks(xp: Any) -> list[tuple[str, float, float]]:
    """Return name, largest error beside the largest number, and what it may be, of each kernel."""
    found = []
    for stored, allowed in STORED.items():
        X = data(stored, CHECK_ROWS)
        wide = X.astype(np.float64)
        for loss in (Squared(), Logistic()):
            for n_columns in (1, 8, 40):
                kernel, block, state = pass_of(loss, stored, X, n_columns)
                exact, host, _ = pass_of(loss, "float64", wide, n_columns)
                expected = exact(host, state)
                sums = kernel.on_device(on_card(xp, block), state)
                largest = max(error(fetched(sums[name]), expected[name]) for name in expected)
                found.append((f"{loss.name}, {stored}, K={n_columns}", largest, allowed))
    for stored in ("float64", "float32"):
        X = data(stored, CHECK_ROWS)
        host = Block(X, X[:, :1].astype(np.float64), None, None, 0, 0)
        expected = MomentsKernel(columns=None)(host, {})["moments"].moments[-1, None]
        kernel = MomentsKernel(columns=None, gram_dtype=stored)
        share = kernel.on_device(on_card(xp, host), {})["moments"].moments[-1, None]
        largest = error(fetched(share.gram), expected.gram)
        found.append((f"Gram, {stored}", largest, STORED[stored]))
    return found


def report_checks(xp: Any) -> bool:
    """Print the checks; return whether all hold."""
    right = True
    for name, found, allowed in checks(xp):
        holds = found <= allowed
        right &= holds
        print(f"{'ok   ' if holds else 'WRONG'} {name:30} {found:8.1e} (allowed {allowed:.0e})")
    return right


# ---------------------------------------------------------------------- times


def seconds(xp: Any, run: Callable[[], Any], times: int = 7) -> float:
    """Return the least seconds of several runs, by the card's own clock, after two others."""
    for _ in range(2):
        run()
    least = np.inf
    for _ in range(times):
        start, stop = xp.cuda.Event(), xp.cuda.Event()
        start.record()
        run()
        stop.record()
        stop.synchronize()
        least = min(least, xp.cuda.get_elapsed_time(start, stop) / 1e3)
    return least


def ceilings(xp: Any) -> dict[str, float]:
    """Return bytes a second of copies within the card and over its link, and flop a second."""
    import cupyx

    size = COPY_BYTES
    one, two = xp.ones(size, xp.uint8), xp.empty(size, xp.uint8)
    host = cupyx.empty_pinned(size, np.uint8)
    host[:] = 1
    found = {
        "copy": 2 * size / seconds(xp, lambda: xp.copyto(two, one)),
        "link": size / seconds(xp, lambda: one.set(host)),
    }
    for dtype in ("float32", "float64"):
        A = xp.ones((GEMM_ROWS, GEMM_ROWS), dtype)
        found[f"gemm {dtype}"] = 2.0 * GEMM_ROWS**3 / seconds(xp, lambda A=A: A @ A)
    return found


def passes(xp: Any, size: int, best: dict[str, float]) -> list[dict[str, Any]]:
    """Time passes over X on the card: the sums of several blocks, added as a fit adds them."""
    found = []
    for stored in ("float32", "float16", "int8", "csr"):
        row = N_FEATURES * (1.2 if stored == "csr" else np.dtype(stored).itemsize)
        n_blocks, n_rows = max(1, size // BLOCK_BYTES), int(BLOCK_BYTES / row)
        X = data(stored, n_rows)
        _, block, _ = pass_of(Squared(), stored, X, 1)
        moved = [on_card(xp, block).X for _ in range(n_blocks)]
        nbytes = n_blocks * sum(part.nbytes for part in _parts(moved[0]))
        numbers = n_blocks * (X.nnz if stored == "csr" else X.size)
        for loss in (Squared(), Logistic()):
            for n_columns in COLUMNS:
                kernel, block, state = pass_of(loss, stored, X, n_columns)
                cards = [_beside(xp, block, one) for one in moved]
                gemm = best["gemm float64" if stored == "csr" else "gemm float32"]
                for rough in (False, True) if stored != "csr" and n_columns > 1 else (False,):
                    with environment(TF32_VARIABLE, "1" if rough else "0"):
                        took = seconds(xp, lambda k=kernel, s=state, c=cards: _sweep(k, s, c))
                    name = f"{loss.name}, {stored}, K={n_columns}{', TF32' if rough else ''}"
                    row = {"pass": name, "bytes": nbytes, "seconds": took}
                    row["share of copy"] = nbytes / took / best["copy"]
                    row["share of gemm"] = 4.0 * numbers * n_columns / took / gemm
                    found.append(row)
                    print_row(row)
                del cards
        del moved
        xp.get_default_memory_pool().free_all_blocks()
    return found


def _beside(xp: Any, block: Block, X: Any) -> DeviceBlock:
    return DeviceBlock(block, X, Kept(lambda nbytes: True), xp, xp.asarray, fetched)


def _sweep(kernel: Any, state: dict[str, Any], cards: list[DeviceBlock]) -> Any:
    """Return the sum over all blocks; the state goes to the card once."""
    uploads: dict[str, Any] = {}
    total = None
    for card in cards:
        share = kernel.on_device(replace(card, uploads=uploads), state)
        total = share if total is None else total + share
    return total


def streamed_passes(size: int, best: dict[str, float]) -> list[dict[str, Any]]:
    """Time passes over page-locked rows of the host, as a fit makes them: the link is the limit."""
    card, found = card_of_process(), []
    assert card is not None
    for stored in ("float32", "float16", "int8", "csr"):
        row_bytes = N_FEATURES * (1.2 if stored == "csr" else np.dtype(stored).itemsize)
        n_blocks, n_rows = max(2, size // BLOCK_BYTES), int(BLOCK_BYTES / row_bytes)
        X = data(stored, n_rows)
        moved = n_blocks * sum(part.nbytes for part in _parts(X))
        locked = locked_copy(card, X)  # the same rows again and again: the card cannot know
        for n_columns in COLUMNS:
            kernel, block, state = pass_of(Squared(), stored, locked, n_columns)
            took = min(_streamed(card, kernel, state, [block] * n_blocks) for _ in range(3))
            row = {"pass": f"streamed, {stored}, K={n_columns}", "bytes": moved, "seconds": took}
            found.append(row | {"share of link": moved / took / best["link"]})
            print_row(found[-1])
        del locked, block
        card.trim()
    return found


def _streamed(card: Any, kernel: Any, state: dict[str, Any], blocks: list[Block]) -> float:
    """Return the seconds of a pass of one shard, to its sums on the host."""
    lane = Lane(card, "benchmark", kernel, state, DeviceShare(), lambda index: None)
    started = time.perf_counter()
    with lane:
        total = lane.sum(blocks[0])
        for block in blocks[1:]:
            total = total + lane.sum(block)
        lane.fetched({0: total})
    return time.perf_counter() - started


def gram_pass(xp: Any, best: dict[str, float]) -> dict[str, Any]:
    """Time the Gram matrix of a block on the card."""
    X = data("float32", BLOCK_BYTES // (4 * N_FEATURES))
    block = on_card(xp, Block(X, X[:, :1].astype(np.float64), None, None, 0, 0))
    kernel = MomentsKernel(columns=None, gram_dtype="float32")
    took = seconds(xp, lambda: kernel.on_device(block, {}))
    flop = X.shape[0] * N_FEATURES * (N_FEATURES + 1.0)
    share = flop / took / best["gemm float32"]
    row = {"pass": "Gram, float32", "bytes": X.nbytes, "seconds": took, "share of gemm": share}
    print_row(row)
    return row


def _parts(X: Any) -> list[Any]:
    return [X.data, X.indices, X.indptr] if hasattr(X, "indptr") else [X]


# ---------------------------------------------------------------------- the command


def machine(xp: Any) -> dict[str, Any]:
    """Return what the card is."""
    about = xp.cuda.runtime.getDeviceProperties(0)
    free, total = xp.cuda.runtime.memGetInfo()
    return {
        "card": about["name"].decode(),
        "multiprocessors": about["multiProcessorCount"],
        "memory": total,
        "free": free,
        "driver": xp.cuda.runtime.driverGetVersion(),
        "cupy": xp.__version__,
    }


def run_tests() -> int:
    """Run the tests that need a card, in a process of their own; 0: all of them pass."""
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "pytest", "-n", "0", "-m", "gpu", "-q", "tests"]
    return subprocess.run(command, cwd=root, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", action="store_true", help="run the tests that need a card first")
    parser.add_argument("--check-only", action="store_true", help="time nothing")
    parser.add_argument("--stand-in", action="store_true", help="check over numpy, without a card")
    parser.add_argument("--size", default=8.0, type=float, help="GiB of X of passes")
    parser.add_argument("--fit-size", default=4.0, type=float, help="GiB of X of fits")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    if options.stand_in:
        if not options.check_only:
            parser.error("--stand-in can check, but not time: add --check-only")
        return 0 if report_checks(np) else 1
    if not gpu_available():
        print("no card here: CuPy, a driver and a device are needed", file=sys.stderr)
        return 2
    if options.tests and run_tests():
        return 1
    xp = cupy_or_none()
    print(about := machine(xp))
    if not report_checks(xp):
        return 1
    if options.check_only:
        return 0
    best = ceilings(xp)
    print({name: f"{rate / 1e9:.0f} G/s" for name, rate in best.items()})
    size = int(options.size * 2**30)
    rows = [*passes(xp, size, best), *streamed_passes(size, best), gram_pass(xp, best)]
    rows += fits(xp, data("float32", int(options.fit_size * 2**30) // (4 * N_FEATURES)), best)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{date.today():%Y-%m-%d}-gpu.json"
    path.write_text(json.dumps({"machine": about, "ceilings": best, "rows": rows}, indent=1))
    print(path)
    return 1 if any(row.get("wrong") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
