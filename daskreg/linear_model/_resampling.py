"""Estimators that solve a path of alphas on many resamples of the rows: the fit that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import perf_counter
from typing import Any, ClassVar

import numpy as np

from daskreg._typing import Float
from daskreg.events import EventLog
from daskreg.exceptions import DataError
from daskreg.fitting.resampled import ResampledPath, path_problems
from daskreg.fitting.settings import Settings
from daskreg.losses import Logistic, PointwiseLoss, Squared
from daskreg.paths import descending, fractions
from daskreg.problems import AlphaUnit
from daskreg.splits import RowWeights

from . import _params
from ._checkpoint import checkpoint_of, kept
from ._opening import opened, remember
from ._report import warn_unconverged
from ._reported import Reported
from ._scikit_learn import BaseEstimator, CallbackSupportMixin, with_callbacks
from ._start import known_models
from ._watching import Watching, watched

#: The losses by the name that ``loss=`` takes.
LOSSES: dict[str, type[PointwiseLoss]] = {"squared": Squared, "logistic": Logistic}


class Resampling(Reported, CallbackSupportMixin, BaseEstimator, ABC):
    """Paths on resamples of the rows; subclasses name the resamples and what becomes of the paths.

    They have the parameters of an elastic net, ``loss``, ``alphas`` and ``eps``.
    """

    #: Whether a grid begins at the largest alpha_max of the resamples, not of all rows.
    _from_resamples: ClassVar[bool] = False

    @abstractmethod
    def _resamples(self) -> RowWeights:
        """How the resamples count the rows."""

    @abstractmethod
    def _collect(self, path: ResampledPath, penalty_weight: Float | None) -> None:
        """Take from the path what is wanted and set the attributes that it becomes."""

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        sample_dim: Any = None,
        feature_names: Any = None,
        start: Any = None,
        checkpoint: Any = None,
        checkpoint_every: float = 60.0,
        resume: bool | str = False,
    ) -> Any:
        """Solve the path on every resample of the rows.

        Parameters
        ----------
        X : array, data frame, store or path of shape (n_samples, n_features)
        y : array of shape (n_samples,), or column name of X
            One target, or labels of two classes.
        sample_weight, offset, sample_dim, feature_names, start
            As in :meth:`Lasso.fit`; ``start`` is where all resamples begin.
        checkpoint, checkpoint_every, resume
            As in :meth:`Lasso.fit`.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Data that no model can use; a resample without rows, or without one of the classes.
        MemoryPlanError
            The fit cannot run within ``memory_limit``.
        KeyboardInterrupt
            After Ctrl-C, once what is known of the alphas that were solved on all resamples is in
            the attributes; where there is none, nothing is.
        """
        started = perf_counter()
        self._check()
        more = {"sample_dim": sample_dim, "start": type(start).__name__}
        journal = checkpoint_of(self, checkpoint, checkpoint_every, resume, more)
        opening = opened(
            *(self, X, y, sample_weight, offset),
            sample_dim=sample_dim,
            feature_names=feature_names,
            one_column=self.loss == "logistic",
        )
        design = opening.design
        try:
            self._require_rows(design)
            settings = self._settings(design.n_features)
            known = known_models(start, opening, labels=self.loss == "logistic")
            first = self._from_resamples
            with watched(self, X, y, sample_weight) as watching, kept(journal, design) as log:
                path = ResampledPath(design, settings, from_resamples=first, start=known)
                self.n_features_in_ = int(design.n_features)
                self._collect(path, settings.penalty_weight)
            remember(self, opening)
            self.solver_, self.solver_reason_ = path.choice.name, path.choice.reason
            if settings.loss.is_classifier:
                self.classes_ = np.asarray(path.datafit.first().classes)
        finally:
            design.close()
        self.fit_seconds_ = perf_counter() - started
        self._tell(path, watching, log)
        return self

    def _tell(self, path: ResampledPath, watching: Watching, log: EventLog) -> None:
        """Set what is known of the iterations, and warn of what they did not reach."""
        kind, solution = type(self).__name__, path.worst
        assert solution is not None
        self.n_iter_ = max(1, path.n_iter)
        bad = solution.status[~solution.converged]
        self.status_ = str(bad[0]) if bad.size else "converged"
        self._keep_report(watching)
        warn_unconverged(kind, solution, self.n_passes_, self.max_iter, self.tol)
        if path.interrupted:
            self.status_ = "interrupted"
            raise log.interruption(
                f"{kind}.fit: what {path.n_solved} of {len(path.alphas)} alphas tell, those that "
                "were solved on all resamples, is in the attributes"
            )

    def _require_rows(self, design: Any) -> None:
        if design.n_targets != 1:
            raise ValueError(
                f"y has {design.n_targets} columns; {type(self).__name__} takes one: fit each "
                "target by itself"
            )
        if design.n_samples == 1:
            raise DataError("n_samples=1: resamples are drawn from two rows or more")

    def _check(self) -> None:
        """Raise ``ValueError`` for parameters out of range; nothing is opened."""
        if self.loss not in LOSSES:
            known = ", ".join(map(repr, LOSSES))
            raise ValueError(f"loss must be one of {known}; got {self.loss!r}")
        _params.solver_name(self.solver)
        _params.integer("max_iter", self.max_iter)
        _params.number("tol", self.tol)
        _params.number("eps", self.eps, most=1.0, open_least=True)
        _params.limits(self)
        _params.flags(self, ("fit_intercept", "standardize"))
        if self.class_weight is not None and self.loss != "logistic":
            raise ValueError("class_weight needs loss='logistic': a squared loss has no classes")

    @property
    def _counts_alphas(self) -> bool:
        """Whether ``alphas`` is the length of a grid."""
        return isinstance(self.alphas, (int, np.integer)) and not isinstance(self.alphas, bool)

    def _settings(self, n_features: int) -> Settings:
        samples = self._resamples()
        unit: AlphaUnit = "fraction" if self._counts_alphas else "mean"
        if self._counts_alphas:
            alphas = fractions(int(self.alphas), self.eps)
        else:
            alphas = descending(np.atleast_1d(self.alphas))
        return Settings(
            LOSSES[self.loss](),
            path_problems(alphas, self.l1_ratio, samples.n, unit),
            solver=self.solver,
            penalty_weight=_params.penalty_weights(self.penalty_weight, n_features),
            fit_intercept=bool(self.fit_intercept),
            standardize=bool(self.standardize),
            class_weight=self.class_weight,
            tol=float(self.tol),
            max_iter=int(self.max_iter),
            callbacks=_params.callbacks(self.callbacks, self.verbose),
            limits=_params.limits(self),
            resamples=samples,
        )

    def _feature_coordinate(self) -> Any:
        """Names of the features, or their numbers."""
        names = getattr(self, "feature_names_in_", None)
        return np.arange(self.n_features_in_) if names is None else np.asarray(names, dtype=str)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags
