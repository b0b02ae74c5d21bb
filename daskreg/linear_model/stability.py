"""Stability selection: which features are selected again and again on half of the rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.feature_selection import SelectorMixin

from daskreg._typing import Float
from daskreg.design.rowwise import map_rows
from daskreg.fitting.resampled import ResampledPath
from daskreg.splits import HalfSamples

from . import _input, _params
from ._error_bounds import error_bounds
from ._resampling import Resampling
from ._scikit_learn import check_is_fitted
from ._selected import Columns, Counts


class StabilitySelection(SelectorMixin, Resampling):
    r"""Select the features that a lasso keeps on most halves of the rows.

    The rows are split into halves ``n_pairs`` times, by a hash of the row's number and the seed.
    A path of alphas is solved on every half, all halves together in shared passes.  Selected are
    the features with :math:`\max_\alpha \hat\Pi_j(\alpha) \ge` ``threshold``, where
    :math:`\hat\Pi_j` is the share of the halves in which the coefficient of feature j is not
    zero.  The path ends where a half selects more than ``q`` features on average, counting all
    that were selected on the way.

    Parameters
    ----------
    loss : {'squared', 'logistic'}, default='squared'
    q : float, optional
        Features that a half may select on average; default the number at which
        ``error_bound_`` is 1, :math:`\sqrt{(2\pi_{thr} - 1) p}`, and no bound where ``alphas``
        are given.
    n_pairs : int, default=50
        Pairs of complementary halves.
    threshold : float, default=0.6
        Share of the halves, above 0.5 and at most 1.
    alphas : int or array of shape (n_alphas,), default=100
        Number of alphas in equal ratios from the largest alpha_max of all halves, where none
        selects anything, down to ``eps`` times it, or the alphas per weighted mean of the loss;
        for the logistic loss alpha is ``1 / (C * sum of weights)``.
    eps : float, default=1e-2
    l1_ratio : float, default=1.0
        Above 0: without L1 nothing is selected.
    seed : int, default=0
    class_weight : dict, 'balanced' or None, default=None
        For the logistic loss.
    fit_intercept : bool, default=True
    standardize : bool, default=True
        Penalise coefficients per standard deviation of their column in the half.
    penalty_weight : array of shape (n_features,), optional
        Factor of the penalty per feature; 0 selects a feature always.
    solver : str or solver, default='auto'
        'gram', 'quasi_newton', 'sampled_newton', 'screening' or 'fista'.
        'auto' takes 'gram' for a squared loss where a Gram matrix for every half is small: one
        pass in all.  Otherwise all halves share one Gram matrix as metric ('quasi_newton'), or
        none ('fista').
    tol : float, default=1e-5
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
    selection_probabilities_ : ndarray of shape (n_features, n_alphas)
    simultaneous_probabilities_ : ndarray of shape (n_features, n_alphas)
        Share of the pairs in which both halves select the feature; at least
        ``2 * selection_probabilities_ - 1``.
    max_selection_probabilities_ : ndarray of shape (n_features,)
    support_ : ndarray of bool, shape (n_features,)
    alphas_ : ndarray of shape (n_alphas,)
        Those of the path, up to where it ended.
    q_ : float
        Features that a half selected on average anywhere on that path.
    error_bound_ : float
        Upper bound :math:`q^2 / ((2\pi_{thr} - 1) p)` of the expected number of wrongly selected
        features, p the number of penalised ones.  Where noise features are exchangeable and the
        lasso no worse than guessing; with complementary halves and without these assumptions of
        the number of selected features whose chance in one half is at most q / p.
    error_bound_unimodal_ : float
        The tighter bound of the latter, where the distribution of the simultaneous selections of
        such a feature is unimodal; NaN where it does not hold (q / p above 0.577, or a threshold
        near 0.5).
    error_bound_r_concave_ : float
        The tightest of them: both that distribution and the one of the selections in single halves
        are r-concave (r = -1/2 and -1/4), which holds well for the lasso.
    n_iter_ : int
        Most iterations of a problem, in the solver's unit.
    status_ : str
        'converged', or that of the first problem which did not.
    n_passes_, bytes_read_, fit_seconds_ : int, int, float
    events_ : list of Event
        What happened on the way: workers lost, shards moved, reads tried again, checkpoints.
    solver_, solver_reason_, plan_ : str, str, Plan
    n_features_in_, feature_names_in_ : int, ndarray of str

    References
    ----------
    Meinshausen and Buhlmann (2010), Stability selection, theorem 1.
    Shah and Samworth (2013), Variable selection with error control: another look at stability
    selection, theorems 1 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg.linear_model import StabilitySelection
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 20))
    >>> y = X[:, 3] - X[:, 11] + rng.normal(size=400)
    >>> selection = StabilitySelection(n_pairs=20).fit(X, y)
    >>> selection.get_support(indices=True)
    array([ 3, 11])
    >>> selection.transform(X).shape, selection.n_passes_
    ((400, 2), 1)
    """

    _from_resamples: ClassVar[bool] = True

    def __init__(
        self,
        loss: str = "squared",
        *,
        q: float | None = None,
        n_pairs: int = 50,
        threshold: float = 0.6,
        alphas: Any = 100,
        eps: float = 1e-2,
        l1_ratio: float = 1.0,
        seed: int = 0,
        class_weight: Any = None,
        fit_intercept: bool = True,
        standardize: bool = True,
        penalty_weight: Any = None,
        solver: Any = "auto",
        max_iter: int = 1000,
        tol: float = 1e-5,
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
        self.q = q
        self.n_pairs = n_pairs
        self.threshold = threshold
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
        _params.integer("n_pairs", self.n_pairs)
        _params.number("threshold", self.threshold, least=0.5, most=1.0, open_least=True)
        _params.number("l1_ratio", self.l1_ratio, most=1.0, open_least=True)
        if self.q is not None:
            _params.number("q", self.q, open_least=True)

    def _resamples(self) -> HalfSamples:
        return HalfSamples(self.n_pairs, self.seed)

    def _collect(self, path: ResampledPath, penalty_weight: Float | None) -> None:
        self._set_counts(self._counted(path, penalty_weight), penalty_weight)

    def _n_penalised(self, penalty_weight: Float | None) -> int:
        if penalty_weight is None:
            return int(self.n_features_in_)
        return int(np.count_nonzero(penalty_weight))

    def _most(self, penalty_weight: Float | None) -> float:
        """Features that a half may select on average, free ones not counted."""
        if self.q is not None:
            return float(self.q)
        if not self._counts_alphas:
            return np.inf
        return float(np.sqrt((2.0 * self.threshold - 1.0) * self._n_penalised(penalty_weight)))

    def _counted(self, path: ResampledPath, penalty_weight: Float | None) -> Counts:
        penalised = np.ones(self.n_features_in_, dtype=bool)
        if penalty_weight is not None:
            penalised = penalty_weight > 0.0
        counts = Counts.none(path.alphas, penalised, 2 * self.n_pairs)
        most = self._most(penalty_weight)
        for chunk in path.chunks():
            for place, alpha in enumerate(chunk.alphas.tolist()):
                if not counts.add(alpha, chunk.coef[:, place] != 0.0, most):
                    return counts
        return counts

    def _set_counts(self, counts: Counts, penalty_weight: Float | None) -> None:
        n = counts.n_alphas
        self.alphas_ = counts.alphas[:n].copy()
        self.selection_probabilities_ = np.stack(counts.single, axis=1)
        self.simultaneous_probabilities_ = np.stack(counts.both, axis=1)
        self.max_selection_probabilities_ = self.selection_probabilities_.max(axis=1)
        # A share is a count over the halves: what is equal to the threshold is selected.
        self.support_ = self.max_selection_probabilities_ >= self.threshold - 1e-12
        self.q_ = counts.mean_selected
        n_penalised = self._n_penalised(penalty_weight)
        bounds = error_bounds(self.q_, n_penalised, self.threshold, self.n_pairs)
        self.error_bound_, self.error_bound_unimodal_ = bounds.plain, bounds.unimodal
        self.error_bound_r_concave_ = bounds.r_concave

    def _get_support_mask(self) -> npt.NDArray[np.bool_]:
        check_is_fitted(self, "support_")
        return np.asarray(self.support_)

    def transform(self, X: Any, *, sample_dim: Any = None) -> Any:
        """Return the selected columns of X as numbers, in the kind of array that X is.

        Parameters
        ----------
        X : anything that ``fit`` takes
        sample_dim : str or list of str, optional
            The dimension(s) of an xarray X that are rows; default those of fit.

        Returns
        -------
        ndarray, lazy dask array or DataArray of float64, shape (n_samples, n_selected)
            Of files and stores all rows come into memory.
        """
        check_is_fitted(self, "support_")
        X = _input.as_rows(X)
        _input.check_features(self, X)
        chosen = np.flatnonzero(self.support_)
        return map_rows(
            X,
            Columns(chosen),
            len(chosen),
            np.float64,
            n_features=self.n_features_in_,
            feature_names=getattr(self, "feature_names_in_", None),
            feature_dims=self.feature_dims_,
            sample_dim=self.sample_dim_ if sample_dim is None else sample_dim,
            missing_chunks=self.missing_chunks,
            column=("feature", self._feature_coordinate()[chosen]),
        )
