"""Sums by name that lie side by side in one array on a card: they are added with one launch."""

from __future__ import annotations

from typing import Any

from daskreg.design.partials import Sums


class PackedSums(Sums):
    """Sums whose values are views of one array; without it, as once they are fetched, any sums.

    Attributes
    ----------
    whole : device array, or None
        All of them, one after the other.
    names, shape : tuple
        As :meth:`of` was given.
    """

    whole: Any = None
    names: tuple[str, ...] = ()
    shape: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, whole: Any, names: tuple[str, ...], shape: tuple[int, int]) -> PackedSums:
        """Return the sums in an array of one axis.

        Parameters
        ----------
        whole : device array
            C numbers of each name, then the gradient.
        names : tuple of str
            A name that is there several times has that many lines.
        shape : (int, int)
            Of the gradient: p and C.
        """
        n_columns = shape[1]
        found = cls()
        for name in dict.fromkeys(names):
            first, lines = names.index(name), names.count(name)
            part = whole[first * n_columns : (first + lines) * n_columns]
            found[name] = part.reshape(lines, n_columns) if lines > 1 else part
        found["grad"] = whole[len(names) * n_columns :].reshape(shape)
        found.whole, found.names, found.shape = whole, names, shape
        return found

    def __add__(self, other: Any) -> Sums:
        alike = isinstance(other, PackedSums) and other.whole is not None
        if alike and self.whole is not None and other.names == self.names:
            return PackedSums.of(self.whole + other.whole, self.names, self.shape)
        return Sums(self) + other

    def absorb(self, other: Any) -> Sums:
        """Add like ``+``: one launch for all of them, and memory on a card is quickly had."""
        return self + other
