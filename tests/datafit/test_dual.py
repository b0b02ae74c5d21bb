"""A lower bound lies below the optimum wherever it is taken, and meets it there."""

import itertools

import numpy as np
import pytest

from daskreg.datafit import Evaluation
from daskreg.datafit.dual import SquaredDual
from daskreg.losses import Logistic, Squared
from daskreg.penalties import ElasticNet
from daskreg.solvers import QuasiNewton, solve
from daskreg.solvers.results import Candidates

from .common import LOSSES, datafit, dense, problem

PENALTIES = {"l1": (0.05, 1.0), "l2": (0.3, 0.0), "both": (0.08, 0.5), "weak": (0.002, 0.7)}


class Case:
    """A random problem with its optimum, from accelerated proximal steps on dense arrays."""

    def __init__(self, loss, penalty, fit_intercept, extras, positive, free, seed=0):
        self.loss, self.fit_intercept = loss, fit_intercept
        self.data = problem(
            n=70, p=5, loss=loss, weights=extras, offset=extras, shift=1.5, seed=seed
        )
        self.p = 5
        u = np.where(np.arange(5) < free, 0.0, [1.0, 0.5, 1.0, 2.0, 1.0])
        alpha, ratio = PENALTIES[penalty]
        self.penalty = ElasticNet([alpha], [ratio], u if free else None, positive)
        self.fit = datafit(*self.data, loss=loss, borders=(20,), fit_intercept=fit_intercept)
        self.fit.first(free=np.arange(free))
        self.coef, self.intercept, self.optimum = self.solve()

    def smooth(self, coef, intercept):
        return dense(*self.data, coef, intercept, loss=self.loss, fit_intercept=self.fit_intercept)

    def objective(self, coef, intercept):
        return self.smooth(coef, intercept)[0][0] + self.penalty.value(coef)[0]

    def solve(self):
        X, _, w, _ = self.data
        s = np.ones(len(X)) if w is None else w
        s = s / s.sum()
        Z = X - s @ X if self.fit_intercept else X
        curvature = self.loss.max_curvature
        step = 1 / (curvature * np.linalg.eigvalsh(Z.T @ (s[:, None] * Z))[-1])
        coef = look = np.zeros((self.p, 1, 1))
        c0 = look0 = np.zeros((1, 1))
        t = 1.0
        for _ in range(4000):
            _, grad, slope = self.smooth(look, look0)
            new = self.penalty.prox(look - step * grad[:, None], step)
            new0 = look0 - self.fit_intercept * slope[None] / curvature
            if (np.vdot(look - new, new - coef) + np.vdot(look0 - new0, new0 - c0)) > 0:
                t = 1.0
            following = (1 + np.sqrt(1 + 4 * t * t)) / 2
            look, look0 = (b + (t - 1) / following * (b - a) for a, b in ((coef, new), (c0, new0)))
            moved = max(np.abs(new - coef).max(), np.abs(new0 - c0).max())
            coef, c0, t = new, new0, following
            if moved < 1e-13:
                break
        return coef, c0, self.objective(coef, c0)

    def points(self, n=8):
        """Random points, near and far, one column each."""
        rng = np.random.default_rng(7)
        spread = np.r_[0.0, np.logspace(-7, 0.5, n - 1)]
        coef = self.coef + spread * rng.normal(size=(self.p, 1, n))
        if self.penalty.positive:
            coef = np.maximum(coef, 0.0)
        intercept = self.intercept + self.fit_intercept * spread * rng.normal(size=(1, n))
        return coef, intercept


def cases(free):
    return itertools.product(LOSSES, PENALTIES, [True, False], [True, False], [True, False], free)


def name(value):
    return getattr(value, "name", str(value))


