"""A solve within a step of another ends with it, and no other solve does."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg import LogisticRegression
from daskreg.solvers import Fista


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 1200))
    return X, X[:, :6] @ rng.normal(size=6) > 0


class Steps:
    """Counts steps of FISTA, and interrupts one of them."""

    def __init__(self, monkeypatch):
        self.n_steps, self.stop, step = 0, None, Fista.step
        monkeypatch.setattr("daskreg.solvers.screening.inner_solver", lambda *a, **k: Fista())

        def counted(solver, *args):
            self.n_steps += 1
            if self.n_steps == self.stop:
                raise KeyboardInterrupt
            return step(solver, *args)

        monkeypatch.setattr(Fista, "step", counted)


def model(**settings):
    return LogisticRegression(C=5.0, l1_ratio=1.0, solver="screening", **settings)


def test_an_interrupt_is_raised_though_the_last_pass_certifies_all(data, monkeypatch):
    steps = Steps(monkeypatch)
    model().fit(*data)
    steps.n_steps, steps.stop = 0, steps.n_steps
    found = model()
    with pytest.raises(KeyboardInterrupt):
        found.fit(*data)
    assert found.status_ == "converged"


def test_a_round_that_was_cut_short_is_made_again(data, monkeypatch, tmp_path):
    steps = Steps(monkeypatch)
    expected = model().fit(*data)
    steps.n_steps, steps.stop = 0, steps.n_steps // 2
    path = tmp_path / "checkpoint"
    with pytest.warns(match="did not converge"), pytest.raises(KeyboardInterrupt):
        model().fit(*data, checkpoint=path)
    found = model().fit(*data, checkpoint=path, resume=True)
    np.testing.assert_array_equal(found.coef_, expected.coef_)


def test_what_a_callback_fits_has_limits_of_its_own(data):
    class Fits:
        def __init__(self):
            self.status = []

        def on_iteration(self, event):
            other = LogisticRegression(C=1.0, l1_ratio=1.0, solver="fista", tol=1e-3)
            self.status.append(other.fit(*data).status_)

    fits = Fits()
    outer = LogisticRegression(
        C=1.0, l1_ratio=1.0, solver="fista", tol=1e-12, max_passes=3, callbacks=[fits]
    )
    with pytest.warns(match="did not converge"):
        outer.fit(*data)
    assert fits.status == ["converged"] * 3
