"""Logistic regression whose penalty is chosen by cross-validation, all of it in one batch."""

from __future__ import annotations

from copy import copy
from typing import Any, ClassVar

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.fitting.cross_validation import Grid, Validated, held_out
from daskreg.fitting.settings import Fitted, Settings

from . import _input, _params
from ._report import solution_dataset
from ._validated import CrossValidated
from .logistic import LogisticRegression

#: The sums on held-out rows that each scoring needs, and its sign: larger scores are better.
SCORINGS = {"neg_log_loss": ("log_loss", -1.0), "accuracy": ("accuracy", 1.0),
            "roc_auc": ("auc", 1.0)}  # fmt: skip


class LogisticRegressionCV(CrossValidated, LogisticRegression):
    r"""Logistic regression whose C and l1_ratio are chosen by cross-validation.

    Minimises the objective of :class:`LogisticRegression` for every C and l1_ratio, on all rows
    and without the rows of each fold, and keeps what scores best on the rows left out.

    Parameters
    ----------
    Cs : int or array of shape (n_Cs,), default=10
        Inverse strengths of the penalty, or their number from 1e-4 to 1e4 at equal ratios.
    l1_ratios : array of shape (n_l1_ratios,), default=(0.0,)
        0 is the squared L2 penalty, 1 the L1 penalty.
    fit_intercept : bool, default=True
        The intercept is never penalised.
    cv : int, Folds, splitter or iterable of (train, test), default=None
        As in scikit-learn; None is five stratified folds, unshuffled.
    scoring : {'neg_log_loss', 'accuracy', 'roc_auc'} or None, default=None
        None is 'neg_log_loss'; scikit-learn's default is the accuracy, which sees no difference
        between a good and a bad probability on the right side of 1/2.
    class_weight : dict, 'balanced' or None, default=None
        Factors of the weights by class; 'balanced' gives every class the same total among the
        training rows of each fold (in scikit-learn: among all rows).  Held-out scores know
        nothing of them.
    refit : bool, default=True
        Whether the model kept is that of all rows, which is part of the batch.  False: the mean
        over the folds of the best model of each, and of its C and l1_ratio.
    selection : {'best', '1se'}, default='best'
        The best mean score, or the smallest C within one standard error of it.
    standardize : bool, default=False
        Penalise coefficients per weighted standard deviation of their column in the training
        rows; ``coef_`` is returned on the scale of X.
    penalty_weight : array of shape (n_features,), optional
        Factor of the penalty per feature, taken as given; 0 leaves a feature unpenalised.
    solver : str or solver, default='auto'
        'quasi_newton', 'sampled_newton', 'screening' or 'fista'.
    tol : float, default=1e-6
        Stop once the relative gap of a problem is below.
    max_iter : int, default=1000
        Iterations of a problem at most, in the solver's unit (passes).
    max_passes : int, optional
        Passes over X after which no iteration starts, the first one counted.
    deadline : float, optional
        Seconds after which no iteration starts.  Whatever ends a fit, the best model so far is
        kept, with its certificate.
    worker_timeout : float, optional
        Seconds that a fit on a Dask cluster waits while there is no worker at all; default Dask's
        ``no-workers-timeout``, else 300.
    memory_limit, block_size, missing_chunks, scratch, cache, callbacks, verbose
        As in :class:`LogisticRegression`.

    Attributes
    ----------
    fit_report_ : FitReport
        Convergence, seconds by phase, bytes by tier, memory and events; saved with the model.
    C_, l1_ratio_ : float
        What was kept.
    Cs_ : ndarray of shape (n_Cs,)
    l1_ratios_ : ndarray of shape (n_l1_ratios,)
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs)
        Weighted mean score on the held-out rows of each fold.
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs, n_rows, n_features + 1)
        Coefficients of each fold, with the intercept last where one is fitted; a row for each of
        more than two classes, else one.
    n_iter_ : ndarray of int, shape (n_folds, n_l1_ratios, n_Cs)
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    dual_gap_, relative_gap_, certificate_, status_
        Of the model of all rows at the kept C, as in :class:`LogisticRegression`.
    n_passes_, bytes_read_, fit_seconds_ : int, int, float
    events_ : list of Event
        What happened on the way: workers lost, shards moved, reads tried again, checkpoints.
    solver_, solver_reason_, plan_ : str, str, Plan
    n_features_in_, feature_names_in_ : int, ndarray of str
    solution_ : xarray.Dataset
        The whole path, with labels; made on access.  Its alphas are 1 / C.

    Notes
    -----
    Every C, l1_ratio and fold, and the same problems of all rows, are columns of one batch: each
    pass over X serves all of them, those that have converged drop out, and one more pass scores
    them on the rows left out.  The passes are those of the slowest column.  C refers to the sum
    of the weights of the training rows, as in scikit-learn.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via
    coordinate descent.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg.linear_model import LogisticRegressionCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> y = X[:, 0] + rng.normal(size=200) > 0
    >>> model = LogisticRegressionCV(Cs=[0.01, 0.1, 1.0], l1_ratios=[0.0, 1.0]).fit(X, y)
    >>> model.C_, model.scores_.shape, model.coefs_paths_.shape
    (1.0, (5, 2, 3), (5, 2, 3, 1, 4))
    """

    #: Both are chosen; these stand in where one problem is asked for.
    C: float = 1.0
    l1_ratio: float = 0.0
    _greater_is_better: ClassVar[bool] = True

    def __init__(
        self,
        *,
        Cs: Any = 10,
        l1_ratios: Any = (0.0,),
        fit_intercept: bool = True,
        cv: Any = None,
        scoring: str | None = None,
        class_weight: Any = None,
        refit: bool = True,
        selection: str = "best",
        standardize: bool = False,
        penalty_weight: Any = None,
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
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.scoring = scoring
        self.class_weight = class_weight
        self.refit = refit
        self.selection = selection
        self.standardize = standardize
        self.penalty_weight = penalty_weight
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
        super()._check_params()
        _params.flags(self, ["refit"])
        _params.inverse_strengths(self.Cs)
        ratios = np.ravel(self.l1_ratios)
        if not ratios.size:
            raise ValueError("l1_ratios is empty: give at least one, [0.0] for an L2 penalty")
        for ratio in ratios:
            _params.number("l1_ratios", ratio, most=1.0)
        if self.scoring is not None and self.scoring not in SCORINGS:
            known = ", ".join(map(repr, SCORINGS))
            raise ValueError(f"scoring must be None or one of {known}; got {self.scoring!r}")
        if not self.refit and self.selection != "best":
            raise ValueError("refit=False takes the best model of each fold: use selection='best'")

    @property
    def _metrics(self) -> tuple[str, ...]:
        return (SCORINGS[self._scoring][0],)

    @property
    def _scoring(self) -> str:
        return "neg_log_loss" if self.scoring is None else self.scoring

    def _grid(self, settings: Settings, design: Any, n_folds: int) -> Grid:
        ratios = np.ravel(np.asarray(self.l1_ratios, dtype=np.float64))
        return Grid(1.0 / inverse_strengths(self.Cs), ratios, n_folds, 1, "sum")

    def _score(self, design: Any, fitted: Fitted) -> Float:
        metric, sign = SCORINGS[self._scoring]
        coef, intercept = _original(fitted)
        columns = np.flatnonzero(fitted.datafit.problems.fold >= 0)
        scores = np.full(len(fitted.alpha), np.nan)
        scores[columns] = sign * held_out(fitted, columns, coef, intercept, metric)
        return scores

    def _set_validated(self, found: Validated, *, flat: bool) -> None:
        grid = found.grid
        ratio, place = found.chosen[0].tolist()
        self.Cs_ = inverse_strengths(self.Cs)
        self.l1_ratios_ = grid.l1_ratio
        self.C_, self.l1_ratio_ = float(self.Cs_[place]), float(grid.l1_ratio[ratio])
        self.scores_ = found.scores[:, 0].copy()
        coef, intercept = _original(found.fitted)
        if self.fit_intercept:
            coef = np.concatenate([coef, intercept[None]])
        # (features, classes, training sets, 1, l1_ratios, Cs) without the set of all rows
        paths = grid.axes(coef)[:, :, 1:, 0]
        self.coefs_paths_ = np.ascontiguousarray(paths.transpose(2, 3, 4, 1, 0))
        self.n_iter_ = np.maximum(grid.axes(found.fitted.solution.n_iter)[1:, 0], 1)
        if not self.refit:
            self._average()

    def _average(self) -> None:
        """Keep the mean over the folds of the best model of each."""
        n_folds = len(self.scores_)
        best = np.nanargmax(self.scores_.reshape(n_folds, -1), axis=1)
        ratio, place = np.unravel_index(best, self.scores_.shape[1:])
        mean = self.coefs_paths_[np.arange(n_folds), ratio, place].mean(axis=0)
        self.C_ = float(self.Cs_[place].mean())
        self.l1_ratio_ = float(self.l1_ratios_[ratio].mean())
        self.coef_ = mean[:, : self.n_features_in_].copy()
        if self.fit_intercept:
            self.intercept_ = mean[:, -1].copy()
        # What the batch has proved is proved of its own models, not of their mean.
        self.dual_gap_ = self.relative_gap_ = float("nan")

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        sample_dim: Any = None,
    ) -> float:
        """Return the score that ``scoring`` names, of all rows.

        Parameters are those of ``fit``; y and weights may name columns of X.
        """
        from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

        if self._scoring == "accuracy":
            labels = self.predict(X, offset, sample_dim=sample_dim)
            truth, weight = (_input.on_host(X, v, labels) for v in (y, sample_weight))
            called = _input.on_host(X, labels, labels)
            return float(accuracy_score(truth, called, sample_weight=weight))
        if self._scoring == "roc_auc" and len(self.classes_) == 2:
            eta = self.decision_function(X, offset, sample_dim=sample_dim)
            truth, weight = (_input.on_host(X, v, eta) for v in (y, sample_weight))
            ranks = _input.on_host(X, eta, eta)
            return float(roc_auc_score(truth == self.classes_[1], ranks, sample_weight=weight))
        chance = self.predict_proba(X, offset, sample_dim=sample_dim)
        labels = self.predict(X, offset, sample_dim=sample_dim)
        truth, weight = (_input.on_host(X, v, labels) for v in (y, sample_weight))
        values: AnyArray = _input.on_host(X, chance, chance, flat=False)
        if self._scoring == "roc_auc":
            one_against_rest = {"multi_class": "ovr", "labels": self.classes_}
            return float(roc_auc_score(truth, values, sample_weight=weight, **one_against_rest))
        return -float(log_loss(truth, values, sample_weight=weight, labels=self.classes_))

    @property
    def solution_(self) -> Any:
        """The whole path as an ``xarray.Dataset``: coefficients and held-out scores by alpha.

        A model that was loaded from a file has the kept coefficients only.
        """
        if hasattr(self, "_paths"):
            return super().solution_
        kept = copy(self)
        kept.n_iter_ = int(self.n_iter_.max())  # type: ignore[assignment]
        return solution_dataset(kept, getattr(self, "_labels", None))


def inverse_strengths(Cs: Any) -> Float:
    """Return the Cs, or so many of them from 1e-4 to 1e4, as float64."""
    if np.ndim(Cs) == 0:
        return np.logspace(-4.0, 4.0, int(Cs))
    return np.array(Cs, dtype=np.float64)


def _original(fitted: Fitted) -> tuple[Float, Float]:
    """Return coef (n_features, n_outputs, K) and intercept (n_outputs, K) in the units of X."""
    solution = fitted.solution
    return fitted.datafit.to_original(solution.coef, solution.intercept)
