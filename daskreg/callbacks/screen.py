"""What shows where a fit stands: the protocol that terminals, notebooks and logs follow."""

from __future__ import annotations

from abc import ABC, abstractmethod

from .standing import Standing


class Screen(ABC):
    """Shows where a fit stands; called from any thread."""

    @abstractmethod
    def start(self) -> None:
        """A fit begins."""

    @abstractmethod
    def stop(self, standing: Standing, line: str) -> None:
        """The fit has ended; ``line`` describes its last iteration, empty if there was none."""

    @abstractmethod
    def show_rows(self, standing: Standing) -> None:
        """The running pass has come further."""

    @abstractmethod
    def show_iteration(self, standing: Standing, line: str) -> None:
        """An iteration has ended; ``line`` describes it."""

    @abstractmethod
    def say(self, text: str) -> None:
        """Print some text."""
