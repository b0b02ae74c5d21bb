"""Elastic net: squared loss, L1 and squared L2 penalty."""

from __future__ import annotations

from typing import Any

from daskreg.fitting.settings import Settings
from daskreg.losses import Squared
from daskreg.problems import Problems

from . import _params
from ._path import enet_path
from ._regressor import Regressor


class ElasticNet(Regressor):
    r"""Linear regression with L1 and squared L2 penalty, by whole passes over X.

    Minimises, over ``coef`` and an unpenalised intercept,

    .. math::

        \frac{1}{2 \sum_i w_i} \sum_i w_i (y_i - \eta_i)^2
        + \alpha \sum_j u_j \left(\rho |b_j| + \tfrac{1-\rho}{2} b_j^2\right)

    with :math:`\rho` = ``l1_ratio``, u = ``penalty_weight`` and w = ``sample_weight``; ``alpha``
    has the unit of the gradient of the loss, as in scikit-learn.  Several targets are problems
    of their own that share each pass.

    Parameters
    ----------
    alpha : float, default=1.0
    l1_ratio : float, default=0.5
        1 is the lasso, 0 ridge (:class:`Ridge` for its own units).
    fit_intercept : bool, default=True
        The intercept is never penalised.
    standardize : bool, default=False
        Penalise coefficients per weighted standard deviation of their column; ``coef_`` is
        returned on the scale of X.  Nothing is copied.
    penalty_weight : array of shape (n_features,), optional
        Factor of the penalty per feature, taken as given; 0 leaves a feature unpenalised.
    positive : bool, default=False
        Ask every coefficient to be at least 0.
    solver : str or solver, default='auto'
        'gram', 'quasi_newton', 'sampled_newton', 'screening' or 'fista'.
        'auto' takes 'gram' (one pass) up to 4096 columns, if the plan allows; with more columns, or
        more than 512 and fewer rows, 'screening' where every problem has an L1 part, else 'fista'.
    tol : float, default=1e-6
        Stop once ``relative_gap_`` is below: it bounds the objective, not the coefficients.
    max_iter : int, default=1000
        Iterations at most, in the solver's unit (sweeps of coordinate descent or passes).
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
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_, n_passes_, bytes_read_, fit_seconds_ : int or ndarray, int, int, float
        Iterations (1 for a direct solve); passes over X; decoded bytes that came from below host
        memory; wall time.
    dual_gap_, relative_gap_ : float or ndarray
        Objective minus a lower bound of the optimum, and the same over the objective at
        coefficients 0; NaN where no valid bound is known.
    certificate_ : str or ndarray
        'gap' or 'violation': what stopping was decided on.
    status_ : str or ndarray
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
    Zou and Hastie (2005), Regularization and variable selection via the elastic net.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg.linear_model import ElasticNet
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> model = ElasticNet(alpha=0.1).fit(X, X @ [1.0, 0.0, -2.0])
    >>> model.status_
    'converged'
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        positive: bool = False,
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
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.positive = positive
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
        _params.number("alpha", self.alpha)
        _params.number("l1_ratio", self.l1_ratio, most=1.0)
        _params.flags(self, ["positive"])

    def _settings(self, design: Any) -> Settings:
        problems = Problems.product(
            alpha=self.alpha, l1_ratio=self.l1_ratio, output=range(design.n_targets)
        )
        return self._common_settings(Squared(), problems, design.n_features, positive=self.positive)

    @staticmethod
    def path(X: Any, y: Any, **settings: Any) -> Any:
        """Solve for many alphas in one pass: see :func:`enet_path`.

        Returns
        -------
        alphas : ndarray of shape (n_alphas,)
        coefs : ndarray of shape (n_features, n_alphas) or (n_targets, n_features, n_alphas)
        dual_gaps : ndarray of shape (n_alphas,) or (n_targets, n_alphas)
        """
        return enet_path(X, y, **settings)
