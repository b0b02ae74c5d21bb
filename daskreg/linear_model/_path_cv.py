"""Squared loss over grids of alpha and l1_ratio, chosen by cross-validation: what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from daskreg._typing import Float
from daskreg.fitting.cross_validation import Grid, Validated
from daskreg.fitting.settings import Settings
from daskreg.losses import Squared
from daskreg.paths import descending, fractions, smallest_share
from daskreg.problems import Problems

from . import _params
from ._regressor import Regressor
from ._validated import CrossValidated


class PathCV(CrossValidated, Regressor, ABC):
    """What the two estimators share: grids of alpha, and the attributes of the choice."""

    @abstractmethod
    def _ratios(self) -> Float:
        """The l1_ratios, shape (n_l1_ratio,)."""

    def _check_params(self) -> None:
        _params.alphas(self.alphas, self.eps)
        _params.flags(self, ["positive"])

    def _settings(self, design: Any) -> Settings:
        problems = Problems.product(alpha=1.0)  # the grid brings its own
        return self._common_settings(Squared(), problems, design.n_features, positive=self.positive)

    def _grid(self, settings: Settings, design: Any, n_folds: int) -> Grid:
        ratios = self._ratios()
        if np.ndim(self.alphas):
            return Grid(descending(self.alphas), ratios, n_folds, design.n_targets)
        if not ratios.all():
            raise ValueError(
                "l1_ratio=0 has no smallest alpha with all coefficients zero, which a grid of "
                f"alphas={self.alphas} would start from: pass the alphas themselves"
            )
        eps = smallest_share(self.eps, design.n_samples, design.n_features)
        shares = fractions(int(self.alphas), eps)
        return Grid(shares, ratios, n_folds, design.n_targets, "fraction")

    def _set_validated(self, found: Validated, *, flat: bool) -> None:
        errors = np.moveaxis(found.scores, 0, -1)
        place = np.arange(found.grid.n_targets)
        alpha = found.alpha[place, found.chosen[:, 0], found.chosen[:, 1]]
        ratio = found.grid.l1_ratio[found.chosen[:, 0]]
        self.mse_path_ = errors[0].squeeze() if flat else _squeezed(errors)
        self.alpha_ = float(alpha[0]) if flat else alpha
        if np.ndim(self.alphas):
            self.alphas_ = found.grid.alpha.copy()
        else:
            alphas = found.alpha[:, 0] if len(found.grid.l1_ratio) == 1 else found.alpha
            self.alphas_ = (alphas[0] if flat else alphas).copy()
        self._set_ratio(float(ratio[0]) if flat else ratio)

    def _set_ratio(self, ratio: Any) -> None:
        self.l1_ratio_ = ratio


def _squeezed(errors: Float) -> Float:
    """Drop axes of length one, but for the first."""
    return errors.reshape(len(errors), *(n for n in errors.shape[1:] if n > 1))
