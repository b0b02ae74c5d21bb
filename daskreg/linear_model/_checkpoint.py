"""Fits that outlive their process: what of an estimator belongs to a checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import scipy.sparse

from daskreg.checkpoint import Checkpoint, Classes, open_checkpoint
from daskreg.checkpoint.signals import listening
from daskreg.datafit.few_rows import FewRows
from daskreg.datafit.groups import Groups
from daskreg.datafit.kernels.beside import Runs
from daskreg.datafit.kernels.closing import Largest
from daskreg.datafit.kernels.labels import LabelCounts
from daskreg.datafit.kernels.sample import Picked, Pieces
from daskreg.datafit.kernels.scores import Spread
from daskreg.datafit.label_sums import LabelSums
from daskreg.datafit.moments import Moments, MomentsBatch
from daskreg.design.partials import Sums
from daskreg.events import EventLog, collecting
from daskreg.solvers import Solution, Status
from daskreg.solvers.fista import FistaState
from daskreg.solvers.gram import GramState
from daskreg.solvers.pairs import Pairs
from daskreg.solvers.quadratic import Quadratic, Quadratics
from daskreg.solvers.quasi_newton_state import Point, QuasiNewtonState
from daskreg.solvers.results import Candidates, Goal
from daskreg.solvers.screening import ScreeningState
from daskreg.solvers.shared_ridge import SharedRidge
from daskreg.solvers.working_set import Paths

#: What a checkpoint file may hold instances of: partial sums, states, solutions.
KEPT = Classes(
    (
        *(Sums, Moments, MomentsBatch, FewRows, Groups, LabelSums),
        *(LabelCounts, Largest, Picked, Pieces, Runs, Spread),
        *(FistaState, GramState, QuasiNewtonState, ScreeningState),
        *(Quadratic, Quadratics, Point, Pairs, SharedRidge, Paths, Candidates, Goal),
        *(Solution, Status),
        *(scipy.sparse.csr_array, scipy.sparse.csr_matrix),
    )
)

#: Parameters that change where and how long a fit runs, and not what it is after.
FREE = frozenset(
    (
        *("callbacks", "verbose", "memory_limit", "block_size", "scratch", "cache", "n_jobs"),
        *("max_passes", "deadline", "worker_timeout", "copy_X"),
    )
)


def checkpoint_of(
    estimator: Any,
    path: Any,
    every: float,
    resume: bool | str,
    more: Mapping[str, Any] | None = None,
) -> Checkpoint | None:
    """Return the checkpoint of a fit, or None where no path is given.

    Parameters
    ----------
    estimator : estimator
        Its class and its parameters, save those of memory, time and callbacks, belong to the fit.
    path : str, path-like or None
    every : float
        Seconds.
    resume : {False, True, "must", "auto"}
    more : mapping, optional
        Arguments of ``fit`` that change the answer.

    Raises
    ------
    ValueError
        ``resume`` without a path.
    CheckpointError
        As ``open_checkpoint``.
    """
    own = dict[str, Any]()
    if path is not None:  # to look parameters up takes some twentieth of a tiny fit
        own = {**estimator.get_params(deep=False), **(more or {})}
    return Keeping(type(estimator).__name__, path, every, resume).opened(own)


@dataclass(frozen=True)
class Keeping:
    """Where a fit keeps what it has found out, when, and whether it goes on from there.

    Attributes
    ----------
    name : str
        Of the estimator or the function.
    path : str, path-like or None
    every : float
        Seconds.
    resume : {False, True, "must", "auto"}
    """

    name: str
    path: Any = None
    every: float = 60.0
    resume: bool | str = False

    def opened(self, parameters: Mapping[str, Any]) -> Checkpoint | None:
        """Return the checkpoint of a fit with these parameters; None without a path."""
        if self.path is None:
            if self.resume is not False:
                raise ValueError(
                    f"resume={self.resume!r} needs checkpoint=, the path to go on from"
                )
            return None
        own = {key: parameters[key] for key in sorted(parameters) if key not in FREE}
        return open_checkpoint(
            self.path,
            parameters={"estimator": self.name, **own},
            classes=KEPT,
            every=self.every,
            resume=self.resume,
        )


@contextlib.contextmanager
def kept(checkpoint: Checkpoint | None, design: Any) -> Iterator[EventLog]:
    """Keep what the passes over a design tell; at the end the whole fit is in the file.

    What happens meanwhile is in the log that this gives.
    """
    with collecting() as log:
        if checkpoint is None:
            yield log
            return
        checkpoint.attach(design)
        with listening(checkpoint):
            yield log
        checkpoint.save()
