"""The loop: who drops out, what ends a problem, and which certificate it gets."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from daskreg.penalties import L1, L2, alpha_max
from daskreg.solvers import Fista, Gram, QuasiNewton, Status, solve

from .stand_in import Logistic
from .test_fista import logistic, squared
from .test_quasi_newton import datafit_of, labelled


class Watch:
    """Collects events; interrupts after so many."""

    def __init__(self, stop=None):
        self.events, self.stop = [], stop

    def on_iteration(self, event):
        self.events.append(event)
        if len(self.events) == self.stop:
            raise KeyboardInterrupt


def test_converged_problems_take_no_part_in_later_passes():
    datafit = logistic(4)
    alpha = alpha_max(datafit.null_grad) * [2.0, 0.5, 0.1, 0.001]
    solution = solve(Fista(), datafit, L1(alpha), tol=1e-8)
    passes = np.array(datafit.counter.problems)
    assert solution.n_iter[0] == 0
    for step in range(1, len(passes)):
        assert passes[step] == (solution.n_iter >= step).sum()
    assert passes[0] == 4
    assert passes[-1] == 1


def test_max_iter_is_a_status_of_each_problem():
    datafit = logistic(2)
    solution = solve(Fista(), datafit, L1([0.2, 1e-4]), tol=1e-9, max_iter=15)
    assert solution.status.tolist() == ["converged", "max_iter"]
    assert solution.converged.tolist() == [True, False]
    assert solution.n_iter[1] == 15
    assert solution.relative_gap[1] > 1e-9
    assert solve(Fista(), logistic(), L1(1e-4), max_iter=0).n_passes == 1


def test_a_tolerance_below_rounding_stalls():
    for solver in (Fista(), Gram()):
        solution = solve(solver, squared(rho=0.3), L1(0.05), tol=0.0, max_iter=100_000)
        assert solution.status[0] in (Status.STALLED, Status.CONVERGED)
        assert solution.relative_gap[0] < 1e-13
        assert solution.n_iter[0] < 100_000
    assert "Rounding" in Status.STALLED.sentence


def test_without_a_bound_the_violation_decides():
    """An unpenalised column in a logistic model: no feasible dual point is at hand."""
    u = np.ones(12)
    u[3] = 0.0
    datafit = logistic()
    solution = solve(Fista(), datafit, L1(0.01, u), tol=1e-8, max_iter=5000)
    assert solution.status[0] == "converged"
    assert solution.certificate[0] == "violation"
    assert np.isnan(solution.dual_gap[0])
    assert np.isnan(solution.relative_gap[0])
    assert solution.violation[0] <= 1e-8 * np.abs(datafit.null_grad).max()
    evaluation = datafit.evaluate(solution.coef, solution.intercept, np.array([0]))
    violation = L1(0.01, u).violation(solution.coef, evaluation.grad).max()
    worst = max(violation, np.abs(evaluation.intercept_grad).max())
    assert worst == pytest.approx(solution.violation[0], rel=1e-6)


def test_no_penalty_stops_on_the_violation():
    solution = solve(Fista(), squared(), L2(0.0), tol=1e-9, max_iter=5000)
    assert solution.status[0] == "converged"
    exact = solve(Gram(), squared(), L2(0.0), tol=1e-12)
    np.testing.assert_allclose(solution.coef, exact.coef, atol=1e-6)
    assert exact.certificate[0] == "gap"


def test_a_closing_pass_turns_the_violation_into_a_gap():
    class Closing(Logistic):
        asked = 0

        def closing_dual(self, penalty, coef, intercept):
            type(self).asked += 1
            assert coef.shape[-1] == penalty.n_problems == self.n_problems
            value = self.evaluate(coef, intercept, np.arange(self.n_problems)).value
            return np.where(penalty.alpha > 0.005, value + penalty.value(coef) - 1e-9, np.nan)

    u = np.ones(12)
    u[3] = 0.0
    plain = logistic(2)
    datafit = Closing(plain.X, plain.Y, plain.output)
    solution = solve(Fista(), datafit, L1([0.01, 0.001], u), tol=1e-6)
    assert Closing.asked == 1
    assert solution.certificate.tolist() == ["violation", "violation"]
    assert solution.dual_gap[0] == pytest.approx(1e-9, rel=1e-3)
    assert np.isnan(solution.dual_gap[1])


def test_a_null_model_that_fits_perfectly_costs_no_pass():
    datafit = squared(2)
    passes = datafit.n_passes
    solution = solve(Fista(), datafit, L1([0.1, 0.2]), null_value=[0.0, 0.0])
    assert datafit.n_passes == passes
    assert not solution.coef.any()
    assert (solution.dual_gap == 0).all()
    assert solution.converged.all()


def test_callbacks_see_every_pass():
    watch = Watch()
    solution = solve(Fista(), logistic(2), L1([0.1, 0.01]), tol=1e-7, callbacks=[watch])
    assert [event.n_iter for event in watch.events] == list(range(solution.n_iter.max() + 1))
    assert [event.n_passes for event in watch.events] == list(range(1, solution.n_passes + 1))
    gaps = [event.gap for event in watch.events]
    assert (np.diff(gaps) <= 0).all()
    assert gaps[-1] == pytest.approx(solution.relative_gap.max())
    assert watch.events[-1].n_active == 0
    assert watch.events[-1].n_nonzero == np.count_nonzero(solution.coef)


def test_an_interrupt_returns_the_best_iterate():
    solution = solve(Fista(), logistic(2), L1([0.2, 1e-4]), tol=1e-9, callbacks=[Watch(stop=12)])
    assert solution.status[1] == "interrupted"
    assert np.isfinite(solution.objective).all()
    assert solution.n_iter[1] == 11
    evaluation = logistic(2).evaluate(solution.coef, solution.intercept, np.arange(2))
    objective = evaluation.value + L1([0.2, 1e-4]).value(solution.coef)
    np.testing.assert_allclose(objective, solution.objective, rtol=1e-14)


@pytest.mark.parametrize("solver", [Fista(), QuasiNewton()])
def test_passes_run_out(solver):
    """What is left is the best iterate with its gap, and a later fit goes on from there."""
    X, y = labelled()
    penalty = L1([2.0, 1e-3])
    whole = solve(solver, datafit_of(X, y, n_problems=2), penalty, tol=1e-9, max_iter=9000)
    datafit = datafit_of(X, y, n_problems=2)
    solution = solve(solver, datafit, penalty, tol=1e-9, max_passes=5)
    assert solution.n_passes == datafit.n_passes == 5
    assert solution.status.tolist() == ["converged", "max_passes"]
    assert np.isfinite(solution.dual_gap).all()
    assert solution.relative_gap[1] > 1e-9
    bound = solution.objective - solution.dual_gap
    assert (bound <= whole.objective * (1 + 1e-12)).all()
    start = solution.coef, solution.intercept
    rest = solve(solver, datafit, penalty, tol=1e-9, max_iter=9000, start=start)
    assert rest.converged.all()
    np.testing.assert_allclose(rest.objective, whole.objective, rtol=1e-8)
    # Momentum and step size are no part of a start, so Fista may go another way.
    assert rest.n_passes <= (1.5 * whole.n_passes if solver == Fista() else whole.n_passes + 2)


def test_the_start_is_evaluated_however_few_passes_are_left():
    datafit = logistic()
    solution = solve(Fista(), datafit, L1(1e-4), max_passes=1)
    assert solution.n_passes == 1
    assert solution.status[0] == Status.MAX_PASSES
    np.testing.assert_allclose(solution.objective, datafit.null_value)


def test_time_runs_out(monkeypatch):
    """One second passes with every look at the clock."""
    clock = iter(range(1000))
    # Nobody else's clock: other threads of this process look at it as well.
    own = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("daskreg.solvers.budget.time", own)
    solution = solve(Fista(), logistic(2), L1([0.2, 1e-4]), tol=1e-9, deadline=4.5)
    assert solution.n_iter[1] == 4
    assert solution.status[1] == Status.DEADLINE
    assert "time" in solution.status[1].sentence
    assert solve(Fista(), logistic(), L1(1e-4), deadline=0.0).n_passes == 1


def test_a_callback_ends_the_fit_and_every_callback_hears_of_it():
    class Asking(Watch):
        def on_iteration(self, event):
            super().on_iteration(event)
            return len(self.events) == 4

    class Talking(Watch):
        def on_iteration(self, event):
            super().on_iteration(event)
            return "on"

    asking, talking = Asking(), Talking()
    solution = solve(Fista(), logistic(2), L1([0.2, 1e-4]), tol=1e-9, callbacks=[asking, talking])
    assert len(asking.events) == len(talking.events) == 4
    assert solution.n_passes == 4
    assert solution.status[1] == Status.STOPPED
    assert np.isfinite(solution.relative_gap[1])


def test_passes_are_counted_for_each_problem():
    datafit = logistic(4)
    alpha = alpha_max(datafit.null_grad) * [2.0, 0.5, 0.1, 0.001]
    solution = solve(Fista(), datafit, L1(alpha), tol=1e-6)
    np.testing.assert_array_equal(solution.n_passes_each, 1 + solution.n_iter)
    assert solution.n_passes_each.max() == solution.n_passes
    one_look = squared(3)
    exact = solve(Gram(), one_look, L1([0.1, 0.01, 0.001]), tol=1e-8, max_iter=10_000)
    np.testing.assert_array_equal(exact.n_passes_each, 1)


def test_an_interrupt_before_the_first_pass_propagates():
    class Impatient(Logistic):
        def value_and_grad(self, *arguments, **options):
            raise KeyboardInterrupt

    plain = logistic()
    with pytest.raises(KeyboardInterrupt):
        solve(Fista(), Impatient(plain.X, plain.Y, plain.output), L1(0.1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": -1.0}, "got tol=-1.0"),
        ({"max_iter": -3}, "max_iter=-3"),
        ({"max_passes": 0}, "at least 1 or None, got 0"),
        ({"deadline": -0.5}, "seconds or None, got -0.5"),
    ],
)
def test_messages_say_what_came(options, message):
    with pytest.raises(ValueError, match=message):
        solve(Fista(), logistic(), L1(0.1), **options)
    with pytest.raises(ValueError, match="penalty has 2 problems, the datafit 1"):
        solve(Fista(), logistic(), L1([0.1, 0.2]))
    with pytest.raises(ValueError, match="start must have the shapes"):
        solve(Fista(), logistic(), L1(0.1), start=(np.zeros((12, 1)), np.zeros(1)))
    with pytest.raises(ValueError, match="must be finite, got nan"):
        solve(Fista(), logistic(), L1(0.1), null_value=[np.nan])
    with pytest.raises(ValueError, match="each of the 12 features"):
        solve(Fista(), logistic(), L1(0.1, np.ones(5)))


def test_solvers_load_without_a_compiler_or_dask():
    code = (
        "import sys, daskreg.solvers;"
        "print([m for m in ('llvmlite', 'dask', 'sklearn', 'xarray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
