"""The notebook runs from top to bottom, with the page on the dashboard open in a browser."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.browser import browser, errors, missing, until

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "watch_a_fit.ipynb"
#: Where pictures are left for people to look at; the test's own folder by default.
PICTURES = "DASKREG_PICTURES"


@pytest.fixture
def pictures(tmp_path):
    return Path(os.environ.get(PICTURES, tmp_path))


def outputs(notebook):
    """What each cell of code shows, by mime type."""
    return [
        [one.get("data", {}) | {"name": one.get("name", "")} for one in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def look(stack, address):
    driver = stack.enter_context(browser())
    driver.get(address)
    until(lambda: driver.execute_script("return window.Bokeh && Bokeh.documents.length"))
    return driver


@pytest.mark.filterwarnings("ignore")  # of the libraries that talk to the kernel
def test_the_notebook_runs_from_top_to_bottom(pictures, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    runner = NotebookClient(notebook, timeout=200, kernel_name="python3")
    driver = None
    with ExitStack() as stack:
        stack.enter_context(runner.setup_kernel())
        for number, cell in enumerate(notebook.cells):
            if driver is not None and "client.close()" in cell.source:
                _check_page(driver, pictures)
            runner.execute_cell(cell, number)
            if "dashboard.install" in cell.source and not missing():
                address = cell.outputs[-1]["data"]["text/plain"].strip("'")
                driver = look(stack, address)
    _check_outputs(notebook, pictures)


def _check_page(driver, pictures):
    def names():
        inside = driver.execute_script(_TEXT)
        return "1 Lasso" in inside and "2 ElasticNetCV" in inside and inside

    shown = until(names)
    assert "converged" in shown
    driver.save_screenshot(str(pictures / "page.png"))
    assert errors(driver) == []


_TEXT = """
const texts = [];
const visit = node => {
  for (const element of node.querySelectorAll("*")) {
    const inside = element.shadowRoot;
    if (inside) { texts.push(inside.textContent); visit(inside); }
  }
};
visit(document);
return texts.join(" ");
"""


def _check_outputs(notebook, pictures):
    shown = outputs(notebook)
    html = [one["text/html"] for cell in shown for one in cell if "text/html" in one]
    progress = [text for text in html if "objective" in text and "gap" in text]
    assert len(progress) == 2
    assert all("tol 1e-0" in text for text in progress)
    reports = [text for text in html if "<table" in text and "seconds" in text]
    assert len(reports) == 1
    assert sum("image/png" in one for cell in shown for one in cell) == 4
    assert not any(one["name"] == "stderr" for cell in shown for one in cell)
    (pictures / "progress.html").write_text("<br>".join([*progress, *reports]))
    assert re.search(r"gap</span>", progress[0])