@pytest.mark.parametrize(
    ("loss", "penalty", "fit_intercept", "extras", "positive", "free"),
    [c for c in cases([0, 2]) if not (c[5] and isinstance(c[0], Logistic))],
    ids=name,
)
def test_dual_is_below_the_optimum_and_meets_it(
    loss, penalty, fit_intercept, extras, positive, free
):
    case = Case(loss, penalty, fit_intercept, extras, positive, free)
    coef, intercept = case.points()
    n = coef.shape[2]
    columns = np.zeros(n, dtype=int)
    many = case.penalty.take(columns)
    evaluation = case.fit.value_and_grad(coef, intercept, columns)
    bound = evaluation.dual(many, coef)
    assert np.isfinite(bound).all()
    assert (bound <= case.optimum + 1e-12).all()
    assert case.optimum - bound[0] < 1e-8
    # Errors of the point enter at most to first order.
    assert case.optimum - bound[1] < 1e-5
    some = evaluation.take([1, 3])
    again = some.dual(many.take([1, 3]), coef[..., [1, 3]])
    np.testing.assert_allclose(again, bound[[1, 3]], rtol=1e-14)


@pytest.mark.parametrize(
    ("loss", "penalty", "fit_intercept", "extras", "positive", "free"),
    [c for c in cases([1, 2]) if isinstance(c[0], Logistic)],
    ids=name,
)
def test_closing_pass_bounds_a_logistic_problem_with_free_columns(
    loss, penalty, fit_intercept, extras, positive, free
):
    case = Case(loss, penalty, fit_intercept, extras, positive, free)
    coef, intercept = case.points()
    columns = np.zeros(coef.shape[2], dtype=int)
    many, fit = case.penalty.take(columns), case.fit.take(columns)
    before = fit.n_passes
    assert np.isnan(fit.value_and_grad(coef, intercept).dual(many, coef)).all()
    bound = fit.closing_dual(many, coef, intercept)
    assert fit.n_passes == before + 2
    below = bound <= case.optimum + 1e-12
    assert (below | np.isnan(bound)).all()
    assert case.optimum - bound[0] < 1e-8
    assert case.optimum - bound[1] < 1e-5


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_bounds_over_many_random_points(loss):
    for seed, (penalty, fit_intercept) in enumerate(itertools.product(PENALTIES, [True, False])):
        case = Case(loss, penalty, fit_intercept, True, False, 0, seed)
        coef, intercept = case.points(64)
        columns = np.zeros(64, dtype=int)
        many = case.penalty.take(columns)
        bound = case.fit.value_and_grad(coef, intercept, columns).dual(many, coef)
        assert (bound <= case.optimum + 1e-12).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("free", [0, 2])
def test_gram_and_pass_give_the_same_bound(fit_intercept, free):
    case = Case(Squared(), "both", fit_intercept, True, False, free)
    coef, intercept = case.points()
    columns = np.zeros(coef.shape[2], dtype=int)
    many = case.penalty.take(columns)
    bound = case.fit.value_and_grad(coef, intercept, columns).dual(many, coef)
    gram = case.fit.gram()
    product = gram.G @ coef[:, 0]
    square = gram.yy[0] + (coef[:, 0] * (product - 2.0 * gram.c)).sum(axis=0)
    memory = SquaredDual(square, None, gram.G).lower_bound(many, coef, (product - gram.c)[:, None])
    np.testing.assert_allclose(memory, bound, rtol=1e-10)


