"""Times of passes on a card, beside what it can do at best; a part of ``benchmarks.gpu``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from daskreg._device import TF32_VARIABLE
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.design.blocks import Block
from daskreg.design.device import DeviceBlock
from daskreg.design.device.at_hand import card_of_process
from daskreg.design.device.card import locked_copy
from daskreg.design.device.lane import Lane
from daskreg.design.device.need import DeviceShare
from daskreg.losses import Logistic, Squared

from . import gpu_cases
from .gpu_cases import Bench, beside, block_rows, data, environment, on_card, parts_of, pass_of

#: Columns of coefficients of a pass.
COLUMNS = (1, 8, 50, 250)
#: Bytes of copies; rows of the square matrices of a product.
COPY_BYTES, GEMM_ROWS = 2**30, 8192


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


def passes(bench: Bench, stored: str) -> None:
    """Time passes over X on the card: the sums of several blocks, added as a fit adds them."""
    xp, best = bench.xp, ceilings(bench.xp)
    X = data(stored, block_rows(stored))
    n_blocks = max(1, bench.size // gpu_cases.BLOCK_BYTES)
    _, block, _ = pass_of(Squared(), stored, X, 1)
    moved = [on_card(xp, block).X for _ in range(n_blocks)]
    nbytes = n_blocks * sum(part.nbytes for part in parts_of(moved[0]))
    numbers = n_blocks * (X.nnz if stored == "csr" else X.size)
    double = stored in ("csr", "float64")
    gemm = best["gemm float64" if double else "gemm float32"]
    for loss in (Squared(), Logistic()):
        for n_columns in COLUMNS:
            kernel, block, state = pass_of(loss, stored, X, n_columns)
            cards = [beside(xp, block, one) for one in moved]
            for rough in (False,) if double or n_columns == 1 else (False, True):
                with environment(TF32_VARIABLE, "1" if rough else "0"):
                    took = seconds(xp, lambda k=kernel, s=state, c=cards: _sweep(k, s, c))
                name = f"{loss.name}, {stored}, K={n_columns}{', TF32' if rough else ''}"
                row = {"pass": name, "bytes": nbytes, "seconds": took}
                row["share of copy"] = nbytes / took / best["copy"]
                row["share of gemm"] = 4.0 * numbers * n_columns / took / gemm
                bench.add(row)


def _sweep(kernel: Any, state: dict[str, Any], cards: list[DeviceBlock]) -> Any:
    """Return the sum over all blocks; the state goes to the card once."""
    uploads: dict[str, Any] = {}
    total = None
    for card in cards:
        share = kernel.on_device(replace(card, uploads=uploads), state)
        total = share if total is None else total + share
    return total


def streamed_passes(bench: Bench, stored: str) -> None:
    """Time passes over page-locked rows of the host, as a fit makes them: the link is the limit."""
    card, best = card_of_process(), ceilings(bench.xp)
    assert card is not None
    X = data(stored, block_rows(stored))
    n_blocks = max(2, bench.size // gpu_cases.BLOCK_BYTES)
    moved = n_blocks * sum(part.nbytes for part in parts_of(X))
    locked = locked_copy(card, X)  # the same rows again and again: the card cannot know
    for n_columns in COLUMNS:
        kernel, block, state = pass_of(Squared(), stored, locked, n_columns)
        took = min(_streamed(card, kernel, state, [block] * n_blocks) for _ in range(3))
        row = {"pass": f"streamed, {stored}, K={n_columns}", "bytes": moved, "seconds": took}
        bench.add(row | {"share of link": moved / took / best["link"]})


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


def gram_pass(bench: Bench) -> None:
    """Time the Gram matrix of a block on the card."""
    xp, best = bench.xp, ceilings(bench.xp)
    X = data("float32", block_rows("float32"))
    n_rows, p = X.shape
    block = on_card(xp, Block(X, X[:, :1].astype(np.float64), None, None, 0, 0))
    kernel = MomentsKernel(columns=None, gram_dtype="float32")
    took = seconds(xp, lambda: kernel.on_device(block, {}))
    share = n_rows * p * (p + 1.0) / took / best["gemm float32"]
    row = {"pass": "Gram, float32", "bytes": X.nbytes, "seconds": took, "share of gemm": share}
    bench.add(row)
