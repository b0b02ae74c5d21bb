"""What a pass and a step in memory cost, and which of them a solver is chosen to spare."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg import LogisticRegression
from daskreg.fitting.choose import Choice, for_classes
from daskreg.fitting.costs import LEAST_PASS, READ_RATE, Costs


def costs(n_rows=100_000, p=300, rows=9000, **options):
    return Costs.of(n_rows, p, rows, **options)


def test_a_pass_costs_its_bytes_or_its_products():
    read = costs(read_bytes=5 * READ_RATE)
    assert read.one_pass == pytest.approx(5.0 + LEAST_PASS)
    assert costs(n_columns=50).one_pass > 10 * costs().one_pass - 10 * LEAST_PASS
    assert costs(n_threads=4, n_columns=50).one_pass < costs(n_columns=50).one_pass / 2
    assert costs(n_rows=0).one_pass == LEAST_PASS


def test_hessians_cost_their_rows_and_every_problem_has_one():
    one, many = costs(), costs(n_columns=7)
    assert many.hessians == pytest.approx(7 * one.hessians)
    coupled = costs(n_columns=30, n_outputs=10)  # three problems
    assert coupled.hessians == pytest.approx(3 * Costs.of(0, 3000, 9000).hessians)


def test_a_sample_pays_where_passes_are_dear_or_its_hessian_is_nothing():
    assert not costs(n_rows=20_000).favour_sample
    assert costs(n_rows=20_000, read_bytes=READ_RATE).favour_sample
    assert Costs.of(2000, 10, 2000).favour_sample
    assert f"{costs().hessians:.2g} s" in costs().sentence


@pytest.mark.parametrize("dear", [True, False])
@pytest.mark.parametrize("n_outputs", [1, 10])
def test_classes_that_differ_are_sampled_where_that_pays(n_outputs, dear):
    count = np.array([50, 9950]) if n_outputs == 1 else np.full(10, 1000)
    given = Costs(one_pass=1.0 if dear else 0.001, hessians=0.1)
    plain = Choice("quasi_newton", "", fallback=True)
    found = for_classes(
        plain, n_outputs=n_outputs, n_features=100, class_count=count, weighted=True, costs=given
    )
    assert found.name == ("sampled_newton" if dear else "quasi_newton")
    assert not dear or given.sentence in found.reason


def test_more_coupled_coefficients_than_a_hessian_holds_share_a_gram_matrix():
    given = Costs(one_pass=100.0, hessians=0.1)
    plain = Choice("quasi_newton", "", fallback=True)
    found = for_classes(
        plain, n_outputs=10, n_features=784, class_count=np.ones(10), weighted=False, costs=given
    )
    assert found.name == "quasi_newton"


def test_coupled_classes_in_memory_take_the_gram_matrix():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2500, 150))
    y = np.argmax(X[:, :8] + rng.gumbel(size=(2500, 8)), axis=1)
    model = LogisticRegression(C=0.01, l1_ratio=1.0).fit(X, y)
    assert (model.solver_, model.status_) == ("quasi_newton", "converged")
    assert "8 coupled classes" in model.solver_reason_
    assert model.n_passes_ <= 50
