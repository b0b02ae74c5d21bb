"""Every kernel on a card against float64 sums of the host; a part of ``benchmarks.gpu``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.design.blocks import Block
from daskreg.losses import Logistic, Squared

from .gpu_cases import HAS_BFLOAT16, Bench, data, error, fetched, on_card, pass_of

#: What is stored, and how close the sums of float32 products come to those of float64.
STORED = {"float64": 1e-11, "float32": 1e-5, "float16": 1e-5, "int8": 1e-5, "csr": 1e-11}
if HAS_BFLOAT16:
    STORED["bfloat16"] = 1e-5
#: Rows of a check, and columns of coefficients.
CHECK_ROWS, CHECK_COLUMNS = 5000, (1, 8, 40)


def pass_errors(xp: Any, stored: str) -> Iterator[tuple[str, float]]:
    """Yield name and largest error, beside the largest number, of passes over X so stored."""
    X = data(stored, CHECK_ROWS)
    wide = X.astype(np.float64)
    for loss in (Squared(), Logistic()):
        for n_columns in CHECK_COLUMNS:
            kernel, block, state = pass_of(loss, stored, X, n_columns)
            exact, host, _ = pass_of(loss, "float64", wide, n_columns)
            expected = exact(host, state)
            sums = kernel.on_device(on_card(xp, block), state)
            largest = max(error(fetched(sums[name]), expected[name]) for name in expected)
            yield f"check of {loss.name}, {stored}, K={n_columns}", largest


def gram_error(xp: Any, stored: str) -> tuple[str, float]:
    """Return name and largest error of a Gram matrix."""
    X = data(stored, CHECK_ROWS)
    host = Block(X, X[:, :1].astype(np.float64), None, None, 0, 0)
    expected = MomentsKernel(columns=None)(host, {})["moments"].moments[-1, None]
    kernel = MomentsKernel(columns=None, gram_dtype=stored)
    share = kernel.on_device(on_card(xp, host), {})["moments"].moments[-1, None]
    return f"check of Gram, {stored}", error(fetched(share.gram), expected.gram)


def passes_are_right(bench: Bench, stored: str) -> bool:
    """Add the checks of passes over X so stored; return whether all hold."""
    return _all_hold(bench, pass_errors(bench.xp, stored), STORED[stored])


def grams_are_right(bench: Bench) -> bool:
    """Add the checks of Gram matrices; return whether all hold."""
    held = [
        _all_hold(bench, iter([gram_error(bench.xp, stored)]), STORED[stored])
        for stored in ("float64", "float32")
    ]
    return all(held)


def _all_hold(bench: Bench, errors: Iterator[tuple[str, float]], allowed: float) -> bool:
    right = True
    for name, found in errors:
        wrong = not found <= allowed
        right &= not wrong
        bench.add({"pass": name, "distance": found, "allowed": allowed, "wrong": wrong})
    return right
