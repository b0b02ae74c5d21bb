"""Problems of every kind over the same rows, and their plain dense mathematics."""

from __future__ import annotations

import numpy as np

from daskreg.datafit import Datafit
from daskreg.losses import Logistic, Multinomial, Squared
from daskreg.penalties import ElasticNet
from daskreg.problems import Problems
from daskreg.solvers import Gram, QuasiNewton, solve
from daskreg.splits import ContiguousFolds, PoissonBootstrap, RowKeys
from tests.fake_design import FakeDesign

N, P, CLASSES = 90, 5, 3
LOSSES = {"squared": Squared(), "logistic": Logistic(), "multinomial": Multinomial()}
FOLDS, RESAMPLES = ContiguousFolds(3, N), PoissonBootstrap(2, seed=4)


class World:
    """Alphas x l1_ratios x folds x resamples (x targets) of one loss, solved as well as can be.

    Weights have zeros, columns are off centre and of different units, and one column is constant.
    """

    def __init__(
        self, loss, intercept=True, standardize=False, positive=False, free=0,
        alphas=(0.3, 0.03, 0.003), ratios=(1.0, 0.5, 0.0), folds=(-1, 0, 2), bootstraps=(-1, 1),
        borders=(17, 40), dtype=np.float64, seed=0, tol=1e-13,
    ):  # fmt: skip
        self.kind, self.loss, self.intercept = loss, LOSSES[loss], intercept
        self.standardize = standardize
        rng = np.random.default_rng(seed)
        X = (rng.normal(size=(N, P)) + rng.normal(size=P)) * [1.0, 2.0, 0.5, 1.0, 1.0]
        X[:, -1] = 1.5
        self.X = X.astype(dtype)
        self.weight = rng.integers(0, 3, N).astype(float)
        self.offset = None if loss == "multinomial" else 0.4 * rng.normal(size=N)
        self.class_weight = "balanced" if standardize and loss != "squared" else None
        self.y = self._targets(rng)
        outputs = range(self.y.shape[1])
        self.problems = Problems.product(alphas, ratios, folds, outputs, bootstraps)
        u = None if not free else np.where(np.arange(P) < free, 0.0, [1.0, 1.0, 0.5, 2.0, 1.0])
        self.penalty = ElasticNet(self.problems.alpha, self.problems.l1_ratio, u, positive)
        self.free = np.arange(free)
        self.fit = self.datafit(borders, tol)
        self.solution = self.solved(self.fit, self.penalty)

    def _targets(self, rng):
        eta = self.X @ rng.normal(size=(P, CLASSES)) / 2.0
        if self.kind == "squared":
            return eta[:, :2] + rng.normal(size=(N, 2)) + 3.0
        if self.kind == "logistic":
            return (eta[:, :1] - eta[:, :1].mean() + rng.logistic(size=(N, 1)) > 0.3).astype(float)
        eta = eta - eta.mean(axis=0) + 2.0 * rng.gumbel(size=eta.shape)
        return eta.argmax(axis=1)[:, None].astype(float)

    def datafit(self, borders, tol=1e-13, problems=None):
        design = FakeDesign(self.X, self.y, self.weight, self.offset, borders)
        options = {} if self.class_weight is None else {"class_weight": self.class_weight}
        fit = Datafit(
            design, self.loss, self.problems if problems is None else problems, folds=FOLDS,
            resamples=RESAMPLES, fit_intercept=self.intercept, standardize=self.standardize,
            tol=tol, **options,
        )  # fmt: skip
        if len(self.free):
            fit.first(free=self.free)
        return fit

    def solved(self, fit, penalty, tol=1e-13):
        solver = Gram() if self.kind == "squared" else QuasiNewton()
        solver.prepare(fit)
        return solve(solver, fit, penalty, tol=tol, max_iter=3000)

    def rows(self, k):
        """Weights of problem k (they sum to 1), centred and scaled columns, target, offset."""
        problems, every = self.problems, RowKeys(0, N)
        weight = self.weight.copy()
        if problems.fold[k] >= 0:
            weight *= FOLDS.factors(every, [problems.fold[k]])[:, 0]
        if problems.bootstrap[k] >= 0:
            weight *= RESAMPLES.factors(every, [problems.bootstrap[k]])[:, 0]
        if self.class_weight:  # balanced are the classes of the problem's own rows
            codes = self.y[:, 0].astype(int)
            sums = np.bincount(codes, weight)
            weight *= (sums.sum() / (len(sums) * sums))[codes]
        weight /= weight.sum()
        Z = self.X.astype(float)
        center = weight @ Z
        scale = np.sqrt(weight @ (Z - center) ** 2)
        if self.intercept:
            Z = Z - center
        if self.standardize:
            constant = scale <= 1e-12 * np.abs(center)
            Z = np.where(constant & self.intercept, 0.0, Z / np.where(constant, 1.0, scale))
        offset = np.zeros(N) if self.offset is None else self.offset
        return weight, Z, self.y[:, problems.output[k]], offset

    def objective(self, k, coef, intercept):
        """Of problem k at C points coef (p, q, C), intercept (q, C), by its definition."""
        weight, Z, y, offset = self.rows(k)
        eta = np.einsum("ip,pqc->iqc", Z, coef) + intercept + offset[:, None, None]
        if self.kind == "squared":
            losses = 0.5 * (y[:, None] - eta[:, 0]) ** 2
        elif self.kind == "logistic":
            losses = np.logaddexp(0.0, np.where(y[:, None] > 0, -1.0, 1.0) * eta[:, 0])
        else:
            top = eta.max(axis=1)
            log_sum = top + np.log(np.exp(eta - top[:, None]).sum(axis=1))
            losses = log_sum - eta[np.arange(N), y.astype(int)]
        alpha, ratio = self.problems.alpha[k], self.problems.l1_ratio[k]
        u = np.ones(P) if self.penalty.penalty_weight is None else self.penalty.penalty_weight
        terms = ratio * np.abs(coef) + 0.5 * (1.0 - ratio) * coef**2
        return weight @ losses + alpha * np.einsum("p,pqc->c", u, terms)

    def best(self):
        """The best objective that is known of each problem, (K,), by its definition."""
        coef, intercept = self.solution.coef, self.solution.intercept
        every = range(self.problems.n_problems)
        return np.array([self.objective(k, coef[..., [k]], intercept[:, [k]])[0] for k in every])

    def points(self, n_each, seed=1):
        """Random points of every problem: far, near, shrunk, sparse; their problems (C,)."""
        rng = np.random.default_rng(seed)
        columns = np.tile(np.arange(self.problems.n_problems), n_each)
        coef, intercept = self.solution.coef[..., columns], self.solution.intercept[:, columns]
        n = len(columns)
        share = np.where(rng.random(n) < 0.3, rng.uniform(0.0, 2.0, n), 1.0)
        spread = np.where(rng.random(n) < 0.1, 0.0, 10.0 ** rng.uniform(-7.0, 1.0, n))
        kept = rng.random((P, 1, n)) < np.where(rng.random(n) < 0.3, 0.5, 1.0)
        coef = share * coef + kept * spread * rng.normal(size=coef.shape)
        if self.penalty.positive:
            coef = np.maximum(coef, 0.0)
        if self.intercept:
            intercept = intercept + spread * rng.normal(size=intercept.shape)
        return coef, intercept, columns
