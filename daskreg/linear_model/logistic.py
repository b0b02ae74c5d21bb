"""Logistic regression of two classes or more."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from daskreg.fitting.settings import Fitted, Settings
from daskreg.losses import LogLoss
from daskreg.problems import Problems

from . import _input, _params
from ._base import LinearModel
from ._predict import (
    BinaryLabel,
    BinaryProbability,
    ClassLabel,
    ClassPredictor,
    ClassProbability,
    LinearPredictor,
)
from ._scikit_learn import ClassifierMixin, check_is_fitted


class LogisticRegression(ClassifierMixin, LinearModel):
    r"""Logistic regression with L1 and squared L2 penalty, by passes over X.

    Minimises, over ``coef`` and an unpenalised intercept,

    .. math::

        C \sum_i w_i \log(1 + e^{-z_i \eta_i})
        + \sum_j u_j \left(\rho |b_j| + \tfrac{1-\rho}{2} b_j^2\right)

    with z = -1 for the first class and 1 for the second, :math:`\rho` = ``l1_ratio``,
    u = ``penalty_weight``, and w = ``sample_weight`` times ``class_weight``; C is scikit-learn's.
    Where y holds q > 2 classes there is a linear predictor for each, coupled by the softmax: the
    loss is :math:`\log \sum_c e^{\eta_{ic}} - \eta_{i y_i}`, and the penalty is summed over all
    q rows of ``coef``, none of which is a reference.  An offset is for two classes only.
    ``dual_gap_`` is in units of the weighted mean loss: this objective over
    :math:`C \sum_i w_i`.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty; infinity for none.
    l1_ratio : float, default=0.0
        0 is the squared L2 penalty, 1 the L1 penalty.
    class_weight : dict, 'balanced' or None, default=None
        Factors of the weights by class; 'balanced' gives every class the same total.
    fit_intercept : bool, default=True
        The intercept is never penalised.
    standardize : bool, default=False
        Penalise coefficients per weighted standard deviation of their column; ``coef_`` is
        returned on the scale of X.  Nothing is copied.
    penalty_weight : array of shape (n_features,), optional
        Factor of the penalty per feature, taken as given; 0 leaves a feature unpenalised.
    solver : str or solver, default='auto'
        'gram', 'quasi_newton', 'sampled_newton', 'screening' or 'fista'.
        'auto' takes 'quasi_newton' (some ten passes) up to 2048 columns, 'sampled_newton' for few
        rows, rare classes with weights and more than two classes; with more columns 'screening'
        where there is an L1 part, else 'fista'.  'gram' needs a squared loss.
    tol : float, default=1e-6
        Stop once ``relative_gap_`` is below: it bounds the objective, not the coefficients.
    max_iter : int, default=1000
        Iterations at most, in the solver's unit (passes).
    max_passes : int, optional
        Passes over X after which no iteration starts, the first one counted.
    deadline : float, optional
        Seconds after which no iteration starts.  Whatever ends a fit, the best model so far is
        kept, with its certificate.
    worker_timeout : float, optional
        Seconds that a fit on a Dask cluster waits while there is no worker at all; default Dask's
        ``no-workers-timeout``, else 300.
    warm_start : bool, default=False
        Start from the previous ``coef_``.
    memory_limit : str, int or None, default=None
        Bytes that each process may hold, such as ``"1GiB"``; None: what the machine has.
    block_size : str, int or None, default=None
        Bytes of a block of rows; None: chosen by the plan.
    missing_chunks : {'raise', 'fill'}, default='raise'
        Whether chunks that a store lacks are an error or its fill value.
    scratch : path or None, default=None
        Folder for copies on disk, removed after the fit: of ``cache``, and of rows that cannot be
        read from the middle (text, collections, chunks of columns); None: that of Dask for
        temporary files, else the system's.
    cache : {'auto', 'memory', 'disk', None}, default='auto'
        Where rows stay between passes.  'memory': there, as far as they fit; 'auto': the rest on a
        local disk, where the first reads show that to be faster than their source; 'disk': the
        rest on a local disk always; None: nowhere.
    callbacks : sequence, default=()
        Objects whose ``on_iteration(progress)`` is called after each iteration.
    verbose : bool, default=False
        Print one line an iteration.

    Attributes
    ----------
    fit_report_ : FitReport
        Convergence, seconds by phase, bytes by tier, memory and events; saved with the model.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Of two classes positive coefficients speak for ``classes_[1]``; of more, each row for its
        class.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The latter with mean 0.
    n_iter_, n_passes_, bytes_read_, fit_seconds_ : ndarray of shape (1,), int, int, float
        Iterations (1 for a direct solve); passes over X; decoded bytes that came from below host
        memory; wall time.
    dual_gap_, relative_gap_ : float
        Objective minus a lower bound of the optimum, and the same over the objective at
        coefficients 0; NaN where no valid bound is known.
    certificate_ : str
        'gap' or 'violation': what stopping was decided on.
    status_ : str
        'converged', 'max_iter', 'max_passes', 'deadline', 'stopped' (by a callback), 'stalled'
        (rounding), 'memory' (no room for more of the columns in use) or 'interrupted'.
    events_ : list of Event
        What happened on the way: workers lost, shards moved, reads tried again, checkpoints.
    solver_, solver_reason_, plan_ : str, str, Plan
        The solver, why it was chosen, and what the fit was planned to read and hold.
    n_features_in_, feature_names_in_ : int, ndarray of str
        The names only where X has them.
    solution_ : xarray.Dataset
        The same with labels; made on access.

    References
    ----------
    Hastie, Tibshirani and Friedman (2009), The elements of statistical learning, section 4.4.
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via
    coordinate descent, section 4 (several classes without a reference).

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg.linear_model import LogisticRegression
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> model = LogisticRegression().fit(X, np.where(X[:, 0] > 0, "up", "down"))
    >>> model.predict([[2.0, 0.0, 0.0]])
    array(['up'], dtype='<U4')
    """

    _one_column: ClassVar[bool] = True

    def __init__(
        self,
        C: float = 1.0,
        *,
        l1_ratio: float = 0.0,
        class_weight: Any = None,
        fit_intercept: bool = True,
        standardize: bool = False,
        penalty_weight: Any = None,
        solver: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-6,
        max_passes: int | None = None,
        deadline: float | None = None,
        worker_timeout: float | None = None,
        warm_start: bool = False,
        memory_limit: Any = None,
        block_size: Any = None,
        missing_chunks: str = "raise",
        scratch: Any = None,
        cache: Any = "auto",
        callbacks: Any = (),
        verbose: bool = False,
    ) -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.penalty_weight = penalty_weight
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.max_passes = max_passes
        self.deadline = deadline
        self.worker_timeout = worker_timeout
        self.warm_start = warm_start
        self.memory_limit = memory_limit
        self.block_size = block_size
        self.missing_chunks = missing_chunks
        self.scratch = scratch
        self.cache = cache
        self.callbacks = callbacks
        self.verbose = verbose

    def _check_params(self) -> None:
        _params.number("C", self.C, open_least=True, finite=False)
        _params.number("l1_ratio", self.l1_ratio, most=1.0)
        weight = self.class_weight
        if not (weight is None or isinstance(weight, dict) or weight == "balanced"):
            raise ValueError(f"class_weight must be a dict, 'balanced' or None; got {weight!r}")

    def _settings(self, design: Any) -> Settings:
        problems = Problems.product(alpha=1.0 / self.C, l1_ratio=self.l1_ratio, alpha_unit="sum")
        return self._common_settings(
            LogLoss(), problems, design.n_features, class_weight=self.class_weight
        )

    def _set_outputs(self, fitted: Fitted, *, flat: bool) -> None:
        solution = fitted.solution
        self.classes_ = np.asarray(fitted.classes)
        several = fitted.coef.ndim == 3
        self.coef_ = fitted.coef[0] if several else fitted.coef
        self.intercept_ = fitted.intercept[0] if several else fitted.intercept
        self.n_iter_ = np.maximum(solution.n_iter, 1).astype(np.int32)
        self.dual_gap_ = float(solution.dual_gap[0])
        self.relative_gap_ = float(solution.relative_gap[0])
        self.certificate_ = str(solution.certificate[0])
        self.status_ = str(solution.status[0])

    @property
    def _several(self) -> bool:
        """Whether every class has coefficients of its own."""
        check_is_fitted(self, "coef_")
        return len(self.coef_) > 1

    def _eta(self) -> LinearPredictor:
        if self._several:
            return super()._eta()
        return LinearPredictor(self.coef_[0], self.intercept_[0])

    def decision_function(self, X: Any, offset: Any = None, *, sample_dim: Any = None) -> Any:
        """Return the linear predictor, the log odds of ``classes_[1]``, shape (n_samples,).

        Of more than two classes those of each, shape (n_samples, n_classes), which tell as much
        when all of a row are moved together.  Parameters and kinds of result are those of
        ``predict``.
        """
        rows = {"offset": offset, "sample_dim": sample_dim}
        if not self._several:
            return self._map(X, self._eta(), None, np.float64, **rows)
        function, width = ClassPredictor(self._eta()), len(self.classes_)
        return self._map(X, function, width, np.float64, column=("class", self.classes_), **rows)

    def predict(self, X: Any, offset: Any = None, *, sample_dim: Any = None) -> Any:
        """Predict the most probable class of every row.

        Parameters
        ----------
        X : anything that ``fit`` takes, of shape (n_samples, n_features)
        offset : array of shape (n_samples,), optional
            Of two classes only.
        sample_dim : str or list of str, optional
            The dimension(s) of an xarray X that are rows; default those of fit.

        Returns
        -------
        ndarray, lazy dask array or DataArray of shape (n_samples,)
            numpy, sparse, in-memory frames, stores and paths give ndarrays; Dask collections
            lazy Dask arrays; xarray objects DataArrays with their sample coordinates.

        Raises
        ------
        DataError
            X has other features than in fit, or NaN or infinity (lazily where X is lazy).
        """
        kind = ClassLabel if self._several else BinaryLabel
        label = kind(self._eta(), self.classes_)
        return self._map(X, label, None, self.classes_.dtype, offset=offset, sample_dim=sample_dim)

    def predict_proba(self, X: Any, offset: Any = None, *, sample_dim: Any = None) -> Any:
        """Return the probabilities of ``classes_``, (n_samples, n_classes); see ``predict``."""
        return self._probability(X, offset, sample_dim, log=False)

    def predict_log_proba(self, X: Any, offset: Any = None, *, sample_dim: Any = None) -> Any:
        """Return logarithms of the probabilities, exact also where these are tiny."""
        return self._probability(X, offset, sample_dim, log=True)

    def _probability(self, X: Any, offset: Any, sample_dim: Any, *, log: bool) -> Any:
        kind = ClassProbability if self._several else BinaryProbability
        return self._map(
            X,
            kind(self._eta(), log),
            len(self.classes_),
            np.float64,
            offset=offset,
            sample_dim=sample_dim,
            column=("class", self.classes_),
        )

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        sample_dim: Any = None,
    ) -> float:
        """Return the weighted share of rows whose class is predicted rightly.

        Parameters are those of ``fit``; y and weights may name columns of X.
        """
        from sklearn.metrics import accuracy_score

        predicted = self.predict(X, offset, sample_dim=sample_dim)
        truth = _input.on_host(X, y, predicted)
        weight = _input.on_host(X, sample_weight, predicted)
        values = _input.on_host(X, predicted, predicted)
        return float(accuracy_score(truth, values, sample_weight=weight))
