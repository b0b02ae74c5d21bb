"""A path of alphas begins where the unpenalised columns have done what they can."""

import numpy as np
import pytest

from daskreg.datafit import Datafit
from daskreg.fitting.unpenalised import free_model
from daskreg.losses import Logistic, Squared
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import Gram, QuasiNewton, solve
from tests.datafit.common import problem
from tests.fake_design import FakeDesign

LOSSES = [Squared(), Logistic()]


def make(loss, offset):
    X, y, w, o = problem(loss=loss, offset=offset, n=300, p=8)
    fit = Datafit(FakeDesign(X, y, w, o), loss, Problems.product(alpha=[1.0]), tol=1e-10)
    weight = np.ones(8)
    weight[[1, 4]] = 0.0
    return fit, weight


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("offset", [True, False])
@pytest.mark.parametrize("positive", [True, False])
def test_alpha_max_after_the_free_columns_is_where_the_first_other_one_enters(
    loss, offset, positive
):
    fit, weight = make(loss, offset)
    coef, _, grad = free_model(fit, np.array([1, 4]), positive)
    rest = grad[[1, 4]]
    assert (np.where(positive & (coef[[1, 4]] == 0), np.minimum(rest, 0), rest) < 1e-6).all()
    top = alpha_max(grad, 1.0, weight, positive)[0]
    solver = Gram() if isinstance(loss, Squared) else QuasiNewton()
    for factor, n_others in ((1.001, 0), (0.99, 1)):
        penalty = ElasticNet([top * factor], [1.0], weight, positive)
        found = solve(solver, fit, penalty, tol=1e-9)
        others = np.delete(found.coef[:, 0, 0], [1, 4])
        assert np.count_nonzero(np.abs(others) > 1e-7) == n_others


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_without_free_columns_it_is_the_null_model(loss):
    fit, _ = make(loss, False)
    coef, intercept, grad = free_model(fit, np.arange(0))
    assert not coef.any()
    np.testing.assert_array_equal(intercept, fit.null_intercept)
    np.testing.assert_array_equal(grad, fit.null_grad)
    assert fit.n_passes == 1
