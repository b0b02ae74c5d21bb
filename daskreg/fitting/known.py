"""Models that a fit begins from: each problem at the nearest of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import DataError


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


def _same(one: AnyArray | None, other: AnyArray | None) -> bool:
    if one is None or other is None:
        return one is None and other is None
    return bool(len(one) == len(other) and (np.asarray(one) == np.asarray(other)).all())


def _shown(classes: AnyArray | None) -> str:
    return "none" if classes is None else str(np.asarray(classes).tolist())
