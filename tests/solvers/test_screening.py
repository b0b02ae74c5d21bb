"""Working sets give the solution over all columns, in few passes."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg import LogisticRegression
from daskreg.datafit import Datafit
from daskreg.design.passes.ledger import LEDGER
from daskreg.exceptions import CompatibilityError
from daskreg.losses import Logistic, Squared
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import Fista, Gram, Status, solve
from daskreg.solvers.reach import learned_lag, within_reach
from daskreg.solvers.round_solver import FAR, ROUGH, aim_of, solve_round
from daskreg.solvers.screening import BatchScreening
from daskreg.solvers.working_set import NEAR, Paths, entry_alpha, wanted_columns
from tests.datafit.test_weightings import EveryThird
from tests.fake_design import FakeDesign


def wide(n=80, p=600, *, loss, sparse=False, targets=1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 0.7 * rng.normal(size=(n, 1))
    if sparse:
        X = np.where(np.abs(X) > 1.0, X, 0.0)
    eta = 2.0 * X[:, :6] @ rng.normal(size=(6, targets)) + rng.normal(size=(n, targets))
    y = (eta > 0.0).astype(float) if isinstance(loss, Logistic) else eta
    return (sp.csr_array(X) if sparse else X), y


def make(loss, *, n_alphas=12, least=0.1, fold=(-1,), reads_columns=True, penalty=None, **data):
    penalty = dict(penalty or {})
    X, y = wide(loss=loss, **data)
    design = FakeDesign(X, y, borders=(31,))
    design.reads_columns = reads_columns
    targets = np.arange(y.shape[1])
    alphas = np.geomspace(1.0, least, n_alphas) if n_alphas > 1 else [least]
    ratio = penalty.pop("l1_ratio", 1.0)
    problems = Problems.product(
        alpha=alphas, l1_ratio=ratio, fold=fold, output=targets, alpha_unit="fraction"
    )
    fit = Datafit(design, loss, problems, folds=EveryThird(), tol=1e-8)
    top = alpha_max(fit.on_all_rows().null_grad, problems.l1_ratio, **penalty).max()
    return fit, ElasticNet(problems.alpha * top, problems.l1_ratio, **penalty)


def objective(fit, penalty, solution):
    return objective_at(fit, penalty, solution.coef, solution.intercept)


def objective_at(fit, penalty, coef, intercept):
    value = fit.value_and_grad(coef, intercept, precise=True).value
    return value + penalty.value(coef)


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", ["lasso", "elastic net", "positive", "folds"])
def test_the_solution_is_that_of_all_columns(loss, sparse, kind):
    penalty = {"elastic net": {"l1_ratio": 0.5}, "positive": {"positive": True}}.get(kind)
    fold = (-1, 0, 2) if kind == "folds" else (-1,)
    fit, penalty = make(loss, sparse=sparse, penalty=penalty, fold=fold, n_alphas=6)
    # Ten columns a round are too few: what is missing must be found.
    found = solve(BatchScreening(n_columns=10), fit, penalty, tol=1e-8)
    assert found.converged.all()
    other = Gram() if isinstance(loss, Squared) else Fista()
    whole = solve(other, fit, penalty, tol=1e-9, max_iter=20_000)
    values = [objective(fit, penalty, solution) for solution in (found, whole)]
    np.testing.assert_allclose(*values, atol=1e-8 * fit.null_value.max())
    assert (found.dual_gap <= 1e-8 * fit.null_value).all()


def test_a_path_takes_few_passes_where_columns_can_be_read_alone():
    fit, penalty = make(Squared(), n_alphas=50, least=0.06, n=150, p=3000)
    solution = solve(BatchScreening(), fit, penalty, tol=1e-6)
    assert solution.converged.all()
    assert fit.design.n_passes == solution.n_passes + 1  # alpha_max took the first one before
    assert fit.design.n_passes <= 6


def test_a_path_takes_two_reads_a_round_where_they_cannot():
    fit, penalty = make(Squared(), n_alphas=50, least=0.06, n=150, p=3000, reads_columns=False)
    solution = solve(BatchScreening(), fit, penalty, tol=1e-6)
    assert solution.converged.all()
    assert fit.design.n_passes <= 12


def test_a_sparse_problem_takes_few_passes():
    fit, penalty = make(
        Logistic(), n_alphas=1, least=0.1, n=400, p=3000, sparse=True, reads_columns=False
    )
    solution = solve(BatchScreening(), fit, penalty, tol=1e-6)
    assert solution.converged.all()
    assert fit.design.n_passes <= 12


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=lambda loss: loss.name)
def test_unpenalised_columns_are_always_in(loss):
    weight = np.ones(600)
    weight[[3, 500]] = 0.0
    X, y = wide(loss=loss)
    fit = Datafit(FakeDesign(X, y), loss, Problems.product(alpha=[1.0]), tol=1e-8)
    penalty = ElasticNet([0.05], [1.0], weight)
    found = solve(BatchScreening(n_columns=5), fit, penalty, tol=1e-7)
    assert found.converged.all()
    assert (found.coef[[3, 500]] != 0.0).all()
    grad = fit.value_and_grad(found.coef, found.intercept, precise=True).grad
    assert penalty.violation(found.coef, grad).max() <= 1e-4 * np.abs(fit.null_grad).max()


def test_targets_are_paths_of_their_own():
    fit, penalty = make(Squared(), targets=3)
    together = solve(BatchScreening(), fit, penalty, tol=1e-9)
    for target in range(3):
        own = np.flatnonzero(fit.output == target)
        alone = solve(BatchScreening(), fit.take(own), penalty.take(own), tol=1e-9)
        np.testing.assert_allclose(together.coef[..., own], alone.coef, atol=1e-5)


def test_a_ridge_penalty_is_refused_before_the_first_pass():
    X, y = wide(loss=Squared())
    fit = Datafit(FakeDesign(X, y), Squared(), Problems.product(alpha=[1.0]))
    with pytest.raises(CompatibilityError, match="without an L1 part"):
        solve(BatchScreening(), fit, ElasticNet([1.0], [0.0]))
    assert fit.design.n_passes == 0


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=lambda loss: loss.name)
def test_a_path_ends_where_its_columns_fill_the_memory(loss, monkeypatch):
    monkeypatch.setattr(FakeDesign, "most_columns", 12)
    fit, penalty = make(loss, least=0.01)
    found = solve(BatchScreening(), fit, penalty, tol=1e-8)
    assert set(found.status) == {Status.CONVERGED, Status.MEMORY}
    fits = np.flatnonzero(found.converged)
    np.testing.assert_array_equal(fits, np.arange(len(fits)))
    assert np.count_nonzero(found.coef, axis=0).max() <= 12
    # What is certified is the solution, and the rest beats the last model that is.
    monkeypatch.setattr(FakeDesign, "most_columns", 600)
    whole = solve(BatchScreening(), fit, penalty, tol=1e-8)
    assert whole.converged.all()
    level = 1e-8 * fit.null_value
    assert (np.abs(found.objective - whole.objective) <= level)[fits].all()
    assert (found.objective - found.dual_gap <= whole.objective + level).all()
    last = found.coef[..., [fits[-1]] * fit.n_problems]
    kept = found.intercept[:, [fits[-1]] * fit.n_problems]
    assert (found.objective <= objective_at(fit, penalty, last, kept) + level).all()
    assert found.objective[-1] < 0.9 * objective_at(fit, penalty, last, kept)[-1]


def test_other_paths_go_on_where_the_columns_of_one_fill_the_memory(monkeypatch):
    monkeypatch.setattr(FakeDesign, "most_columns", 40)
    fit, penalty = make(Squared(), least=0.2, targets=2, n_alphas=6)
    # The second target has larger alphas: its columns fit.
    alpha = penalty.alpha * np.where(fit.output == 0, 0.02, 1.5)
    penalty = ElasticNet(alpha, penalty.l1_ratio)
    found = solve(BatchScreening(), fit, penalty, tol=1e-8)
    assert found.converged[fit.output == 1].all()
    assert Status.MEMORY in found.status[fit.output == 0]


def test_a_start_with_more_columns_than_memory_holds_is_cut_to_its_largest(monkeypatch):
    monkeypatch.setattr(FakeDesign, "most_columns", 12)
    fit, penalty = make(Squared(), n_alphas=1, least=0.01)
    rng = np.random.default_rng(0)
    start = rng.normal(size=(600, 1, 1)), np.zeros((1, 1))
    found = solve(BatchScreening(), fit, penalty, tol=1e-8, start=start)
    assert found.status.tolist() == [Status.MEMORY]
    assert np.isfinite(found.dual_gap).all()
    assert found.objective[0] <= objective_at(fit, penalty, *start)[0]


def test_entry_alpha_is_where_a_zero_coefficient_leaves_zero():
    rng = np.random.default_rng(0)
    grad = rng.normal(size=(7, 1, 3))
    weight = np.array([1.0, 2.0, 0.5, 1.0, 0.0, 1.0, 3.0])
    penalty = ElasticNet([0.3, 0.4, 0.5], [1.0, 0.5, 0.2], weight)
    entry = entry_alpha(penalty, grad)
    assert np.isinf(entry[4]).all()
    zero = np.zeros((7, 1, 1))
    for j, k in np.ndindex(7, 3):
        if j == 4:
            continue
        for factor, violated in ((1 - 1e-9, True), (1 + 1e-9, False)):
            at = ElasticNet([entry[j, k] * factor], [penalty.l1_ratio[k]], weight)
            assert (at.violation(zero, grad[..., [k]])[j, 0, 0] > 0.0) == violated


def test_wanted_columns_rise_no_faster_than_assumed():
    fit, penalty = make(Squared(), n_alphas=4)
    paths = Paths.of(fit, penalty)
    entry = np.linspace(0.0, 1.0, 101)[:, None]
    chosen = np.array([2])
    alpha = np.array([1.0, 0.9, 0.8, 0.7])
    wanted = wanted_columns(entry, np.array([1.0]), paths, alpha, chosen)
    np.testing.assert_array_equal(wanted > 0.0, entry[:, 0] > min(0.8 - 0.5 * 0.2, NEAR * 0.8))
    assert (np.diff(wanted[wanted > 0.0]) > 0.0).all()


@pytest.mark.parametrize("reads_columns", [False, True])
@pytest.mark.parametrize("start", [False, True])
def test_a_round_takes_no_more_problems_than_it_may(reads_columns, start, monkeypatch):
    fit, penalty = make(Squared(), fold=(-1, 0, 2), n_alphas=6, reads_columns=reads_columns)
    widths = []
    plain = Datafit.value_and_grad

    def watched(self, coef, *args, **kwargs):
        widths.append(coef.shape[2])
        return plain(self, coef, *args, **kwargs)

    whole = solve(BatchScreening(), fit, penalty, tol=1e-8)
    monkeypatch.setattr(Datafit, "value_and_grad", watched)
    warm = (0.5 * whole.coef, whole.intercept) if start else None
    found = solve(BatchScreening(n_problems=2), fit, penalty, tol=1e-8, start=warm)
    assert found.converged.all()
    assert max(widths) <= 2
    np.testing.assert_allclose(found.objective, whole.objective, atol=2e-8 * fit.null_value.max())


def test_columns_that_are_at_hand_are_not_read_again():
    rng = np.random.default_rng(0)
    n, p = 200, 4000
    X = rng.normal(size=(n, p))
    for j in range(1, p):
        X[:, j] = 0.5 * X[:, j - 1] + 0.87 * X[:, j]
    y = X[:, :: p // 20] @ rng.normal(size=20) + rng.normal(size=n)
    design = FakeDesign(X, y)
    design.reads_columns = False
    alphas = np.geomspace(1.0, 0.06, 50)
    fit = Datafit(design, Squared(), Problems.product(alpha=alphas, alpha_unit="fraction"))
    penalty = ElasticNet(alphas * alpha_max(fit.null_grad).max(), np.ones(50))
    gathers = []
    select = design.select
    design.select = lambda columns: gathers.append(len(columns)) or select(columns)
    found = solve(BatchScreening(length=10), fit, penalty, tol=1e-6)
    assert found.converged.all()
    n_rounds = design.n_passes - 1 - len(gathers)
    assert len(gathers) < n_rounds
    assert max(gathers) <= p // 2


@pytest.mark.parametrize("most", [0, 1, 3, 4, 7, 50])
def test_the_highest_scores_are_those_of_a_stable_sort(most):
    from daskreg.solvers.rounds import _highest

    score = np.random.default_rng(most).integers(-1, 4, 40).astype(float)
    order = np.argsort(-score, kind="stable")[:most]
    expected = np.zeros(40, dtype=bool)
    expected[order[score[order] > 0.0]] = True
    np.testing.assert_array_equal(_highest(score, most), expected)


def test_in_memory_few_problems_are_solved_on_too_few_columns(monkeypatch):
    monkeypatch.setattr(FakeDesign, "resident", True, raising=False)
    counts = []
    for tried in (1e-9, 0.6):
        monkeypatch.setattr("daskreg.solvers.reach.TRIED", tried)
        fit, penalty = make(Squared(), n_alphas=50, least=0.02, n=150, p=3000)
        found = solve(BatchScreening(n_columns=100, length=20), fit, penalty, tol=1e-8)
        assert found.converged.all()
        counts.append(int(found.n_iter.sum()))
    everything, fewer = counts
    assert 50 <= fewer < everything


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=lambda loss: loss.name)
def test_in_memory_rounds_that_lack_columns_are_rough(loss, monkeypatch):
    """The steps of all rounds of a lone problem are fewer, and the solution is that of all."""
    monkeypatch.setattr(FakeDesign, "resident", True, raising=False)
    counts = []
    for rough in (True, False):
        if not rough:
            monkeypatch.setattr("daskreg.solvers.screening.aim_of", lambda *_: 0.0)
        fit, penalty = make(loss, n_alphas=1, least=0.02, n=150, p=3000)
        steps = counted(monkeypatch)
        found = solve(BatchScreening(n_columns=10, inner=Fista()), fit, penalty, tol=1e-8)
        assert found.converged.all()
        assert (found.dual_gap <= 1e-8 * fit.null_value).all()
        counts.append(len(steps))
    fewer, all_ = counts
    assert fewer < 0.6 * all_


def counted(monkeypatch, stop=None):
    """The steps of Fista from now on; an interrupt at the ``stop``-th."""
    steps, step = [], Fista.step

    def counting(self, *args):
        steps.append(None)
        if len(steps) == stop:
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(Fista, "step", counting)
    return steps


def test_a_round_is_rough_while_it_will_hardly_be_the_last():
    goal = SimpleNamespace(null_value=np.array([2.0, 2.0]))
    candidates = SimpleNamespace(objective=np.array([1.4, np.inf]), bound=np.array([0.4, -np.inf]))
    state = SimpleNamespace(
        paths=SimpleNamespace(which=np.array([0, 0])),
        entry=np.array([[3.0], [1.5], [0.5]]),
        goal=goal,
        candidates=candidates,
    )
    alpha, first = np.array([1.0, 0.6]), np.array([0])
    columns = np.array([True, False, True])
    assert aim_of(state, alpha, first, columns) == pytest.approx(ROUGH * 0.5)
    assert aim_of(state, alpha, np.array([0, 1]), columns) == 0.0  # several problems
    assert aim_of(state, alpha, np.array([1]), columns) == 0.0  # nothing is known of it
    candidates.bound = candidates.objective - FAR
    assert aim_of(state, alpha, first, columns) == pytest.approx(ROUGH * FAR / 2.0)
    columns[1] = True  # nothing that violates its condition is left out, and the gap is small
    assert aim_of(state, alpha, first, columns) == 0.0


def test_a_problem_that_uses_most_columns_goes_on_with_all_of_them(monkeypatch):
    """Without gathering them; passes are counted and end where they are to end."""
    monkeypatch.setattr(FakeDesign, "resident", True, raising=False)
    taken, restricted = [], Datafit.restricted

    def noting(self, columns):
        taken.append(len(columns))
        return restricted(self, columns)

    monkeypatch.setattr(Datafit, "restricted", noting)
    solver = BatchScreening(n_columns=20, gram_columns=10)
    data = {"n_alphas": 1, "least": 0.005, "n": 300, "p": 80}
    fit, penalty = make(Logistic(), **data)
    found = solve(solver, fit, penalty, tol=1e-8)
    assert found.converged.all()
    assert 2 * np.count_nonzero(found.coef) > 80 >= 2 * max(taken)
    assert found.n_passes > found.n_iter[0] + 1
    other = solve(Fista(), fit, penalty, tol=1e-9, max_iter=20_000)
    np.testing.assert_allclose(found.objective, other.objective, atol=1e-8)
    few = solve(solver, make(Logistic(), **data)[0], penalty, tol=1e-8, max_passes=9)
    assert few.status.tolist() == [Status.MAX_PASSES]
    assert few.n_passes <= 10
    assert np.isfinite(few.dual_gap).all()


@pytest.mark.parametrize("what", ["deadline", "interrupt"])
def test_a_round_ends_where_time_does_with_a_certificate(what, monkeypatch):
    """One second passes with every look at the clock; the pass that ends the round is made."""
    fit, penalty = make(Logistic(), n_alphas=2, least=0.02, n=150, p=3000)
    reference = solve(BatchScreening(), fit, penalty, tol=1e-8).objective
    steps = counted(monkeypatch, stop=12 if what == "interrupt" else None)
    clock = iter(range(10_000))
    own = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("daskreg.solvers.budget.time", own)
    deadline = 12.0 if what == "deadline" else None
    before = fit.design.n_passes
    solver = BatchScreening(n_columns=3000, inner=Fista())
    found = solve(solver, fit, penalty, tol=1e-8, deadline=deadline)
    assert 2 <= len(steps) <= 13
    assert fit.design.n_passes - before == found.n_passes <= 2
    open_ = ~found.converged
    ending = Status.DEADLINE if what == "deadline" else Status.INTERRUPTED
    assert open_.any()
    assert (found.status[open_] == ending).all()
    assert np.isfinite(found.dual_gap).all()
    assert (found.objective - found.dual_gap <= reference * (1 + 1e-12)).all()
    assert (found.objective[open_] < fit.null_value[open_]).all()


def test_a_lag_is_learned_from_where_columns_were_missing():
    paths = Paths(np.zeros(5, dtype=np.intp), 1, np.zeros(1, dtype=np.intp))
    state = SimpleNamespace(
        paths=paths, lag=np.array([1.0]), entry=np.array([[5.0], [0.4], [0.5], [0.2]])
    )
    alpha = np.array([1.0, 0.8, 0.4, 0.3, 0.2])
    columns = np.array([True, False, False, False])
    chosen = np.arange(5)
    # The best column that is left out enters at 0.5 at the earliest; 0.35 of that is tried.
    np.testing.assert_array_equal(within_reach(state, alpha, chosen, columns), [0, 1, 2])
    np.testing.assert_array_equal(within_reach(state, alpha, chosen, columns | True), chosen)
    state.lag = np.array([9.0])
    np.testing.assert_array_equal(within_reach(state, alpha, chosen, columns), [0])
    done = np.array([True, True, True, False, False])
    assert learned_lag(state, alpha, chosen, columns, done) == pytest.approx([0.8])
    state.lag = np.array([0.3])
    assert learned_lag(state, alpha, chosen[:3], columns, done[:3]) == pytest.approx([0.3])


def test_a_round_that_takes_no_step_is_not_made_again():
    # Ten columns of thousands that violate alike are near enough to their own optimum at once.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3000))
    design = FakeDesign(X, X[:, :50] @ rng.normal(size=50) + rng.normal(size=40))
    design.resident = True
    fit = Datafit(design, Squared(), Problems.product(alpha=[1.0]), tol=1e-6)
    top = alpha_max(fit.null_grad, [0.01]).max()
    penalty = ElasticNet([0.1 * top], [0.01])
    solution = solve(BatchScreening(n_columns=10), fit, penalty, tol=1e-6)
    assert solution.status == "converged"


def test_newtons_steps_are_taken_to_the_end(monkeypatch):
    aims = []

    def solved(*args):
        aims.append(args[-1])
        return solve_round(*args)

    monkeypatch.setattr("daskreg.solvers.screening.solve_round", solved)
    monkeypatch.setattr(FakeDesign, "resident", True, raising=False)
    for exact in (True, False):
        monkeypatch.setattr(Datafit, "sums_hessians", exact)
        fit, penalty = make(Logistic(), n_alphas=1, n=400, p=3000, sparse=True)
        assert solve(BatchScreening(), fit, penalty, tol=1e-6).converged.all()
        assert any(aim > 0.0 for aim in aims) != exact
        aims.clear()


def test_the_last_look_needs_no_room_for_columns(monkeypatch):
    rng = np.random.default_rng(0)
    X = sp.random_array((3000, 8000), density=0.01, rng=rng, format="csr")
    y = X[:, :50] @ np.full(50, 9.0) > 1.0
    before, held = LEDGER.nbytes, {}
    look = Datafit.value_and_grad

    def noting(self, coef, *args, **settings):
        held.setdefault(len(coef), []).append(LEDGER.nbytes - before)
        return look(self, coef, *args, **settings)

    monkeypatch.setattr(Datafit, "value_and_grad", noting)
    model = LogisticRegression(C=1.0, l1_ratio=1.0).fit(X, y)
    assert model.status_ == "converged"
    assert held.pop(8000)[-1] == 0
    assert any(max(part) > 0 for part in held.values())


def test_rounds_that_change_nothing_are_the_last(monkeypatch):
    # Columns that are alike but for one part in ten thousand: float64 leaves the solver of a round
    # no way, and another round of the same columns would be this one again.
    rounds = []

    def stuck(solver, part, penalty, state, chosen, columns, aim):
        solution = solve_round(solver, part, penalty, state, chosen, columns, aim)
        start = state.coef[np.flatnonzero(columns)][..., chosen], state.intercept[:, chosen]
        rounds.append(int(columns.sum()))
        return replace(solution, coef=start[0], intercept=start[1])

    monkeypatch.setattr("daskreg.solvers.screening.solve_round", stuck)
    fit, penalty = make(Logistic(), n_alphas=1, n=100, p=3000)
    solution = solve(BatchScreening(), fit, penalty, tol=1e-6)
    assert solution.status == "stalled"
    assert len(rounds) <= 4


@pytest.mark.parametrize(("n", "spare"), [(300, 1 << 30), (200, 1 << 30), (300, 200_000)])
def test_least_squares_that_use_most_columns_go_on_with_their_gram_matrix(n, spare, monkeypatch):
    """Where there are rows enough, and memory: passes are then those of the rounds and one more."""
    monkeypatch.setattr(FakeDesign, "spare_bytes", spare)
    monkeypatch.setattr(FakeDesign, "resident", True, raising=False)
    used = []

    def noting(solver, *args):
        used.append(type(solver))
        return solve_round(solver, *args)

    monkeypatch.setattr("daskreg.solvers.screening.solve_round", noting)
    fit, penalty = make(Squared(), n_alphas=1, least=0.001, n=n, p=80)
    found = solve(
        BatchScreening(n_columns=20, gram_columns=10, row_bytes=0), fit, penalty, tol=1e-8
    )
    assert found.converged.all()
    assert 2 * np.count_nonzero(found.coef) > 80
    other = solve(Gram(), fit, penalty, tol=1e-10)
    np.testing.assert_allclose(found.objective, other.objective, rtol=1e-8)
    if n >= 3 * 80 and spare >= 7 * 8 * 80**2:
        assert used[-1] is Gram
        assert found.n_passes <= 2 + found.n_iter[0]
    else:
        assert used[-1] is Fista
        assert found.n_passes > 20


def test_newtons_steps_begin_where_the_first_pass_has_been(monkeypatch):
    """Two passes over the columns in use a step, none for the null model, and no step too many."""
    found = []

    def noting(*args):
        found.append(solve_round(*args))
        return found[-1]

    monkeypatch.setattr("daskreg.solvers.screening.solve_round", noting)
    monkeypatch.setattr(FakeDesign, "resident", True, raising=False)
    monkeypatch.setattr(Datafit, "sums_hessians", True)
    fit, penalty = make(Logistic(), n_alphas=1, n=400, p=600, sparse=True)
    solution = solve(BatchScreening(), fit, penalty, tol=1e-6)
    assert solution.converged.all()
    first = found[0]
    assert first.n_passes == 2 * first.n_iter[0]
    assert first.relative_gap[0] <= 0.8e-6
