"""The page on a running cluster: fed by fits, served by the dashboard, seen in a browser."""

from __future__ import annotations

import asyncio
import threading
import urllib.request
from urllib.parse import urlsplit

import distributed
import numpy as np
import pytest

from daskreg import ElasticNetCV, Lasso, cluster, dashboard
from daskreg.dashboard.feed import Feed
from daskreg.dashboard.messages import NAME
from daskreg.design.passes.roster import workers_of
from daskreg.events import record
from tests.browser import browser, errors, needs_browser, until

SETTINGS = {"solver": "fista", "block_size": "100kB"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 8))
    X[:, 1:] += 2 * X[:, :-1]
    y = X @ rng.normal(size=8) + rng.normal(size=len(X))
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    return folder / "X.npy", folder / "y.npy"


@pytest.fixture(scope="module")
def client():
    with cluster.local(n_workers=2) as client:
        yield client


@pytest.fixture(scope="module")
def page(client):
    return dashboard.install(client)


def told(client):
    """What the page knows of the fits."""

    def look(dask_scheduler):
        fits = dask_scheduler.plugins[NAME].fits.latest(100)
        return [
            {
                "title": fit.title,
                "status": fit.status,
                "columns": fit.columns(),
                "n_passes": len(fit.passes),
                "shards": fit.shards,
                "rows": fit.rows,
                "events": list(fit.events),
            }
            for fit in fits
        ]

    return client.run_on_scheduler(look)


def test_the_page_is_where_the_dashboard_is(client, page):
    status = urlsplit(client.dashboard_link)
    assert urlsplit(page).netloc == status.netloc
    assert status.hostname == "127.0.0.1"
    for place in (page, client.dashboard_link):
        with urllib.request.urlopen(place) as answer:
            text = answer.read().decode()
        assert answer.status == 200
        assert 'href="daskreg"' in text


def test_installing_twice_changes_nothing(client, page, data):
    assert dashboard.install(client) == page
    before = len(told(client))
    Lasso(0.1, **SETTINGS).fit(*data)
    assert len(told(client)) == before + 1


def test_the_page_knows_what_the_fit_knows(client, page, data):
    model = Lasso(0.01, **SETTINGS).fit(*data)
    known = told(client)[-1]
    expected = model.fit_report_.iterations
    assert (known["title"], known["status"]) == ("Lasso", "converged")
    assert known["columns"]["n_pass"] == expected["n_pass"]
    assert known["columns"]["gap"] == expected["gap"]
    assert known["n_passes"] == model.n_passes_
    addresses = set(workers_of(client))
    assert {row[0] for row in known["shards"]} == addresses
    assert sum(row[5] for row in known["shards"]) == 20_000


def test_what_happens_on_the_way_is_told(client, page, data):
    class Happens:
        def on_iteration(self, event):
            record("retry", f"rows were read again in pass {event.n_passes}")

    model = Lasso(0.1, callbacks=[Happens()], **SETTINGS).fit(*data)
    events = told(client)[-1]["events"]
    assert [event["message"] for event in events] == [
        event["message"] for event in model.fit_report_.events
    ]
    assert {event["kind"] for event in events} == {"retry"}


def test_two_fits_at_once_are_two_on_the_page(client, page, data):
    before = len(told(client))
    models = [Lasso(alpha, **SETTINGS) for alpha in (0.3, 0.01)]
    threads = [threading.Thread(target=model.fit, args=data) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = told(client)[before:]
    assert len(known) == 2
    passes = sorted(model.n_passes_ for model in models)
    assert sorted(one["n_passes"] for one in known) == passes


def test_a_page_that_is_gone_ends_no_fit(client, data):
    class Gone:
        loop = client.loop
        status = "running"

        @property
        def scheduler(self):
            raise OSError("there is nobody")

    model = Lasso(0.1, callbacks=[Feed(Gone())], **SETTINGS).fit(*data)
    assert model.status_ == "converged"


def test_without_a_dashboard_it_says_so():
    settings = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}
    with (
        distributed.Client(n_workers=1, processes=False, **settings) as client,
        pytest.warns(UserWarning, match="no dashboard"),
    ):
        assert dashboard.install(client) is None


def test_without_a_client_it_says_so(monkeypatch):
    monkeypatch.setattr("daskreg.design.passes.active.active_client", lambda: None)
    with pytest.raises(ValueError, match="no Dask client"):
        dashboard.install()


def test_a_scheduler_that_is_started_with_the_page():
    async def start():
        async with distributed.Scheduler(
            host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0", preload="daskreg.dashboard"
        ) as scheduler:
            return scheduler.plugins[NAME].page

    assert asyncio.run(start()) == "/daskreg"


SHOWN = """
const found = {lines: 0, points: 0, factors: 0, events: 0};
for (const doc of Bokeh.documents) for (const model of doc._all_models.values()) {
  if (model.type == "ColumnDataSource") {
    const data = model.data;
    if ("gap" in data && data.gap.length) { found.lines += 1; found.points += data.gap.length; }
    if ("message" in data) found.events += data.message.length;
  }
  if (model.type == "FactorRange") found.factors += model.factors.length;
}
return found;
"""


@needs_browser
@pytest.mark.filterwarnings("ignore")
def test_a_browser_follows_fits(client, page, data, tmp_path):
    def shown(driver):
        return driver.execute_script(SHOWN)

    def text(driver):
        return driver.find_element("css selector", "body").text

    with browser() as driver:
        driver.get(page)
        until(lambda: driver.execute_script("return window.Bokeh && Bokeh.documents.length"))
        model = Lasso(0.02, **SETTINGS).fit(*data)
        until(lambda: shown(driver)["points"] >= model.n_passes_)
        chosen = ElasticNetCV(alphas=5, cv=3, solver="quasi_newton").fit(*data)
        until(lambda: shown(driver)["factors"] and shown(driver)["lines"] >= 2)
        assert shown(driver)["lines"] <= 4
        assert chosen.status_ == "converged"
        canvases = driver.execute_script(_CANVASES)
        assert len(canvases) >= 8
        assert all(width > 150 and height > 80 for width, height in canvases)
        assert "Daskreg" in text(driver)
        driver.save_screenshot(str(tmp_path / "page.png"))
        assert errors(driver) == []
    assert (tmp_path / "page.png").stat().st_size > 20_000


_CANVASES = """
const sizes = [];
const visit = node => {
  for (const element of node.querySelectorAll("*")) {
    if (element.matches(".bk-Figure, .bk-Canvas")) {
      const box = element.getBoundingClientRect();
      if (element.matches(".bk-Figure")) sizes.push([box.width, box.height]);
    }
    if (element.shadowRoot) visit(element.shadowRoot);
  }
};
visit(document);
return sizes;
"""
