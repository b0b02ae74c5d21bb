"""Where problems start from that a card has solved roughly, all at once."""

from __future__ import annotations

import numpy as np

from daskreg._array import places
from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .factored import Factored
from .protocols import QuadraticDatafit
from .quadratic import Quadratics


def started_on_card(
    datafit: QuadraticDatafit,
    models: Quadratics,
    penalty: ElasticNet,
    start: Float,
    target: Float,
    max_sweeps: int,
) -> tuple[Float, AnyArray] | None:
    """Coefficients and sweeps of problems that a card has solved roughly, all at once.

    Whatever it finds, each problem ends here with a gap of its own: it is where it starts from.
    """
    started = getattr(datafit, "started", None)
    if started is None or any(isinstance(model.G, Factored) for model in models.parts):
        return None
    own = places(penalty.has_l1 | penalty.positive)
    if not own.size:
        return None
    tiny = np.finfo(np.float64).tiny
    which, unit = np.empty(len(target), dtype=np.intp), np.empty(len(target))
    c = np.empty_like(start)
    for number, (model, columns) in enumerate(zip(models.parts, models.columns, strict=True)):
        which[columns], c[:, columns] = number, model.c
        unit[columns] = np.sqrt(np.maximum(model.yy, tiny))
    tol = np.maximum(0.3 * np.sqrt(0.5 * target), 1e-9 * unit)
    l1, l2 = (
        np.broadcast_to(strength[:, 0, :], start.shape)[:, own]
        for strength in (penalty.l1, penalty.l2)
    )
    grams = [model.matrix() for model in models.parts]
    first = np.maximum(start[:, own], 0.0) if penalty.positive else start[:, own]
    found = started(
        grams, which[own], c[:, own], l1, l2, first, penalty.positive, tol[own], max_sweeps
    )
    if found is None or not np.isfinite(found.coef).all():
        return None
    coef, n_sweeps = start.copy(), np.zeros(len(target), dtype=np.intp)
    coef[:, own], n_sweeps[own] = found.coef, found.n_sweeps
    return coef, n_sweeps
