"""Scores of many columns on their own held-out rows: one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import CompatibilityError
from daskreg.losses import Logistic, PointwiseLoss, Squared
from daskreg.splits import Folds

from .kernels.ranking import auc, class_logits, log_total
from .kernels.scores import N_BINS, SUMS_OF, ScoreKernel, fold_targets
from .kernels.tiles import Labels

FOR_LABELS = ("log_loss", "accuracy", "auc")
FOR_NUMBERS = ("mse", "mae", "r2")


@dataclass(frozen=True, eq=False)
class Scores:
    """What held-out rows say of each of C columns.

    Attributes
    ----------
    values : mapping of str to ndarray, shape (C,)
        Weighted mean over the rows, or AUC or R2; NaN where the rows have no weight, where an
        AUC lacks a class, or where a linear predictor overflows.
    weight : ndarray, shape (C,)
        Sum of the weights of the rows that were scored.
    auc_error : ndarray, shape (C,), or None
        The AUC of exact scores is no further away than this.
    """

    values: Mapping[str, Float]
    weight: Float
    auc_error: Float | None = None

    def __getitem__(self, metric: str) -> Float:
        return self.values[metric]


def score_columns(
    design: Any,
    loss: PointwiseLoss,
    coef: Float,
    intercept: Float,
    *,
    metrics: Sequence[str],
    folds: Folds | None = None,
    fold: npt.ArrayLike | None = None,
    target: npt.ArrayLike | None = None,
    labels: Labels | None = None,
    mean: Float | None = None,
    sd: Float | None = None,
    shift: Float | None = None,
    dtype: str = "float64",
    n_bins: int = N_BINS,
) -> Scores:
    """Score every column on the held-out rows of its fold: one pass.

    Parameters
    ----------
    design : Design
    loss : PointwiseLoss
    coef : ndarray, shape (p, n_outputs, C)
        In the units of X.  Several outputs are the classes of a softmax.
    intercept : ndarray, shape (n_outputs, C)
    metrics : sequence of str
        "loss", the mean loss; "deviance", twice that; for numbers "mse", "mae" and "r2"; for
        labels "log_loss", "accuracy" and "auc", with several outputs the plain mean of the AUCs
        of each class against the rest.
    folds : Folds, optional
    fold : array of int, shape (C,), optional
        -1, the default: all rows.
    target : array of int, shape (C,), optional
        Column of y, 0 by default.
    labels : Labels, optional
        Of a classification.
    mean, sd : ndarray, shape (p,), optional
        Of the columns of X.  They place the bins of the AUC: without them bins are 0.002 wide
        near a linear predictor of zero, too coarse for coefficients that move it less.
    shift : ndarray, shape (p,), optional
        Subtracted from the columns before they are multiplied, for columns far from zero.
    dtype : str
        Type of the product.
    n_bins : int
        Histograms take ``16 * n_bins`` bytes for each output and column.

    Raises
    ------
    ValueError
        For a metric that there is not, or none for this kind of target.
    CompatibilityError
        If the deviance of the loss is not twice the loss.
    """
    check_metrics(metrics, loss, labels is not None)
    p, q, n_columns = coef.shape
    state = {
        "coef": coef.reshape(p, q * n_columns),
        "intercept": np.asarray(intercept, dtype=np.float64).reshape(q * n_columns),
        "fold": _axis("fold", -1 if fold is None else fold, n_columns),
        "target": _axis("target", 0 if target is None else target, n_columns),
    }
    if "auc" in metrics:
        state["center"], state["spread"] = _bin_places(coef, intercept, mean, sd)
    if shift is not None:
        state["shift"] = np.asarray(shift, dtype=dtype)
        state["intercept"] = state["intercept"] + state["shift"] @ state["coef"]
    kernel = ScoreKernel(loss, tuple(metrics), labels, folds, dtype, q, n_bins)
    return summarise_scores(design.sum_over_rows(kernel, state), state, kernel.metrics)


def check_metrics(metrics: Sequence[str], loss: PointwiseLoss, has_labels: bool) -> None:
    """Raise unless every metric is known and goes with this kind of target."""
    allowed = ("loss", "deviance", *(FOR_LABELS if has_labels else FOR_NUMBERS))
    for metric in metrics:
        if metric not in SUMS_OF:
            raise ValueError(f"unknown metric {metric!r}: expected one of {', '.join(SUMS_OF)}")
        if metric not in allowed:
            kind = "class labels" if has_labels else "numbers"
            raise ValueError(f"{metric!r} is no score of {kind}: use one of {', '.join(allowed)}")
        if metric == "deviance" and not isinstance(loss, (Squared, Logistic)) and not has_labels:
            raise CompatibilityError(
                f"the deviance of {type(loss).__name__} is not twice its loss: use 'loss', which "
                "ranks models in the same order"
            )


def summarise_scores(
    sums: Mapping[str, Any], state: Mapping[str, Any], metrics: Sequence[str]
) -> Scores:
    """Return the scores from the sums of a ``ScoreKernel``."""
    weight = sums["weight"]
    total = np.where((weight > 0.0) & (sums["overflow"] == 0.0), weight, np.nan)
    values, error = {}, None
    for metric in metrics:
        if metric == "auc":
            area, off = auc(sums["bins"])
            values[metric] = np.where(np.isnan(total), np.nan, area.mean(axis=0))
            error = off.mean(axis=0)
        elif metric == "r2":
            values[metric] = _r2(sums, state, total)
        else:
            mean = sums[SUMS_OF[metric][0]] / total
            values[metric] = 2.0 * mean if metric == "deviance" else mean
    return Scores(values, weight, error)


def _r2(sums: Mapping[str, Any], state: Mapping[str, Any], total: Float) -> Float:
    """Return one less the residual share; of a constant y 1 where exact, else 0."""
    _, column = fold_targets(state["fold"], state["target"])
    spread = sums["spread"].m2[column]
    share = sums["squared"] / np.where(spread > 0.0, spread, 1.0)
    constant = np.where(sums["squared"] > 0.0, 0.0, 1.0)
    return np.where(np.isnan(total), np.nan, np.where(spread > 0.0, 1.0 - share, constant))


def _bin_places(
    coef: Float, intercept: Float, mean: Float | None, sd: Float | None
) -> tuple[Float, Float]:
    """Return where scores are expected and how far they spread, shapes (n_outputs, C).

    The spread is that of uncorrelated columns, for classes of a softmax to first order.
    """
    q, n_columns = coef.shape[1:]
    if mean is None or sd is None:
        return np.zeros((q, n_columns)), np.ones((q, n_columns))
    center = np.asarray(intercept + np.einsum("j,jqc->qc", mean, coef))
    direction = coef
    if q > 1:
        # The logit of a class moves with its eta, less the average of the others by their chances.
        direction = np.empty_like(coef)
        for output in range(q):
            rest = np.delete(center, output, axis=0)
            chance = np.exp(rest - log_total(rest[None]))
            others = np.einsum("jqc,qc->jc", np.delete(coef, output, axis=1), chance)
            direction[:, output] = coef[:, output] - others
        center = class_logits(center[None])[0]
    spread = np.sqrt(np.einsum("j,jqc->qc", np.square(sd), np.square(direction)))
    return center, np.where(spread > 0.0, spread, 1.0)


def _axis(name: str, values: npt.ArrayLike, n_columns: int) -> AnyArray:
    axis = np.asarray(values, dtype=np.intp)
    if axis.ndim and axis.shape != (n_columns,):
        raise ValueError(f"{name} must have one value per column, {n_columns}, got {axis.shape}")
    return np.broadcast_to(axis, (n_columns,)).copy()
