"""How the columns of X lie over the dimensions of a labelled array."""

from __future__ import annotations

from dataclasses import dataclass, field

from daskreg._typing import AnyArray


@dataclass(frozen=True)
class Labels:
    """What a result needs to be labelled as X was.

    Attributes
    ----------
    feature_names : tuple of str or None
        One name for each column, as in ``tas[lat=10.5,lon=3]``.
    dims : tuple of str
        The dimensions of X that became columns, in C order; empty where several variables lie
        side by side.
    shape : tuple of int
        Lengths of ``dims``.
    coords : dict of str to ndarray
        One-dimensional coordinate of each of ``dims`` that has one.
    """

    feature_names: tuple[str, ...] | None
    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    coords: dict[str, AnyArray] = field(default_factory=dict)
