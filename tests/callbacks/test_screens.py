"""Progress in a notebook: one piece of HTML that says where the fit stands."""

from __future__ import annotations

import math

import pytest

from daskreg.callbacks import ProgressReport, notebook
from daskreg.callbacks.notebook import Notebook, progress_html
from daskreg.callbacks.screens import Lines, screen_for
from daskreg.callbacks.standing import Standing
from daskreg.solvers import Progress


def event(n_passes, gap, n_active=2):
    return Progress(n_passes, n_passes, gap, math.nan, 0.5, 1234, n_active)


class Shown:
    """Stands for the widget."""

    def __init__(self):
        self.texts, self.closed = [], None

    def show(self, text):
        self.texts.append(text)

    def close(self, text):
        self.closed = text


@pytest.fixture
def shown(monkeypatch):
    shown = Shown()
    monkeypatch.setattr(notebook, "_shown", lambda: shown)
    monkeypatch.setattr(notebook, "_EVERY", 0.0)
    monkeypatch.setattr("daskreg.callbacks.report.screen_for", lambda *_: Notebook())
    return shown


def test_numbers_of_a_fit():
    standing = Standing(1e-6, 100, 10**9)
    standing.title = "Lasso<b>"
    standing.add_rows(25, 250_000_000)
    standing.update(event(0, 1e-3))
    page = progress_html(standing, ["worker <3> was lost"])
    for text in ("1.0e-03", "tol 1e-06", "1,234", "0.25 GB", "25%", "Lasso&lt;b&gt;", "&lt;3&gt;"):
        assert text in page
    assert "<script" not in page


def test_the_gap_bar_is_logarithmic():
    standing = Standing(1e-6)
    standing.update(event(0, 1.0))
    standing.update(event(1, 1e-3))
    assert "width:50.0%" in progress_html(standing, [])


def test_the_widget_follows_the_fit_and_leaves_plain_html(shown):
    with ProgressReport(tol=1e-3, n_rows=10) as report:
        report.on_rows(5, 100)
        report.on_iteration(event(0, 1e-1))
        assert "1.0e-01" in shown.texts[-1]
        assert "50%" in shown.texts[-1]
        report.on_iteration(event(1, 1e-4, n_active=0))
    assert "1.0e-04" in shown.closed
    assert "pass 1" not in shown.closed


def test_a_screen_that_fails_to_end_is_no_notebook(tmp_path):
    with open(tmp_path / "log", "w") as stream:
        assert isinstance(screen_for(stream), Lines)
        assert isinstance(screen_for(stream, live=False), Lines)
