"""The plan of a fit: memory for its solver, or for another one, or for fewer problems at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from daskreg.callbacks import listener
from daskreg.compiled import LIBRARIES, in_use
from daskreg.datafit import Footprint
from daskreg.datafit.drawing import affordable_rows
from daskreg.datafit.kernels.coupled import MOST_BENT
from daskreg.design.host import format_bytes, machine_memory
from daskreg.exceptions import MemoryPlanError
from daskreg.solvers import QuasiNewton
from daskreg.solvers.models import default_rows
from daskreg.solvers.parallel import n_cores
from daskreg.solvers.screening import MOST_GRAM, BatchScreening

from .choose import MAX_COUPLED, Choice, for_classes
from .costs import Costs
from .slices import largest_slice, path_numbers

#: What compiling coordinate descent adds to the first process of all, measured; others load it.
LOOPS_BYTES = 120 << 20
#: Bytes of a sampled Hessian and its factors, for each pair of coefficients.
HESSIANS = 4 * 8
#: Solvers whose first pass sums a Gram matrix.
WITH_GRAM = ("gram", "quasi_newton")
#: Solvers that keep pairs of steps and turns.
NEWTON = ("quasi_newton", "sampled_newton")
#: Shares of the memory that screening may take for the columns in use, as far as they fit.
SELECTED_SHARES = (1 / 4, 1 / 8, 1 / 16, 1 / 32)
#: What a round of screening may take: columns with Gram matrices, and problems (None: all), in the
#: order in which they are given up.
ROUNDS = ((MOST_GRAM, None), (1024, None), (1024, 64), (1024, 16), (512, 16), (256, 16))
#: Share of the memory that the rows of a round may take instead of its Gram matrices.
ROWS_SHARE = 1 / 8


@dataclass(frozen=True)
class Granted:
    """What the plan has room for.

    Attributes
    ----------
    problems : int
        That are solved at a time.
    scored : int
        Columns that are scored on held-out rows in one pass; 0: none are to be scored.
    """

    problems: int
    scored: int = 0


def prepare(design: Any, datafit: Any, choice: Choice, settings: Any) -> tuple[Choice, Granted]:
    """Make the final plan; return the solver that it is for, and what fits at once.

    Problems that do not fit together are solved in slices; a Gram matrix that does not fit gives
    way where that is allowed.

    Raises
    ------
    MemoryPlanError
        Where not even one problem fits.
    """
    if choice.name == "gram" and datafit.dtype == np.float32:
        choice = replace(choice, reason=f"{choice.reason} (a second if float32 is too coarse)")
    try:
        choice, fits = _fitted(design, datafit, choice, settings)
    except MemoryPlanError as error:
        if not choice.fallback:
            raise
        need = f": {choice.name} needs {format_bytes(error.limit)}" if error.limit else ""
        choice = Choice("fista", f"what saves passes does not fit the memory limit{need}")
        fits = _sliced(design, datafit, choice, settings)
    design.progress = listener(settings.callbacks)
    for callback in settings.callbacks:
        if hasattr(callback, "on_plan"):
            callback.on_plan(design.plan)
    return choice, fits


def _fitted(design: Any, datafit: Any, choice: Choice, settings: Any) -> tuple[Choice, Granted]:
    """Make the plan that takes most problems at once; of screening, with the largest rounds that
    leave room for all of them."""
    n_problems = datafit.n_problems
    if choice.method == "screening":
        solver = choice.solver if choice.solver is not None else BatchScreening()
        row_bytes = _row_bytes(design, datafit)
        for place, (gram_columns, at_once) in enumerate((ROUNDS[0], *ROUNDS)):
            limits = {
                "gram_columns": min(gram_columns, solver.gram_columns),
                "row_bytes": 0 if place else row_bytes,
            }
            if at_once is not None:
                limits["n_problems"] = min(at_once, solver.n_problems or at_once)
            choice = replace(choice, solver=replace(solver, **limits))
            try:
                scored = _plan(design, datafit, choice, settings, n_problems)
            except MemoryPlanError:
                continue
            return choice, Granted(n_problems, scored)
    return choice, _sliced(design, datafit, choice, settings)


def _sliced(design: Any, datafit: Any, choice: Choice, settings: Any) -> Granted:
    """Make the plan that takes most problems at once."""
    plan = partial(_plan, design, datafit, choice, settings)
    return Granted(*largest_slice(plan, datafit.n_problems))


def plan_for_classes(
    design: Any, datafit: Any, choice: Choice, settings: Any, fits: Granted
) -> tuple[Choice, Granted]:
    """Choose and plan again for more than two classes, which only the first pass tells of.

    The plan stays where it has room for them.
    """
    count = datafit.first().class_count
    if count is None:
        return choice, fits
    n_outputs, before_classes = datafit.n_outputs, choice
    granted = design.plan
    choice = for_classes(
        choice,
        n_outputs=n_outputs,
        n_features=design.n_features,
        class_count=count,
        weighted=settings.class_weight is not None,
        costs=Costs.planned(
            granted, sample_size(design, None), datafit.n_problems, datafit.n_outputs
        ),
        n_problems=datafit.n_problems,
        watched=settings.watch is not None,
    )
    if n_outputs == 1 and choice is before_classes:
        return choice, fits
    need = _need(datafit, choice, settings, fits)
    before = _need(datafit, choice, settings, fits, 2)
    terms = {
        "kernel temporaries": need.temporaries / before.temporaries,
        "partial sums": need.partial / before.partial,
        "solver": n_outputs,
    }
    more = sum((factor - 1.0) * granted.memory.get(term, 0) for term, factor in terms.items())
    if choice.name == "sampled_newton" != before_classes.name:
        more += 3 * sample_bytes(design, choice.solver)
    if choice.solver is not None and choice is not before_classes:
        late = 3 * sample_bytes(design, choice.solver) + HESSIANS * MAX_COUPLED**2
        if granted.peak + more + late > granted.usable:
            choice = replace(choice, solver=None)
    if granted.peak + more <= granted.usable:
        return choice, fits
    reason = f"{choice.reason}; planned again for the {len(count)} classes that y holds"
    return prepare(design, datafit, replace(choice, reason=reason), settings)


def _need(
    datafit: Any, choice: Choice, settings: Any, fits: Granted, n_classes: int | None = None
) -> Footprint:
    """Return what a pass over so many problems takes; ``n_classes`` as if there were so many."""
    # FISTA evaluates two points of every problem in a pass, quasi-Newton up to three.
    n_columns = (3 if choice.method in NEWTON else 2) * fits.problems
    if choice.method == "screening":
        n_columns = min(fits.problems, choice.solver.n_problems or fits.problems)
    gram = choice.method in WITH_GRAM
    need: Footprint = datafit.footprint(n_columns, gram, n_classes)
    if fits.scored:
        need = need.or_scores(datafit, settings.scores, settings.folds, fits.scored)
    if settings.further_columns <= n_columns:
        return need
    # What follows, such as scores, takes as many columns along but sums little for each.
    after: Footprint = datafit.footprint(settings.further_columns, gram, n_classes)
    return replace(need, state=after.state, temporaries=after.temporaries)


def _widths(datafit: Any, settings: Any) -> list[int]:
    """Columns that may be scored in one pass, to be tried in turn."""
    if not settings.scores:
        return [0]
    widths = [max(1, int((np.asarray(datafit.problems.fold) >= 0).sum()))]
    while widths[-1] > 1:
        widths.append(-(-widths[-1] // 4))
    return widths


def _plan(design: Any, datafit: Any, choice: Choice, settings: Any, n_problems: int) -> int:
    """Make the plan of one solver for so many problems at once; return how many are scored."""
    widths = _widths(datafit, settings)
    for width in widths:
        try:
            _plan_one(design, datafit, choice, settings, Granted(n_problems, width))
            return width
        except MemoryPlanError:
            if width == widths[-1]:
                raise
    raise AssertionError("there is no width to try")


def _plan_one(design: Any, datafit: Any, choice: Choice, settings: Any, fits: Granted) -> None:
    n_problems = fits.problems
    need = _need(datafit, choice, settings, fits)
    passes = None
    if choice.method == "gram":
        # The client holds the Gram matrix, its sums, a factor of it on each thread, and the
        # compiled solver.
        paths = int(path_numbers(settings.problems).max(initial=0)) + 1
        more_threads = min(n_cores(), paths) - 1 if paths > 1 else 0
        factors = 8 * design.n_features**2 * more_threads
        client = 3 * need.partial + factors + _to_load(settings, need)
        passes = 2 if settings.further_columns else 1
    elif choice.method == "quasi_newton":
        # The sums of all labels, or of two, and their join, later the matrix and one problem's
        # block and factors; beside them the pairs of all problems and a copy.
        memory = getattr(choice.solver, "memory", QuasiNewton.memory)
        pairs = 6 * memory * 8 * (design.n_features + 1) * n_problems * need.n_outputs
        sums = max(need.partial, 16 * design.n_features * (design.n_features + 3))
        bends = 4 * 8 * n_problems * (need.n_outputs + 1) ** 4 if need.n_outputs <= MOST_BENT else 0
        client = 4 * sums + 8 * need.state + pairs + bends + _to_load(settings, need)
    elif choice.method == "sampled_newton":
        # The sample comes in parts, is joined and then encoded; a Hessian and its factors.
        memory = getattr(choice.solver, "memory", QuasiNewton.memory)
        pairs = 6 * memory * 8 * (design.n_features + 1) * n_problems * need.n_outputs
        hessian = HESSIANS * min(design.n_features * need.n_outputs, MAX_COUPLED) ** 2
        sample = 3 * sample_bytes(design, choice.solver)
        client = 8 * need.state + pairs + hessian + sample + _to_load(settings, need)
    else:
        client = 8 * (need.state + need.partial)
        if choice.method == "screening":
            # Solutions as kept, as found and as recorded; gradients and what is made of them.
            kept = 6 * 8 * design.n_features * n_problems * need.n_outputs
            client = kept + 4 * (need.state + need.partial) + _to_load(settings, need)
            client += _inner_bytes(design, choice.solver, settings)
    note = choice.sentence
    if n_problems < datafit.n_problems:
        n_slices = -(-datafit.n_problems // n_problems)
        note += (
            f"; {datafit.n_problems} problems do not fit together: {n_slices} slices, largest "
            "alphas first"
        )
        # Solutions of all slices: as solved, the latest of each path, and in the units of X twice.
        client += 4 * 8 * (design.n_features + 8) * datafit.n_problems
    client += 3 * settings.further_bytes  # as they come, joined, and as they are kept
    rooms = _rooms(design) if choice.method == "screening" else [0]
    for place, room in enumerate(rooms):
        try:
            sizes = need.partial, need.temporaries, client
            design.prepare(passes, *sizes, note, room, need.libraries, settings.beside)
            return
        except MemoryPlanError:
            if place + 1 == len(rooms):
                raise


def sample_bytes(design: Any, solver: Any) -> int:
    """Bytes of the rows that a sampled Hessian keeps."""
    return int(sample_size(design, solver) * (design.row_nbytes + 64))


def sample_size(design: Any, solver: Any) -> int:
    """Rows that a sampled Hessian keeps."""
    asked = getattr(solver, "sample_rows", None) or default_rows(design.n_features)
    return int(min(asked, affordable_rows(design), design.n_samples or asked))


def _inner_bytes(design: Any, solver: Any, settings: Any) -> int:
    """Bytes of the Gram matrices of a round: sums of atoms, then one for each weighting; or its
    rows."""
    n_columns = min(getattr(solver, "gram_columns", MOST_GRAM), design.n_features)
    folds = 0 if settings.folds is None else settings.folds.n + settings.folds.n_atoms
    return int(8 * n_columns**2 * (3 + folds)) + int(getattr(solver, "row_bytes", 0))


def _row_bytes(design: Any, datafit: Any) -> int:
    """Bytes that the rows of a round may take; 0 where they are not few, or are no use."""
    if not datafit.quadratic or not design.n_samples or design.n_samples >= design.n_features:
        return 0
    weightings = len(np.unique(datafit.weighting))
    all_columns = 8 * design.n_samples * design.n_features * (1 + weightings)
    return int(min(all_columns, ROWS_SHARE * (design.memory_limit or machine_memory())))


def _rooms(design: Any) -> list[int]:
    """Bytes that may be left for the columns in use, to be tried in turn: all of X where it is
    small, else shares of the memory."""
    total = int((design.n_samples or 0) * design.row_nbytes)
    limit = design.memory_limit or machine_memory()
    shares = [int(share * limit) for share in SELECTED_SHARES]
    return [min(total, room) if total else room for room in shares]


def _to_load(settings: Any, need: Footprint) -> int:
    """Bytes that coordinate descent adds to this process, if kernels have not loaded the same."""
    if set(LIBRARIES) <= set(need.libraries):
        return 0
    swept = settings.problems.l1_ratio.any() or settings.positive
    return LOOPS_BYTES if swept and not in_use() else 0