@pytest.mark.parametrize("loss", LOSSES, ids=name)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_null_evaluation_bounds_like_a_pass(loss, fit_intercept):
    X, y, w, _ = problem(loss=loss, offset=False, shift=1.0)
    fit = datafit(X, y, w, None, loss=loss, fit_intercept=fit_intercept)
    coef = np.zeros((X.shape[1], 1, 1))
    for alpha, ratio in PENALTIES.values():
        penalty = ElasticNet([alpha], [ratio])
        known = fit.null_evaluation.dual(penalty, coef)
        found = fit.value_and_grad(coef, fit.null_intercept).dual(penalty, coef)
        np.testing.assert_allclose(known, found, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_no_penalty_no_bound(loss):
    X, y, w, o = problem(loss=loss)
    fit = datafit(X, y, w, o, loss=loss, n_problems=2)
    coef, intercept = np.full((X.shape[1], 1, 2), 0.1), np.zeros((1, 2))
    penalty = ElasticNet([0.0, 0.1], [0.5, 0.5])
    bound = fit.value_and_grad(coef, intercept).dual(penalty, coef)
    np.testing.assert_array_equal(np.isnan(bound), [True, False])


def test_free_columns_nobody_asked_for_give_no_bound():
    X, y, w, o = problem(loss=Squared())
    fit = datafit(X, y, w, o, loss=Squared())
    coef, intercept = np.full((X.shape[1], 1, 1), 0.1), np.zeros((1, 1))
    penalty = ElasticNet([0.1], [0.5], np.r_[0.0, np.ones(X.shape[1] - 1)])
    assert np.isnan(fit.value_and_grad(coef, intercept).dual(penalty, coef)).all()
    before = fit.n_passes
    fit.first(free=[0, 3])
    fit.first(free=[0])
    assert fit.n_passes == before + 1
    assert np.isfinite(fit.value_and_grad(coef, intercept).dual(penalty, coef)).all()


def test_no_residual_no_trouble():
    zeros = np.zeros((3, 1, 1))
    evaluation = Evaluation(
        np.zeros(1), zeros, np.zeros((1, 1)), SquaredDual(np.zeros(1)), np.ones(1)
    )
    np.testing.assert_array_equal(evaluation.dual(ElasticNet([0.1], [1.0]), zeros), [0.0])
    with np.errstate(all="raise"):
        X = np.ones((4, 3))
        fit = datafit(X, np.ones(4), None, None, loss=Squared())
        found = fit.null_evaluation
        assert found.value == 0.0
        np.testing.assert_array_equal(found.dual(ElasticNet([0.1], [0.5]), zeros), [0.0])


def test_separable_labels_far_from_the_margin():
    X = np.r_[-np.ones(5), np.ones(5)][:, None]
    fit = datafit(X, X[:, 0] > 0, None, None, loss=Logistic())
    penalty = ElasticNet([1e-3], [1.0])
    for size in (1.0, 10.0, 1000.0):
        coef = np.full((1, 1, 1), size)
        found = fit.value_and_grad(coef, np.zeros((1, 1)))
        bound = found.dual(penalty, coef)
        assert np.isfinite(found.value).all()
        assert 0.0 <= bound[0] <= found.value[0] + penalty.value(coef)[0]


def test_large_coefficients_are_never_multiplied_in_float32():
    X, y, _, _ = problem(loss=Squared(), weights=False, offset=False)
    fit = datafit(X.astype(np.float32), y, None, None, loss=Squared())
    coef = np.full((X.shape[1], 1, 1), 1e3)
    assert fit.value_and_grad(coef, np.zeros((1, 1))).rounding == 0.0


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.05, 0.0])
def test_float32_products_hide_nothing_that_certificates_claim(loss, ratio):
    """From small coefficients to large ones of the dual point: bounds stay below the optimum, and
    objectives are no less than what float64 says."""
    rng = np.random.default_rng(4)
    seen = 0
    for n, p, spread in itertools.product((2, 3, 9), (1, 5, 60), (0.0, 5.0)):
        X = ((rng.normal(size=(n, p)) + spread) * rng.choice([0.1, 1.0, 5.0], size=p)).astype("f4")
        y = np.arange(n) % 2.0 if isinstance(loss, Logistic) else rng.normal(size=n)
        fit = datafit(X, y, None, None, loss=loss, tol=1e-3)
        exact = datafit(X.astype(float), y, None, None, loss=loss)
        top = np.abs(fit.null_grad).max()
        penalty = ElasticNet([0.3 * top / max(ratio, 0.1)], [ratio])
        best = solve(QuasiNewton(), exact, penalty, tol=1e-12).objective
        for size in (0.0, 1e-3, 0.1, 1.0):
            step = penalty.prox(-size * fit.null_grad / fit.second_moment.max(), 1.0)
            rough = fit.value_and_grad(step, fit.null_intercept)
            found = Candidates.best_of(penalty, step, fit.null_intercept, rough, np.arange(1))
            true = exact.value_and_grad(step, fit.null_intercept)
            seen += np.ndim(rough.grad_rounding) > 0
            noise = 1e-13 * exact.null_value
            assert (found.objective >= true.value + penalty.value(step) - noise).all()
            assert (found.bound <= best + noise).all()
            with np.errstate(invalid="ignore"):
                turned = np.abs(rough.grad - true.grad) <= rough.grad_rounding + 1e-14 * top
            assert turned.all()
    assert seen > 20
