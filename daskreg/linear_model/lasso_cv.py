"""Lasso with alpha chosen by cross-validation, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import Float

from ._path_cv import PathCV


class LassoCV(PathCV):
    r"""Lasso whose alpha is chosen by cross-validation, in one pass.

    Minimises the objective of :class:`Lasso` for every alpha, on all rows and without the rows of
    each fold, and keeps the alpha that errs least on the rows left out.

    Parameters
    ----------
    eps : float, optional
        Smallest alpha over the largest of a grid; None: 1e-3, or 1e-2 with more columns than rows.
    alphas : int or array of shape (n_alphas,), default=100
        The alphas, or the length of a grid: from the smallest alpha with all coefficients zero on
        all rows, for each target, downwards at equal ratios.
    fit_intercept : bool, default=True
        The intercept is never penalised.
    positive : bool, default=False
        Ask every coefficient to be at least 0.
    standardize : bool, default=False
        Penalise coefficients per weighted standard deviation of their column in the training
        rows; ``coef_`` is returned on the scale of X.
    penalty_weight : array of shape (n_features,), optional
        Factor of the penalty per feature, taken as given; 0 leaves a feature unpenalised.
    cv : int, Folds, splitter or iterable of (train, test), default=None
        As in scikit-learn; None is five folds of consecutive rows.
    selection : {'best', '1se'}, default='best'
        The least mean error, or the largest alpha within one standard error of it.
    solver : str or solver, default='auto'
        'gram', 'quasi_newton', 'sampled_newton', 'screening' or 'fista'.
        'auto' takes 'gram' (one pass) up to 4096 columns, if the plan allows; with more columns, or
        more than 512 and fewer rows, 'screening' where every problem has an L1 part, else 'fista'.
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
        As in :class:`ElasticNet`.

    Attributes
    ----------
    fit_report_ : FitReport
        Convergence, seconds by phase, bytes by tier, memory and events; saved with the model.
    alpha_ : float or ndarray of shape (n_targets,)
        What was kept.
    alphas_ : ndarray of shape ([n_targets, ]n_alphas)
        The grids, largest alpha first.  Of given alphas shape (n_alphas,).
    mse_path_ : ndarray of shape ([n_targets, ]n_alphas, n_folds)
        Weighted mean squared error on the held-out rows of each fold; axes of length one are
        dropped, but for that of the targets.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_, dual_gap_, relative_gap_, certificate_, status_
        Of the model that was kept, as in :class:`ElasticNet`.
    n_passes_, bytes_read_, fit_seconds_ : int, int, float
    events_ : list of Event
        What happened on the way: workers lost, shards moved, reads tried again, checkpoints.
    solver_, solver_reason_, plan_ : str, str, Plan
    n_features_in_, feature_names_in_ : int, ndarray of str
        The names only where X has them.
    solution_ : xarray.Dataset
        The whole path, with labels; made on access.

    Notes
    -----
    Every alpha, target and fold, and the same problems of all rows, are columns of one
    batch: with the Gram solver all of it takes one pass over X, whose sums also tell the errors
    on the held-out rows.  A second pass repairs sums of float32 products, for the problems of all
    rows only.  Nothing is fitted again: what was chosen is in the batch.

    Errors are weighted within a fold; folds count equally.  Each target chooses for itself.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via
    coordinate descent.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg.linear_model import LassoCV
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> y = X @ [1.0, 0.0, -2.0] + np.random.default_rng(1).normal(size=100)
    >>> model = LassoCV(alphas=50, cv=10).fit(X, y)
    >>> model.n_passes_, model.mse_path_.shape
    (1, (50, 10))
    """

    def __init__(
        self,
        *,
        eps: float | None = None,
        alphas: Any = 100,
        fit_intercept: bool = True,
        positive: bool = False,
        standardize: bool = False,
        penalty_weight: Any = None,
        cv: Any = None,
        selection: str = "best",
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
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.standardize = standardize
        self.penalty_weight = penalty_weight
        self.cv = cv
        self.selection = selection
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

    def _ratios(self) -> Float:
        return np.ones(1)

    def _set_ratio(self, ratio: Any) -> None:
        """There is nothing to choose."""
