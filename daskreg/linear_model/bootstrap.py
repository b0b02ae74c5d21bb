"""Bootstrap paths: how much the coefficients would move, had other rows been drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.fitting.resampled import ResampledPath
from daskreg.splits import PoissonBootstrap

from . import _params
from ._resampling import Resampling
from ._scikit_learn import check_is_fitted


class BootstrapPaths(Resampling):
    r"""Elastic net paths on bootstrap samples of the rows, all samples in shared passes.

    A sample counts row i as often as an independent Poisson(1) number says, drawn from the seed,
    the number of the sample and the number of the row: the same whatever the blocks, workers and
    other samples.  Weights are those counts times ``sample_weight``, scaled to sum to one in each
    sample, so that alpha means the same in all of them.

    Parameters
    ----------
    loss : {'squared', 'logistic'}, default='squared'
    n_replicates : int, default=100
    alphas : float, int or array of shape (n_alphas,), default=20
        An int is the number of alphas in equal ratios from alpha_max of all rows down to ``eps``
        times it; else alphas per weighted mean of the loss, for the logistic loss
        ``1 / (C * sum of weights)``.
    eps : float, default=1e-2
    l1_ratio : float, default=1.0
    seed : int, default=0
    class_weight : dict, 'balanced' or None, default=None
        For the logistic loss.
    fit_intercept : bool, default=True
    standardize : bool, default=False
        Penalise coefficients per standard deviation of their column in the sample.
    penalty_weight : array of shape (n_features,), optional
        Factor of the penalty per feature, taken as given.
    solver : str or solver, default='auto'
        'gram', 'quasi_newton', 'sampled_newton', 'screening' or 'fista'.
        'auto' takes 'gram' for a squared loss where a Gram matrix for every sample is small: one
        pass in all.  Otherwise all samples share one Gram matrix as metric ('quasi_newton'), or
        none ('fista').
    tol : float, default=1e-6
        Relative gap of every problem.
    max_iter : int, default=1000
    max_passes : int, optional
        Passes over X after which no iteration starts, the first one counted.
    deadline : float, optional
        Seconds after which no iteration starts.  Whatever ends a fit, the best model so far is
        kept, with its certificate.
    worker_timeout : float, optional
        Seconds that a fit on a Dask cluster waits while there is no worker at all; default Dask's
        ``no-workers-timeout``, else 300.
    memory_limit, block_size, missing_chunks, scratch, cache, callbacks, verbose
        As in :class:`Lasso`.

    Attributes
    ----------
    fit_report_ : FitReport
        Convergence, seconds by phase, bytes by tier, memory and events; saved with the model.
    coefs_ : ndarray of shape (n_replicates, n_alphas, n_features)
    intercepts_ : ndarray of shape (n_replicates, n_alphas)
    inclusion_ : ndarray of shape (n_alphas, n_features)
        Share of the samples in which the coefficient is not zero.
    alphas_ : ndarray of shape (n_alphas,)
        Largest first.
    classes_ : ndarray of shape (2,)
        Of the logistic loss.
    n_iter_ : int
        Most iterations of a problem, in the solver's unit.
    status_ : str
        'converged', or that of the first problem which did not.
    n_passes_, bytes_read_, fit_seconds_ : int, int, float
    events_ : list of Event
        What happened on the way: workers lost, shards moved, reads tried again, checkpoints.
    solver_, solver_reason_, plan_ : str, str, Plan
    n_features_in_, feature_names_in_ : int, ndarray of str
    paths_ : xarray.Dataset
        Coefficients, intercepts and inclusion with the names of the features; made on access.

    Notes
    -----
    Percentiles of penalised coefficients are a picture of their stability, not confidence
    intervals: the penalty's bias is in every sample.

    References
    ----------
    Efron (1979), Bootstrap methods: another look at the jackknife.
    Hanley and MacGibbon (2006), Creating non-parametric bootstrap samples using Poisson
    frequencies.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg.linear_model import BootstrapPaths
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 5))
    >>> y = 2 * X[:, 1] + rng.normal(size=400)
    >>> paths = BootstrapPaths(n_replicates=50, alphas=0.1).fit(X, y)
    >>> low, high = paths.percentiles([5, 95])[:, 0, 1]
    >>> bool(1.6 < low < high < 2.1), paths.n_passes_
    (True, 1)
    """

    def __init__(
        self,
        loss: str = "squared",
        *,
        n_replicates: int = 100,
        alphas: Any = 20,
        eps: float = 1e-2,
        l1_ratio: float = 1.0,
        seed: int = 0,
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
        memory_limit: Any = None,
        block_size: Any = None,
        missing_chunks: str = "raise",
        scratch: Any = None,
        cache: Any = "auto",
        callbacks: Any = (),
        verbose: bool = False,
    ) -> None:
        self.loss = loss
        self.n_replicates = n_replicates
        self.alphas = alphas
        self.eps = eps
        self.l1_ratio = l1_ratio
        self.seed = seed
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
        self.memory_limit = memory_limit
        self.block_size = block_size
        self.missing_chunks = missing_chunks
        self.scratch = scratch
        self.cache = cache
        self.callbacks = callbacks
        self.verbose = verbose

    def _check(self) -> None:
        super()._check()
        _params.integer("n_replicates", self.n_replicates)
        _params.number("l1_ratio", self.l1_ratio, most=1.0)
        if self._counts_alphas and self.l1_ratio == 0.0:
            raise ValueError("l1_ratio=0 has no largest alpha to start from; pass alphas")

    def _resamples(self) -> PoissonBootstrap:
        return PoissonBootstrap(self.n_replicates, self.seed)

    def _collect(self, path: ResampledPath, penalty_weight: Float | None) -> None:
        chunks = list(path.chunks())
        self.alphas_ = path.alphas[: path.n_solved].copy()
        self.coefs_ = np.concatenate([chunk.coef for chunk in chunks], axis=1).transpose(2, 1, 0)
        self.intercepts_ = np.concatenate([chunk.intercept for chunk in chunks]).T
        self.inclusion_ = (self.coefs_ != 0.0).mean(axis=0)

    def percentiles(self, q: npt.ArrayLike = (2.5, 50.0, 97.5)) -> Float:
        """Return percentiles of the coefficients over the samples.

        Parameters
        ----------
        q : array of shape (m,)
            In percent, 0 to 100.

        Returns
        -------
        ndarray of shape (m, n_alphas, n_features)
        """
        check_is_fitted(self, "coefs_")
        return np.asarray(np.percentile(self.coefs_, np.atleast_1d(q), axis=0))

    @property
    def paths_(self) -> Any:
        """Coefficients (replicate, alpha, feature), intercepts and inclusion as a Dataset."""
        import xarray as xr

        check_is_fitted(self, "coefs_")
        whole = ("replicate", "alpha", "feature")
        attributes = {
            "estimator": type(self).__name__,
            "solver": self.solver_,
            "n_passes": self.n_passes_,
            "seed": int(self.seed),
        }
        return xr.Dataset(
            {
                "coef": (whole, self.coefs_),
                "intercept": (whole[:2], self.intercepts_),
                "inclusion": (whole[1:], self.inclusion_),
            },
            coords={"alpha": self.alphas_, "feature": self._feature_coordinate()},
            attrs=attributes,
        )
