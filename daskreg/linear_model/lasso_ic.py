"""Lasso whose alpha is chosen by an information criterion: one pass, no folds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from daskreg._typing import Float
from daskreg.exceptions import DataError
from daskreg.fitting.settings import Fitted, Settings
from daskreg.losses import Squared
from daskreg.paths import descending, fractions, smallest_share
from daskreg.penalties import ElasticNet
from daskreg.problems import Problems
from daskreg.select import (
    elastic_net_df,
    gaussian_minus_2_loglik,
    information_criterion,
    residual_variance,
    select_by_criterion,
)

from . import _params
from ._paths import Paths
from ._regressor import Regressor

CRITERIA = ("aic", "bic", "ebic")


class LassoIC(Regressor):
    r"""Lasso or elastic net whose alpha minimises AIC, BIC or the extended BIC, in one pass.

    For each alpha of a path, with :math:`\sigma^2` the noise variance and df the degrees of
    freedom,

    .. math:: n \log(2 \pi \sigma^2) + RSS / \sigma^2 + c\, df

    with c = 2 for AIC and :math:`\log n` for BIC; the extended BIC adds
    :math:`\log \binom{p}{df}`.  n is the number of rows of positive weight, and weights count
    relative to their mean: RSS is n times the weighted mean square.

    Parameters
    ----------
    criterion : {'aic', 'bic', 'ebic'}, default='aic'
    alphas : int or array of shape (n_alphas,), default=100
        The alphas, or the length of a grid from the smallest alpha with all coefficients zero
        downwards at equal ratios.
    eps : float, optional
        Smallest alpha over the largest of a grid; None: 1e-3, or 1e-2 with more columns than rows.
    l1_ratio : float, default=1.0
        1 is the lasso; 0, ridge, needs explicit alphas.
    noise_variance : float, optional
        In squared units of y.  None: that of the residuals of least squares with all columns,
        which takes more rows than columns.
    fit_intercept : bool, default=True
        The intercept is never penalised, and not counted by df.
    positive : bool, default=False
        Ask every coefficient to be at least 0.
    standardize : bool, default=False
        Penalise coefficients per weighted standard deviation of their column; ``coef_`` is
        returned on the scale of X.
    penalty_weight : array of shape (n_features,), optional
        Factor of the penalty per feature, taken as given; 0 leaves a feature unpenalised.
    tol : float, default=1e-6
        Stop once the relative gap of a problem is below.
    max_iter : int, default=1000
        Sweeps of coordinate descent for a problem at most.
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
    alpha_ : float
        What was kept.
    alphas_ : ndarray of shape (n_alphas,)
        Largest first.
    criterion_ : ndarray of shape (n_alphas,)
    df_ : ndarray of shape (n_alphas,)
        Of the lasso the rank of the columns with nonzero coefficients, which is their number where
        none is a combination of others; with L2 the trace of the ridge hat matrix on them.
    noise_variance_ : float
    coef_, intercept_, n_iter_, dual_gap_, relative_gap_, certificate_, status_
        Of the model that was kept, as in :class:`Lasso`.
    n_passes_, bytes_read_, fit_seconds_ : int, int, float
    events_ : list of Event
        What happened on the way: workers lost, shards moved, reads tried again, checkpoints.
    solver_, solver_reason_, plan_ : str, str, Plan
    n_features_in_, feature_names_in_ : int, ndarray of str
    solution_ : xarray.Dataset
        The whole path with labels, criterion and df; made on access.

    Notes
    -----
    The Gram matrix of the first pass holds the whole path, its residuals and least squares; where
    float32 sums are too coarse for ``tol`` a second pass repairs them.

    References
    ----------
    Zou, Hastie and Tibshirani (2007), On the "degrees of freedom" of the lasso.
    Chen and Chen (2008), Extended Bayesian information criteria for model selection with large
    model spaces.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg.linear_model import LassoIC
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(200, 10))
    >>> y = X[:, 0] - 2 * X[:, 4] + rng.normal(size=200)
    >>> model = LassoIC(criterion="bic").fit(X, y)
    >>> np.flatnonzero(model.coef_), model.n_passes_
    (array([0, 4]), 1)
    """

    _one_column: ClassVar[bool] = True
    #: The criterion needs the Gram matrix.
    solver: ClassVar[str] = "gram"
    #: There is nothing to start from: the path warms itself up.
    warm_start: ClassVar[bool] = False

    def __init__(
        self,
        criterion: str = "aic",
        *,
        alphas: Any = 100,
        eps: float | None = None,
        l1_ratio: float = 1.0,
        noise_variance: float | None = None,
        fit_intercept: bool = True,
        positive: bool = False,
        standardize: bool = False,
        penalty_weight: Any = None,
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
        self.criterion = criterion
        self.alphas = alphas
        self.eps = eps
        self.l1_ratio = l1_ratio
        self.noise_variance = noise_variance
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.standardize = standardize
        self.penalty_weight = penalty_weight
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
        if self.criterion not in CRITERIA:
            known = ", ".join(map(repr, CRITERIA))
            raise ValueError(f"criterion must be one of {known}; got {self.criterion!r}")
        _params.number("l1_ratio", self.l1_ratio, most=1.0)
        _params.alphas(self.alphas, self.eps)
        _params.flags(self, ["positive"])
        if self.noise_variance is not None:
            _params.number("noise_variance", self.noise_variance, open_least=True)
        if np.ndim(self.alphas) == 0 and self.l1_ratio == 0.0:
            raise ValueError("l1_ratio=0 has no largest alpha to start from; pass alphas")

    def _settings(self, design: Any) -> Settings:
        if design.n_targets != 1:
            raise DataError(
                f"y has {design.n_targets} columns; a criterion chooses for one: fit each by itself"
            )
        counted = np.ndim(self.alphas) == 0
        if counted and self.eps is None and design.n_samples is None:
            design.prepare(note="the rows are counted before the grid is made")
        if counted:
            eps = smallest_share(self.eps, design.n_samples or 0, design.n_features)
            alphas = fractions(int(self.alphas), eps)
        else:
            alphas = descending(self.alphas)
        problems = Problems.product(
            alpha=alphas,
            l1_ratio=self.l1_ratio,
            alpha_unit="fraction" if counted else "mean",
        )
        return self._common_settings(Squared(), problems, design.n_features, positive=self.positive)

    def _set_outputs(self, fitted: Fitted, *, flat: bool) -> None:
        datafit, solution = fitted.datafit, fitted.solution
        gram, n_rows = datafit.gram().G, datafit.first().n_rows
        ratio = float(self.l1_ratio)
        weight = _params.penalty_weights(self.penalty_weight, datafit.n_features)
        penalty = ElasticNet(fitted.alpha, np.full_like(fitted.alpha, ratio), weight)
        mean_square = np.maximum(2.0 * (solution.objective - penalty.value(solution.coef)), 0.0)
        self.alphas_ = np.array(fitted.alpha)
        self.noise_variance_ = self._noise(datafit, n_rows)
        l2 = fitted.alpha * (1.0 - ratio)
        self.df_ = degrees_of_freedom(solution.coef[:, 0], gram, l2, weight)
        self.criterion_ = information_criterion(
            gaussian_minus_2_loglik(n_rows * mean_square, n_rows, self.noise_variance_),
            self.df_,
            n_rows,
            criterion=self.criterion,  # type: ignore[arg-type]
            n_features=datafit.n_features,
        )
        (best,) = select_by_criterion(self.criterion_, self.alphas_)
        shape = 1, 1, len(self.alphas_)
        further = {"criterion": self.criterion_, "df": np.asarray(self.df_, dtype=np.float64)}
        self._paths = replace(
            Paths.of(fitted, shape, np.array([ratio])),
            further={name: values.reshape(shape).copy() for name, values in further.items()},
        )
        self.alpha_ = float(self.alphas_[best])
        super()._set_outputs(fitted.take([best]), flat=flat)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags

    def _noise(self, datafit: Any, n_rows: int) -> float:
        """Noise variance as given, or that of least squares with all columns."""
        if self.noise_variance is not None:
            return float(self.noise_variance)
        p = datafit.n_features
        if n_rows <= p + int(self.fit_intercept):
            raise ValueError(
                f"{n_rows} rows leave none over from {p} columns"
                f"{' and the intercept' if self.fit_intercept else ''}: the noise variance cannot "
                "be estimated; give noise_variance, such as that of a cross-validated model"
            )
        data = datafit.gram()
        left, rank = least_squares(data.G, data.c[:, 0], float(data.yy[0]))
        return residual_variance(n_rows * left, n_rows, rank + int(self.fit_intercept))


def least_squares(gram: Float, cross: Float, square: float) -> tuple[float, int]:
    """Return the least mean square ``y'y - c'G^+c`` and the rank of G.

    Parameters
    ----------
    gram : ndarray, shape (p, p)
    cross : ndarray, shape (p,)
    square : float
        Mean square of y.
    """
    size = np.sqrt(np.diag(gram))
    scale = np.where(size > 0.0, size, 1.0)
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
    used = values > len(values) * np.finfo(np.float64).eps * values.max(initial=0.0)
    share = vectors[:, used].T @ (cross / scale)
    return max(square - float(np.sum(np.square(share) / values[used])), 0.0), int(used.sum())


def degrees_of_freedom(coef: Float, gram: Float, l2: Float, penalty_weight: Float | None) -> Float:
    """Return the trace of the ridge hat matrix on the active columns of each model.

    Parameters
    ----------
    coef : ndarray, shape (p, m)
        In the coordinates of the Gram matrix.
    gram : ndarray, shape (p, p)
        Of the mean loss.
    l2 : ndarray, shape (m,)
        Strength of the L2 penalty before weights.
    penalty_weight : ndarray, shape (p,), or None
    """
    if penalty_weight is None or not l2.any():
        return elastic_net_df(coef, gram, l2)
    traces = np.empty(coef.shape[1])
    for model, strength in enumerate(l2.tolist()):
        active = np.flatnonzero(coef[:, model])
        own = gram[np.ix_(active, active)]
        ridge = own + strength * np.diag(penalty_weight[active])
        traces[model] = np.trace(np.linalg.pinv(ridge, hermitian=True) @ own)
    return traces
