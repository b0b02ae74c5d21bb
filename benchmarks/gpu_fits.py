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

from . import gpu_cases
from .gpu_cases import Bench, data, environment, error
from .gpu_passes import ceilings

#: How far the coefficients of a card may be from those of processors, beside the largest: fits end
#: where the objective is close enough, not the coefficients.
CLOSE = 1e-2
#: Alphas and folds of the fit that is solved in memory on the card and on processors.
INNER_ALPHAS, INNER_FOLDS = 300, 5

#: Names of models, what they predict ("y" or "labels"), and what makes them.
Models = list[tuple[str, str, Callable[[], Any]]]


def rows(bench: Bench) -> tuple[Any, Any, Any]:
    """Return X of float32, targets and labels."""
    X = data("float32", bench.fit_size // (4 * gpu_cases.N_FEATURES))
    rng = np.random.default_rng(2)
    eta = X[:, :10] @ rng.normal(size=10).astype(np.float32)
    return X, eta + rng.normal(size=len(X)), (eta + rng.logistic(size=len(X)) > 0).astype(int)


def fits(bench: Bench) -> None:
    """Time whole fits, on processors and on the card."""
    X, y, labels = rows(bench)
    for name, target, make in _models(_strength(len(X))):
        expected = None
        for who, device in (("processors", "cpu"), ("the card", "gpu")):
            model = make()
            took = fit_seconds(model, X, y if target == "y" else labels, device)
            coef = np.asarray(model.coef_, dtype=np.float64).ravel()
            expected = coef if expected is None else expected
            row = {"pass": f"{name}: {who}", "bytes": X.nbytes, "seconds": took}
            row["distance"] = error(coef, expected)
            row["wrong"] = not row["distance"] <= CLOSE
            bench.add(row | {"passes": model.fit_report_.n_passes})


def others(bench: Bench) -> None:
    """Time fits of scikit-learn on processors, and of cuML, beside ours on the card."""
    X, y, labels = rows(bench)
    models = {name: (target, make) for name, target, make in _models(_strength(len(X)))}
    for name, who, make in _others(_strength(len(X))):
        target, ours = models[name]
        aim, model = y if target == "y" else labels, ours()
        fit_seconds(model, X, aim, "gpu")
        theirs = make()
        took = fit_seconds(theirs, X, aim, None)
        row = {"pass": f"{name}: {who}", "bytes": X.nbytes, "seconds": took}
        bench.add(row | {"distance": error(np.ravel(theirs.coef_), np.ravel(model.coef_))})


def inner_solvers(bench: Bench) -> None:
    """Time a fit of many least-squares problems with and without the card for what follows the
    Gram matrices; ``WORTH`` lies where both take as long."""
    import daskreg

    X, y, _ = rows(bench)
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
        bench.add(row)


def streamed_fits(bench: Bench) -> None:
    """Time fits for which the card may keep a sixteenth of X: the link is the limit."""
    import daskreg

    best = ceilings(bench.xp)
    bench.xp.get_default_memory_pool().free_all_blocks()
    X, y, labels = rows(bench)
    C = _strength(len(X))
    for name, target, make in [
        ("Lasso", y, lambda: daskreg.Lasso(alpha=0.1)),
        ("LogisticRegression", labels, lambda: daskreg.LogisticRegression(C=C, l1_ratio=1)),
    ]:
        whole, least = make(), make()
        fit_seconds(whole, X, target, "gpu")
        give_back()  # the ring as well, which is part of the reserve
        with limited(bench.xp, whole.plan_.device.reserve + X.nbytes // 16):
            took = fit_seconds(least, X, target, "gpu")
        report = least.fit_report_
        moved = sum(report.bytes[tier] for tier in ("memory", "disk", "source"))
        row = {"pass": f"{name}: streamed", "bytes": moved, "seconds": took}
        row |= {"share of link": moved / took / best["link"], "passes": report.n_passes}
        row["distance"] = error(np.ravel(least.coef_), np.ravel(whole.coef_))
        kept = report.bytes["device"] / max(1, moved + report.bytes["device"])
        row |= {"kept": kept, "wrong": not (row["distance"] <= CLOSE and kept < 0.5)}
        bench.add(row)


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


def _models(C: float) -> Models:
    import daskreg

    def lone() -> Any:
        return daskreg.LogisticRegression(C=C, l1_ratio=1)

    return [
        ("LassoCV", "y", daskreg.LassoCV),
        ("LogisticRegression", "labels", lone),
        ("LogisticRegressionCV", "labels", lambda: daskreg.LogisticRegressionCV(l1_ratios=[1])),
    ]


def _others(C: float) -> Models:
    """Return the name of one of ours, the library, and what makes its model; quick ones first."""
    found: Models = []
    if importlib.util.find_spec("cuml") is not None:
        import cuml

        found += [
            ("LogisticRegression", "cuML", lambda: cuml.LogisticRegression(C=C, penalty="l1"))
        ]
    import sklearn.linear_model as sk

    def saga() -> Any:
        return sk.LogisticRegression(C=C, l1_ratio=1, solver="saga")

    found.append(("LassoCV", "scikit-learn", lambda: sk.LassoCV(n_jobs=-1)))
    return [*found, ("LogisticRegression", "scikit-learn", saga)]


def fit_seconds(model: Any, X: Any, y: Any, device: str | None) -> float:
    """Return the seconds of a fit, on the device where it can choose."""
    with environment(VARIABLE, device or os.environ.get(VARIABLE, "")):
        started = time.perf_counter()
        model.fit(X, y)
        return time.perf_counter() - started
