"""The log loss of labels whose number is not known yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import PointwiseLoss
from .logistic import Logistic
from .multinomial import Multinomial


@dataclass(frozen=True)
class LogLoss:
    """Minus the log probability of a label: ``Logistic`` of two classes, ``Multinomial`` of more.

    It stands for the loss until the data are looked at, and has no values itself.

    Attributes
    ----------
    max_curvature : float
        That of any number of classes.
    """

    name: ClassVar[str] = "log"
    is_classifier: ClassVar[bool] = True
    max_curvature: ClassVar[float] = Multinomial.max_curvature

    def of_classes(self, n_classes: int) -> PointwiseLoss:
        """Return the loss of so many classes."""
        return Logistic() if n_classes <= 2 else Multinomial()
