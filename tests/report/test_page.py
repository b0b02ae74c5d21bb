"""The page of a model: whole, safe, and without a network."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from daskreg import ElasticNetCV, Lasso, LogisticRegression
from daskreg.cli import main
from daskreg.model_io import load_model, save_model
from daskreg.plotting import (
    plot_coefficients,
    plot_convergence,
    plot_path,
    plot_scores,
    plot_seconds,
    report_html,
)
from tests.browser import browser, errors, needs_browser


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 5)), columns=[*"abcd", "<script>alert(1)</script>"])
    return X, X.to_numpy() @ [1.0, -1.0, 0.0, 0.0, 2.0] + 0.5 * rng.normal(size=300)


@pytest.fixture(scope="module")
def chosen(data):
    return ElasticNetCV(l1_ratio=[0.5, 1.0], alphas=6, cv=3, solver="quasi_newton").fit(*data)


class Whole(HTMLParser):
    """Tags of a page, and whether each is closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_is_whole_and_fetches_nothing(chosen):
    page = report_html(chosen)
    parsed = Whole(page)
    assert parsed.open == []
    assert "script" not in parsed.seen
    assert parsed.seen.count("svg") == 5
    fetched = re.findall(r'(?:src|href)="(?!#)([^"]*)"', page)
    assert fetched == []
    assert "url(http" not in page


def test_names_of_columns_run_no_code(data):
    page = report_html(Lasso(0.01).fit(*data))
    assert "<script>" not in page


def test_every_output_has_its_coefficients(data):
    X, y = data
    model = LogisticRegression(C=0.1, l1_ratio=1.0).fit(X, np.digitize(y, [-1.0, 1.0]))
    assert all(f"Largest coefficients of class {k}" in report_html(model) for k in range(3))


def test_plots_show_what_they_say(chosen):
    gap = plot_convergence(chosen).lines[0].get_ydata()
    np.testing.assert_array_equal(gap, chosen.fit_report_.iterations["gap"])
    scores = plot_scores(chosen)
    np.testing.assert_allclose(scores.lines[1].get_ydata(), chosen.mse_path_[1].mean(axis=-1))
    assert plot_scores(chosen).xaxis_inverted()
    widths = [bar.get_width() for bar in plot_coefficients(chosen, most=3).patches]
    assert widths == sorted(chosen.coef_, key=abs)[-3:]
    assert len(plot_path(chosen).get_legend().get_texts()) == np.count_nonzero(
        np.abs(chosen.fit_report_.path["coef"]).max(axis=1)
    )
    names = [text.get_text() for text in plot_seconds(chosen).get_yticklabels()]
    assert names == ["solve", "reduce", "wait", "compute", "decode", "read"]


def test_plots_refuse_what_they_cannot_show(data):
    model = Lasso(0.01).fit(*data)
    for plot, what in ((plot_path, "one alpha"), (plot_scores, "chose nothing")):
        with pytest.raises(ValueError, match=what):
            plot(model)
    with pytest.raises(ValueError, match="no fit report"):
        plot_convergence(Lasso())
    with pytest.raises(ValueError, match="by must be"):
        plot_convergence(model, by="bytes")


def test_the_command_writes_the_page(chosen, tmp_path):
    path = tmp_path / "model.zarr.zip"
    chosen.save(path)
    result = CliRunner().invoke(main, ["report", str(path)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "model.html").read_text() == report_html(chosen)


def test_the_command_says_what_is_missing(chosen, tmp_path):
    path = tmp_path / "model.zarr.zip"
    chosen.save(path)
    stored = load_model(path)
    del stored.attributes["fit_report_"]
    save_model(path, stored)
    result = CliRunner().invoke(main, ["report", str(path), "-o", str(tmp_path / "page.html")])
    assert result.exit_code == 2
    assert "no fit report" in result.output
    assert not (tmp_path / "page.html").exists()


@needs_browser
@pytest.mark.filterwarnings("ignore")
def test_a_browser_shows_the_page(chosen, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(report_html(chosen))
    with browser(1150, 1400) as driver:
        driver.get(page.as_uri())
        drawn = driver.execute_script(
            "return [...document.querySelectorAll('figure svg')].map("
            "svg => svg.getBoundingClientRect().width)"
        )
        wide = driver.execute_script(
            "return document.documentElement.scrollWidth - window.innerWidth"
        )
        assert errors(driver) == []
    assert len(drawn) == 5
    assert min(drawn) > 300
    assert wide <= 0
