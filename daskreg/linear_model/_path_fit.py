"""What the path functions share: open the data, solve every problem together, warn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from daskreg._callers import outside
from daskreg.fitting.settings import Fitted, Settings
from daskreg.fitting.solve import fit_problems
from daskreg.problems import Problems

from . import _params
from ._checkpoint import Keeping, kept
from ._opening import Opening, Where, opened
from ._report import warn_of_memory, warn_unconverged
from ._start import known_models
from ._watching import watched


def solve_path(
    loss: Any,
    problems: Callable[[Any], Problems],
    where: Where,
    keeping: Keeping,
    own: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    sample_weight: Any,
    offset: Any,
    sample_dim: Any,
    start: Any,
    **options: Any,
) -> tuple[Fitted, Opening]:
    """Solve the problems of a path over the rows; the data are closed again.

    Parameters
    ----------
    loss : PointwiseLoss or LogLoss
    problems : callable
        From the design to its problems.
    where : Where
    keeping : Keeping
    own : mapping
        What the problems are made of, by name: belongs to the checkpoint.
    X, y, sample_weight, offset, sample_dim, start
        As in ``fit``.
    options
        Parameters of an estimator that say how it is solved.
    """
    _params.solver_name(options["solver"])
    limits = _params.limits_of(options["max_passes"], options["deadline"])
    labels = bool(loss.is_classifier)
    beside = {"sample_dim": sample_dim, "start": type(start).__name__}
    journal = keeping.opened({**options, **own, **beside})
    opening = opened(
        *(where, X, y, sample_weight, offset), sample_dim=sample_dim, one_column=labels
    )
    design = opening.design
    try:
        settings = Settings(
            loss,
            problems(design),
            solver=options["solver"],
            penalty_weight=_params.penalty_weights(options["penalty_weight"], design.n_features),
            positive=options.get("positive", False),
            fit_intercept=options["fit_intercept"],
            standardize=options["standardize"],
            class_weight=options.get("class_weight"),
            tol=_params.number("tol", options["tol"]),
            max_iter=_params.integer("max_iter", options["max_iter"]),
            callbacks=_params.callbacks(options["callbacks"], options["verbose"]),
            limits=limits,
        )
        known = known_models(start, opening, labels)
        with watched(None, X, y, callbacks=settings.callbacks), kept(journal, design) as log:
            fitted = fit_problems(design, settings, known)
        n_passes = design.n_passes
    finally:
        design.close()
    warn_unconverged("path", fitted.solution, n_passes, settings.max_iter, settings.tol)
    warn_of_memory(fitted)
    if log.failure is not None:
        warnings.warn(f"path: {log.failure}", RuntimeWarning, stacklevel=outside())
    return fitted, opening
