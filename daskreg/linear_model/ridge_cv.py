"""Ridge with alpha chosen by exact leave-one-out errors or by cross-validation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.datafit.held_out import r_squared
from daskreg.datafit.leave_one_out import leave_one_out
from daskreg.fitting.cross_validation import Grid, Validated, squared_error
from daskreg.fitting.known import Known
from daskreg.fitting.settings import Fitted, Settings
from daskreg.fitting.solve import fit_problems
from daskreg.losses import Squared
from daskreg.problems import Problems

from . import _params
from ._regressor import Regressor
from ._validated import CrossValidated

SQUARES = "neg_mean_squared_error"
SCORINGS = ("r2", SQUARES)


class RidgeCV(CrossValidated, Regressor):
    r"""Ridge whose alpha is chosen on rows left out: one by one in two passes, or fold by fold.

    Minimises the objective of :class:`Ridge` for every alpha.  ``alpha`` is a sum over rows: in a
    fold its share of the total is that of the training rows.

    Parameters
    ----------
    alphas : float or array of shape (n_alphas,), default=(0.1, 1.0, 10.0)
    fit_intercept : bool, default=True
        The intercept is never penalised.
    positive : bool, default=False
        Ask every coefficient to be at least 0; needs folds.
    standardize : bool, default=False
        Penalise coefficients per weighted standard deviation of their column; ``coef_`` is
        returned on the scale of X.  Leaving one row out does not change the scale.
    penalty_weight : array of shape (n_features,), optional
        Factor of the penalty per feature, taken as given; 0 leaves a feature unpenalised.
    cv : None, int, Folds, splitter or iterable of (train, test), default=None
        None leaves out one row at a time, exactly and without fitting anew; else as in
        scikit-learn.
    scoring : {'r2', 'neg_mean_squared_error'} or None, default=None
        None is as in scikit-learn: with folds R squared, leaving out single rows minus the mean
        of weight times squared error.
    selection : {'best', '1se'}, default='best'
        The best mean score, or, with folds, the largest alpha within one standard error of it.
    store_cv_results : bool, default=False
        Keep the squared error of every row that was left out; needs ``cv=None``.
    alpha_per_target : bool, default=False
        Choose for each target alone, not by the mean over all.
    solver : str or solver, default='auto'
        'gram', 'quasi_newton', 'sampled_newton', 'screening' or 'fista'.
        Leaving out single rows needs 'gram'.
    tol : float, default=1e-6
        Stop once the relative gap of a problem is below.
    max_iter : int, default=1000
        Iterations of a problem at most, in the solver's unit.
    max_passes : int, optional
        Passes over X after which no iteration starts, the first one counted.
    deadline : float, optional
        Seconds after which no iteration starts.  Whatever ends a fit, the best model so far is
        kept, with its certificate.
    worker_timeout : float, optional
        Seconds that a fit on a Dask cluster waits while there is no worker at all; default Dask's
        ``no-workers-timeout``, else 300.
    memory_limit, block_size, missing_chunks, scratch, cache, callbacks, verbose
        As in :class:`Ridge`.

    Attributes
    ----------
    fit_report_ : FitReport
        Convergence, seconds by phase, bytes by tier, memory and events; saved with the model.
    alpha_ : float or ndarray of shape (n_targets,)
    best_score_ : float or ndarray of shape (n_targets,)
        What ``scoring`` says of the alpha that was kept, larger is better; targets count equally
        unless they choose alone.  Weighted within a fold, folds count equally; leaving out single
        rows over all of them.
    cv_results_ : ndarray of shape (n_samples, n_alphas) or (n_samples, n_targets, n_alphas)
        Weight times squared error of every row left out; with ``store_cv_results``, which needs
        ``scoring=None``.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_, dual_gap_, relative_gap_, certificate_, status_
        Of the model that was kept, as in :class:`Ridge`.
    n_passes_, bytes_read_, fit_seconds_ : int, int, float
    events_ : list of Event
        What happened on the way: workers lost, shards moved, reads tried again, checkpoints.
    solver_, solver_reason_, plan_ : str, str, Plan
    n_features_in_, feature_names_in_ : int, ndarray of str
        The names only where X has them.
    solution_ : xarray.Dataset
        All alphas, with labels; made on access.

    References
    ----------
    Allen (1974), The relationship between variable selection and data augmentation and a method
    for prediction.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg.linear_model import RidgeCV
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> y = X @ [1.0, 0.0, -2.0] + np.random.default_rng(1).normal(size=100)
    >>> model = RidgeCV(alphas=[0.01, 1.0, 100.0]).fit(X, y)
    >>> model.alpha_, model.n_passes_
    (0.01, 2)
    """

    _greater_is_better: ClassVar[bool] = True

    def __init__(
        self,
        alphas: Any = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        positive: bool = False,
        standardize: bool = False,
        penalty_weight: Any = None,
        cv: Any = None,
        scoring: str | None = None,
        selection: str = "best",
        store_cv_results: bool = False,
        alpha_per_target: bool = False,
        solver: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-6,
        max_passes: int | None = None,
        deadline: float | None = None,
        worker_timeout: float | None = None,
        memory_limit: Any = None,
        block_size: Any = None,
        missing_chunks: str = "raise",
        scratch: Any = None,
        cache: Any = "auto",
        callbacks: Any = (),
        verbose: bool = False,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.standardize = standardize
        self.penalty_weight = penalty_weight
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.max_passes = max_passes
        self.deadline = deadline
        self.worker_timeout = worker_timeout
        self.memory_limit = memory_limit
        self.block_size = block_size
        self.missing_chunks = missing_chunks
        self.scratch = scratch
        self.cache = cache
        self.callbacks = callbacks
        self.verbose = verbose

    def _check_params(self) -> None:
        alone = self.cv is None
        if np.size(self.alphas) == 0:
            raise ValueError("alphas is empty: give at least one")
        for alpha in np.ravel(self.alphas):
            _params.number("alphas", alpha, open_least=alone)
        _params.flags(self, ["positive", "store_cv_results", "alpha_per_target"])
        if self.scoring is not None and self.scoring not in SCORINGS:
            known = ", ".join(map(repr, SCORINGS))
            raise ValueError(f"scoring must be None or one of {known}; got {self.scoring!r}")
        if self.store_cv_results and not (alone and self.scoring is None):
            raise ValueError(
                "store_cv_results=True keeps errors of single rows: it needs cv=None, scoring=None"
            )
        if not alone:
            return
        if self.positive:
            raise ValueError("positive=True has no exact leave-one-out errors; pass cv=5")
        if self.selection == "1se":
            raise ValueError("selection='1se' needs folds to tell a standard error; pass cv=5")
        if getattr(self.solver, "name", self.solver) not in ("auto", "gram"):
            raise ValueError(
                f"solver={self.solver!r} makes no Gram matrix, which leave-one-out errors need; "
                "use 'auto' or 'gram', or pass cv=5"
            )

    def _settings(self, design: Any) -> Settings:
        problems = Problems.product(alpha=1.0)  # the grid brings its own
        return self._common_settings(Squared(), problems, design.n_features, positive=self.positive)

    def _grid(self, settings: Settings, design: Any, n_folds: int) -> Grid:
        alphas = np.ravel(np.asarray(self.alphas, dtype=np.float64))
        return Grid(alphas, np.zeros(1), n_folds, design.n_targets, "sum")

    def _choose(self, scores: Float, alpha: Float) -> npt.NDArray[np.intp]:
        if self.alpha_per_target:
            return super()._choose(scores, alpha)
        chosen = super()._choose(scores.mean(axis=1, keepdims=True), alpha[:1])
        return np.repeat(chosen, scores.shape[1], axis=0)

    def _score(self, design: Any, fitted: Fitted) -> Float:
        error = squared_error(design, fitted)
        return -error if self.scoring == SQUARES else r_squared(fitted.datafit, error)

    def _of_rows(self, datafit: Any, errors: Float) -> Float:
        """Scores from the means over the rows left out of weight times squared error, (C,)."""
        if self.scoring is None:
            return -errors
        weighted = errors * datafit.n_samples / datafit.first().total_weight
        return -weighted if self.scoring == SQUARES else r_squared(datafit, weighted)

    def _validate(self, design: Any, start: Known | None) -> Validated:
        if self.cv is not None:
            return super()._validate(design, start)
        settings = self._settings(design)
        grid = self._grid(settings, design, 0)
        if self.solver == "auto":
            settings = replace(settings, solver="gram")
        problems = grid.problems()
        if self.store_cv_results and design.n_samples is None:
            design.prepare(note="the rows are counted before room is made for an error of each")
        kept = 8 * design.n_samples * problems.n_problems if self.store_cv_results else 0
        settings = replace(
            settings,
            problems=problems,
            further_columns=design.n_features + problems.n_problems,
            further_bytes=kept,
        )
        fitted = fit_problems(design, settings, start)
        fitted.require_finished("leaving rows out")
        level = np.tile(np.arange(len(grid.alpha)), grid.n_targets)
        errors, self._rows = leave_one_out(
            fitted.datafit,
            grid.alpha,
            level,
            fitted.coef.T,
            fitted.intercept,
            settings.penalty_weight,
            keep=bool(self.store_cv_results),
        )
        scores = np.asarray(grid.axes(self._of_rows(fitted.datafit, errors)))
        chosen = self._choose(scores, np.asarray(grid.axes(fitted.alpha)[0]))
        return Validated(grid, fitted, scores, chosen, fitted.take(grid.kept(chosen)))

    def _set_validated(self, found: Validated, *, flat: bool) -> None:
        place = np.arange(found.grid.n_targets)
        alpha = found.grid.alpha[found.chosen[:, 1]]
        score = found.scores.mean(axis=0)[place, 0, found.chosen[:, 1]]
        single = flat or not self.alpha_per_target
        self.alpha_ = float(alpha[0]) if single else alpha
        self.best_score_ = float(score.mean()) if single else score
        rows: AnyArray | None = self.__dict__.pop("_rows", None)
        self.__dict__.pop("cv_results_", None)
        if rows is not None:
            shape = (len(rows), found.grid.n_targets, len(found.grid.alpha))
            self.cv_results_ = rows.reshape(shape)[:, 0] if flat else rows.reshape(shape)
