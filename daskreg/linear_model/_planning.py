"""The plan of a fit: memory for its solver, or for another one, or for fewer problems at once."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from daskreg.callbacks import listener
from daskreg.design.host import format_bytes
from daskreg.exceptions import MemoryPlanError
from daskreg.solvers import QuasiNewton
from daskreg.solvers.side_by_side import n_cores

from ._choose import Choice
from ._slices import largest_slice, path_numbers

#: What importing numba and compiling coordinate descent add to a process, measured.
NUMBA_BYTES = 120 << 20
#: Solvers whose first pass sums a Gram matrix.
WITH_GRAM = ("gram", "quasi_newton")


def prepare(design: Any, datafit: Any, choice: Choice, settings: Any) -> tuple[Choice, int]:
    """Make the final plan; return the solver that it is for, and how many problems fit at once.

    Problems that do not fit together are solved in slices; a Gram matrix that does not fit gives
    way where that is allowed.

    Raises
    ------
    MemoryPlanError
        Where not even one problem fits.
    """
    if choice.name == "gram" and datafit.dtype == np.float32:
        choice = replace(choice, reason=f"{choice.reason} (a second if float32 is too coarse)")
    n_problems = datafit.n_problems
    try:
        size = largest_slice(partial(_plan, design, datafit, choice, settings), n_problems)
    except MemoryPlanError as error:
        if not choice.fallback:
            raise
        need = f": {choice.name} needs {format_bytes(error.limit)}" if error.limit else ""
        choice = Choice("fista", f"a Gram matrix does not fit the memory limit{need}")
        size = largest_slice(partial(_plan, design, datafit, choice, settings), n_problems)
    design.progress = listener(settings.callbacks)
    for callback in settings.callbacks:
        if hasattr(callback, "on_plan"):
            callback.on_plan(design.plan)
    return choice, size


def _plan(design: Any, datafit: Any, choice: Choice, settings: Any, n_problems: int) -> None:
    """Make the plan of one solver for so many problems at once."""
    # FISTA evaluates two points of every problem in a pass, quasi-Newton up to three.
    n_columns = (3 if choice.method == "quasi_newton" else 2) * n_problems
    n_columns = max(n_columns, settings.further_columns)
    need = datafit.footprint(n_columns, gram=choice.method in WITH_GRAM)
    passes = None
    if choice.method == "gram":
        # The client holds the Gram matrix, its sums, a factor of it on each thread, and the
        # compiled solver.
        paths = int(path_numbers(settings.problems).max(initial=0)) + 1
        factors = 8 * design.n_features**2 * (min(n_cores(), paths) - 1)
        client = 3 * need.partial + factors + _to_load(settings)
        passes = 2 if settings.further_columns else 1
    elif choice.method == "quasi_newton":
        # The sums of two classes and their join, later the matrix and one problem's block and
        # factors; beside them the pairs of all problems and a copy.
        memory = getattr(choice.solver, "memory", QuasiNewton.memory)
        pairs = 6 * memory * 8 * (design.n_features + 1) * n_problems
        client = 4 * need.partial + 8 * need.state + pairs + _to_load(settings)
    else:
        client = 8 * (need.state + need.partial)
    note = choice.sentence
    if n_problems < datafit.n_problems:
        n_slices = -(-datafit.n_problems // n_problems)
        note += (
            f"; {datafit.n_problems} problems do not fit together: {n_slices} slices, largest "
            "alphas first"
        )
        # Solutions of all slices: as solved, the latest of each path, and in the units of X twice.
        client += 4 * 8 * (design.n_features + 8) * datafit.n_problems
    design.prepare(passes, need.partial, need.temporaries, client, note)


def _to_load(settings: Any) -> int:
    """Bytes that coordinate descent adds to this process when it is first used."""
    swept = settings.problems.l1_ratio.any() or settings.positive
    return NUMBA_BYTES if swept and "numba" not in sys.modules else 0
