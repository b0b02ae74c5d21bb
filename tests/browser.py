"""A real browser without a window, where there is one."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import time

import pytest


def missing() -> str:
    """What keeps pages from being looked at; empty: nothing."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"there is no {program}: .ci/browser installs it"
    return "" if importlib.util.find_spec("selenium") else "selenium is not installed"


needs_browser = pytest.mark.skipif(bool(missing()), reason=missing())


@contextlib.contextmanager
def browser(width=1500, height=1150):
    """Chromium by its own driver; nothing is downloaded."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.add_argument(f"--window-size={width},{height}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def until(condition, seconds=20.0):
    """Return what a condition gives as soon as it is true; fails where it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{condition} was not true within {seconds} s")


def errors(driver):
    """What the browser's console holds of errors."""
    return [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
