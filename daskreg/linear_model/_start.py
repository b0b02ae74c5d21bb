"""Where a fit begins: at models that were fitted before, each problem at the nearest of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import DataError

from ._opening import Opening


@dataclass(frozen=True)
class Known:
    """Models in the units of X: one for each target, or a path of them.

    Attributes
    ----------
    coef : ndarray, shape (n_targets, m, q, n_features)
        q is the number of coupled classes, else 1.
    intercept : ndarray, shape (n_targets, m, q)
    alpha, l1_ratio : ndarray, shape (n_targets, m)
        Per weighted mean of the loss; of no account where m is 1.
    classes : ndarray or None
    strict : bool
        Whether other classes are an error; else such models are left aside.
    """

    coef: Float
    intercept: Float
    alpha: Float
    l1_ratio: Float
    classes: AnyArray | None = None
    strict: bool = True

    @classmethod
    def of(cls, model: Any, *, strict: bool) -> Known:
        """Return the models of a fitted estimator: of cross-validation all that it has kept."""
        classes = getattr(model, "classes_", None)
        paths = getattr(model, "_paths", None)
        if paths is None:
            coef = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
            n_outputs = len(coef)
            intercept = np.broadcast_to(np.asarray(model.intercept_, np.float64), n_outputs)
            alpha = ratio = np.zeros((n_outputs, 1))
        else:
            n_outputs, coef, intercept = len(paths.coef), paths.coef, paths.intercept
            alpha = paths.strength
            ratio = np.broadcast_to(paths.l1_ratio[:, None], alpha.shape)
        # The outputs are targets, or coupled classes; a path has l1_ratios and alphas.
        coef = coef.reshape(n_outputs, -1, coef.shape[-1])
        intercept, alpha, ratio = (v.reshape(n_outputs, -1) for v in (intercept, alpha, ratio))
        if classes is None:
            return cls(coef[:, :, None], intercept[..., None], alpha, ratio, strict=strict)
        coef, intercept = coef.transpose(1, 0, 2)[None], intercept.T[None]
        return cls(coef, intercept, alpha[:1], ratio[:1], np.asarray(classes), strict)

    def columns(
        self, problems: Any, alpha: Float, classes: AnyArray | None
    ) -> tuple[Float, Float] | None:
        """Return the nearest model of each problem, (p, q, K) and (q, K); None: they do not suit.

        Nearest is the nearest l1_ratio, of these the nearest logarithm of alpha.

        Parameters
        ----------
        problems : Problems
            With ``output`` and ``l1_ratio``.
        alpha : ndarray, shape (K,)
            Per weighted mean of the loss.
        classes : ndarray or None
            Labels in y.

        Raises
        ------
        DataError
            For models of other classes.
        """
        if not _same(self.classes, classes):
            if self.strict:
                raise DataError(
                    f"start tells the classes {_shown(self.classes)} apart, y holds "
                    f"{_shown(classes)}: start from a model of the same classes, or from none"
                )
            return None
        place = np.array(
            [
                self._nearest(int(output), float(ratio), float(strength))
                for output, ratio, strength in zip(
                    problems.output, problems.l1_ratio, alpha, strict=True
                )
            ],
            dtype=np.intp,
        )
        output: npt.NDArray[np.intp] = np.asarray(problems.output)
        coef = self.coef[output, place].transpose(2, 1, 0)
        return np.ascontiguousarray(coef), np.ascontiguousarray(self.intercept[output, place].T)

    def _nearest(self, output: int, ratio: float, alpha: float) -> int:
        if self.alpha.shape[1] == 1:
            return 0
        far = np.abs(self.l1_ratio[output] - ratio)
        tiny = np.finfo(np.float64).tiny
        steps = np.abs(np.log(np.maximum(self.alpha[output], tiny)) - np.log(max(alpha, tiny)))
        return int(np.argmin(np.where(far == far.min(), steps, np.inf)))


def previous_models(estimator: Any, opening: Opening) -> Known | None:
    """Return the models of the last fit where ``warm_start`` asks for them and they still fit."""
    if not getattr(estimator, "warm_start", False) or not hasattr(estimator, "coef_"):
        return None
    known = Known.of(estimator, strict=False)
    n_targets, _, _, n_features = known.coef.shape
    suits = n_targets == max(1, opening.design.n_targets)
    return known if suits and n_features == opening.design.n_features else None


def known_models(start: Any, opening: Opening, labels: bool) -> Known | None:
    """Return the models that a fit begins from; None where there is no ``start``.

    Parameters
    ----------
    start : fitted estimator, path or None
    opening : Opening
        The data.
    labels : bool
        Whether classes are fitted, not numbers.

    Raises
    ------
    ValueError, DataError
        For what is no fitted model, or one of other columns, targets or kind.
    ModelFileError
        For a file that cannot be read.
    """
    if start is None:
        return None
    if isinstance(start, (str, os.PathLike)):
        from daskreg.linear_model import load

        start = load(start)
    kind = type(start).__name__
    if not hasattr(start, "fit"):
        raise ValueError(f"start must be a fitted daskreg model or the path of one; got a {kind}")
    if not hasattr(start, "coef_"):
        raise ValueError(
            f"start is a {kind} without coef_: pass a fitted model with one set of coefficients, "
            "such as Lasso or LassoCV"
        )
    if hasattr(start, "classes_") != labels:
        what = ("numbers", "classes") if labels else ("classes", "numbers")
        raise DataError(f"start is a {kind} of {what[0]}, but {what[1]} are to be fitted")
    _require_same_columns(start, opening)
    known = Known.of(start, strict=True)
    n_targets = max(1, opening.design.n_targets)
    if len(known.coef) != n_targets:
        raise DataError(f"start is a model of {len(known.coef)} targets, y has {n_targets}")
    return known


def _require_same_columns(start: Any, opening: Opening) -> None:
    design, theirs = opening.design, getattr(start, "feature_names_in_", None)
    n_features = np.asarray(start.coef_).shape[-1]
    if n_features != design.n_features:
        raise DataError(
            f"start has coefficients of {n_features} features, X has {design.n_features}: start "
            "from a model of the same columns"
        )
    ours = opening.feature_names
    if theirs is None or ours is None:
        return
    for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        if one != other:
            raise DataError(
                f"start was fitted on other columns: its column {number} is {one!r}, that of X is "
                f"{other!r}; give X the same columns in the same order"
            )


def _same(one: AnyArray | None, other: AnyArray | None) -> bool:
    if one is None or other is None:
        return one is None and other is None
    return bool(len(one) == len(other) and (np.asarray(one) == np.asarray(other)).all())


def _shown(classes: AnyArray | None) -> str:
    return "none" if classes is None else str(np.asarray(classes).tolist())
