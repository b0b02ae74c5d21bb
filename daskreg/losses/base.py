"""Pointwise losses: what one row costs, as a function of its target and linear predictor only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from daskreg._typing import Float


class PointwiseLoss(ABC):
    """The loss of one row.

    Every method takes float64 arrays that broadcast against each other, usually of shape
    (rows, C), and returns one of the broadcast shape.  They may be arrays of any library that
    knows the array API; results are of the same one, on the same device, and nothing is fetched
    from there.

    Attributes
    ----------
    name : str
    is_classifier : bool
        The target is a label, seen here as 0 or 1.
    max_curvature : float
        Smallest upper bound of ``curvature`` over all ``eta``.
    cuda : str or None
        CUDA C of ``struct Loss``, made from y and eta, with ``value`` and ``gradient``; where the
        dual point of the loss needs them, with ``curvature`` and ``entropy(scale, log(scale))``.
        None: arrays alone are known.
    """

    name: ClassVar[str]
    is_classifier: ClassVar[bool]
    max_curvature: ClassVar[float]
    cuda: ClassVar[str | None] = None

    @abstractmethod
    def value(self, y: Float, eta: Float) -> Float:
        """Return the loss."""

    @abstractmethod
    def gradient(self, y: Float, eta: Float) -> Float:
        """Return the derivative of the loss by ``eta``."""

    @abstractmethod
    def curvature(self, y: Float, eta: Float) -> Float:
        """Return the second derivative of the loss by ``eta``."""

    @abstractmethod
    def inverse_link(self, eta: Float) -> Float:
        """Return the mean ``mu`` that belongs to ``eta``."""

    @abstractmethod
    def link(self, mu: Float) -> Float:
        """Return the ``eta`` that belongs to the mean ``mu``."""

    @abstractmethod
    def conjugate(self, y: Float, t: Float) -> Float:
        """Return ``sup over eta of t * eta - value(y, eta)``; infinity outside its domain."""

    def null_eta(self, mean: Float) -> Float:
        """Return the constant ``eta`` that minimises the loss of targets with this mean."""
        return self.link(mean)

    def value_and_gradient(self, y: Float, eta: Float) -> tuple[Float, Float]:
        """Return ``value`` and ``gradient``, sharing what they have in common."""
        return self.value(y, eta), self.gradient(y, eta)
