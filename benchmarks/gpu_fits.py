"""Whole fits on a card, beside processors and other libraries; a part of ``benchmarks.gpu``."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from daskreg._device import VARIABLE
from daskreg.datafit.kernels.cuda import inner
from daskreg.design.device.rest import give_back

#: How far the coefficients of a card may be from those of processors, beside the largest: fits end
#: where the objective is close enough, not the coefficients.
CLOSE = 1e-2
#: Alphas and folds of the fit that is solved in memory on the card and on processors.
INNER_ALPHAS, INNER_FOLDS = 300, 5


def fits(xp: Any, X: Any, best: dict[str, float]) -> list[dict[str, Any]]:
    """Time whole fits: on processors, on the card, by scikit-learn and by cuML; then streamed."""
    n_rows = X.shape[0]
    rng = np.random.default_rng(2)
    eta = X[:, :10] @ rng.normal(size=10).astype(np.float32)
    y, labels = eta + rng.normal(size=n_rows), (eta + rng.logistic(size=n_rows) > 0).astype(int)
    found = []
    for name, target, ours, theirs in _models(_strength(n_rows)):
        expected = None
        for who, model, device in [
            ("daskreg, processors", ours(), "cpu"),
            ("daskreg, card", ours(), "gpu"),
            *[(who, make(), None) for who, make in theirs],
        ]:
            took = fit_seconds(model, X, y if target == "y" else labels, device)
            coef = np.asarray(model.coef_, dtype=np.float64).ravel()
            expected = coef if expected is None else expected
            row = {"pass": f"{name}: {who}", "bytes": X.nbytes, "seconds": took}
            row["distance"] = error(coef, expected)
            if device is not None:
                row["wrong"] = not row["distance"] <= CLOSE
                row["passes"] = model.fit_report_.n_passes
            found.append(row)
            print_row(row)
    found += inner_solvers(X, y)
    return found + streamed_fits(xp, X, y, labels, best)


def inner_solvers(X: Any, y: Any) -> list[dict[str, Any]]:
    """Time a fit of many least-squares problems with and without the card for what follows the
    Gram matrices; ``WORTH`` lies where both take as long."""
    import daskreg

    found: list[dict[str, Any]] = []
    before, expected = inner.WORTH, None
    for where, worth in (("processors", np.inf), ("the card", 0.0)):
        model = daskreg.LassoCV(alphas=INNER_ALPHAS, cv=INNER_FOLDS)
        inner.WORTH = worth
        try:
            took = fit_seconds(model, X, y, "gpu")
        finally:
            inner.WORTH = before
        coef = np.ravel(model.coef_)
        expected = coef if expected is None else expected
        n_problems = INNER_ALPHAS * (INNER_FOLDS + 1)
        row = {"pass": f"{n_problems} problems in memory: {where}", "bytes": X.nbytes}
        row |= {"seconds": took, "distance": error(coef, expected)}
        row["wrong"] = not row["distance"] <= CLOSE
        found.append(row)
        print_row(row)
    return found


def streamed_fits(
    xp: Any, X: Any, y: Any, labels: Any, best: dict[str, float]
) -> list[dict[str, Any]]:
    """Time fits for which the card may keep a sixteenth of X: the link is the limit."""
    import daskreg

    found, C = [], _strength(X.shape[0])
    for name, target, make in [
        ("Lasso", y, lambda: daskreg.Lasso(alpha=0.1)),
        ("LogisticRegression", labels, lambda: daskreg.LogisticRegression(C=C, l1_ratio=1)),
    ]:
        whole, least = make(), make()
        fit_seconds(whole, X, target, "gpu")
        give_back()  # the ring as well, which is part of the reserve
        with limited(xp, whole.plan_.device.reserve + X.nbytes // 16):
            took = fit_seconds(least, X, target, "gpu")
        report = least.fit_report_
        moved = sum(report.bytes[tier] for tier in ("memory", "disk", "source"))
        row = {"pass": f"{name}: streamed", "bytes": moved, "seconds": took}
        row |= {"share of link": moved / took / best["link"], "passes": report.n_passes}
        row["distance"] = error(np.ravel(least.coef_), np.ravel(whole.coef_))
        kept = report.bytes["device"] / max(1, moved + report.bytes["device"])
        row |= {"kept": kept, "wrong": not (row["distance"] <= CLOSE and kept < 0.5)}
        found.append(row)
        print_row(row)
    return found


@contextmanager
def limited(xp: Any, nbytes: int) -> Iterator[None]:
    """Leave so many bytes of the card to what is allocated from now on."""
    pool = xp.get_default_memory_pool()
    before = pool.get_limit()
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + nbytes)
    try:
        yield
    finally:
        pool.set_limit(size=before)


def _strength(n_rows: int) -> float:
    """Return the C under which the penalty is some two thousandths of the mean loss, as it were."""
    return 400.0 / n_rows


def _models(
    C: float,
) -> list[tuple[str, str, Callable[[], Any], list[tuple[str, Callable[[], Any]]]]]:
    import sklearn.linear_model as sk

    import daskreg

    lasso: list[tuple[str, Callable[[], Any]]] = [("scikit-learn", lambda: sk.LassoCV(n_jobs=-1))]
    logistic: list[tuple[str, Callable[[], Any]]] = [
        ("scikit-learn", lambda: sk.LogisticRegression(C=C, l1_ratio=1, solver="saga"))
    ]
    if importlib.util.find_spec("cuml") is not None:
        import cuml

        logistic.append(("cuML", lambda: cuml.LogisticRegression(C=C, penalty="l1")))

    def lone() -> Any:
        return daskreg.LogisticRegression(C=C, l1_ratio=1)

    return [
        ("LassoCV", "y", daskreg.LassoCV, lasso),
        ("LogisticRegressionCV", "labels", lambda: daskreg.LogisticRegressionCV(l1_ratios=[1]), []),
        ("LogisticRegression", "labels", lone, logistic),
    ]


def fit_seconds(model: Any, X: Any, y: Any, device: str | None) -> float:
    """Return the seconds of a fit, on the device where it can choose."""
    with environment(VARIABLE, device or os.environ.get(VARIABLE, "")):
        started = time.perf_counter()
        model.fit(X, y)
        return time.perf_counter() - started


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Give a variable of the environment another value for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def print_row(row: dict[str, Any]) -> None:
    shares = [f"{100 * row[key]:5.1f}% {key[9:]}" for key in row if key.startswith("share")]
    rate = row["bytes"] / row["seconds"] / 1e9
    told = [*shares, *([f"coefficients {row['distance']:.0e}"] if "distance" in row else [])]
    wrong = "WRONG " if row.get("wrong") else ""
    line = f"{row['pass']:40} {1e3 * row['seconds']:10.2f} ms {rate:8.1f} GB/s"
    print(f"{line}  {wrong}{', '.join(told)}")


def error(found: Any, expected: Any) -> float:
    """Return the largest difference beside the largest number."""
    return float(np.abs(found - expected).max() / max(1e-300, np.abs(expected).max()))
