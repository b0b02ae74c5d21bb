"""Sums of a pass: added on the card and fetched, or added in host memory where there is no room."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from operator import add
from typing import Any, TypeVar

import numpy as np

from daskreg._array import concatenated
from daskreg._typing import AnyArray, Partial
from daskreg.design.partials import Sums, absorbed

from .attempts import Attempts
from .blocks import DeviceArray, device_nbytes

#: Of a partial among others.
Name = TypeVar("Name", bound=Hashable)
#: Bytes of an array of sums that is not put together with others: that takes memory of its own.
APART = 1 << 22


class Landing:
    """The partials of one pass of a shard, from the first one to the whole.

    They stay on the card, where they are added without waiting, until one finds no room there:
    from then on all are added in host memory.

    Parameters
    ----------
    attempts : Attempts
    """

    def __init__(self, attempts: Attempts) -> None:
        self._attempts, self._card = attempts, attempts.card
        self._ashore = False

    def sent(self, share: Partial) -> Partial:
        """Return a partial of the host on the card, or as it is where there is no room."""
        if not self._ashore:
            send = partial(mapped, share, lambda one: isinstance(one, np.ndarray), self._card.send)
            sent = self._attempts.tried(send)
            if sent is not None:
                return sent
            self._ashore = True
        self._attempts.count(n_added_on_host=1)
        return share

    def plus(self, first: Partial, second: Partial) -> Partial:
        """Return the sum of two partials, of which nobody else knows the first."""
        if not self._ashore:
            # Not in place, number by number: what is half added could not be added again.
            total = self._attempts.tried(partial(add, first, second))
            if total is not None:
                return total
            self._ashore = True
        self._attempts.count(n_added_on_host=1)
        one, other = self.fetched({0: first, 1: second}).values()
        return absorbed(one, other)

    def fetched(self, shares: Mapping[Name, Partial]) -> dict[Name, Partial]:
        """Return partials in host memory; waits for them, and copies what is small at once."""
        arrays: list[DeviceArray] = []
        for share in shares.values():
            mapped(share, self._card.is_array, arrays.append)
        found = iter(self._fetched(arrays))
        return {
            name: mapped(share, self._card.is_array, lambda _: next(found))
            for name, share in shares.items()
        }

    def _fetched(self, arrays: Sequence[DeviceArray]) -> list[AnyArray]:
        """Return arrays of the card in host memory, in their order."""
        found: list[Any] = [None] * len(arrays)
        together: dict[Any, list[int]] = {}
        for number, array in enumerate(arrays):
            if device_nbytes(array) > APART:
                found[number] = self._alone(array)
            else:
                together.setdefault(array.dtype, []).append(number)
        for numbers in together.values():
            own = [arrays[number] for number in numbers]
            parts = self._attempts.tried(partial(self._at_once, own))
            for place, number in enumerate(numbers):
                found[number] = self._alone(own[place]) if parts is None else parts[place]
        return found

    def _at_once(self, arrays: Sequence[DeviceArray]) -> list[AnyArray]:
        """Fetch arrays of one type in one copy."""
        xp = self._card.xp
        whole = self._card.fetch(concatenated([xp.reshape(array, (-1,)) for array in arrays]))
        found, at = [], 0
        for array in arrays:
            shape = tuple(array.shape)
            size = math.prod(shape)
            found.append(whole[at : at + size].reshape(shape).copy())
            at += size
        return found

    def _alone(self, array: DeviceArray) -> Any:
        """Fetch one array; what does not lie side by side takes room on the card for a copy."""
        found = self._attempts.tried(partial(self._card.fetch, array))
        if found is None:  # of one row at a time it takes none
            rows = (array[at : at + 1] for at in range(array.shape[0]))
            found = np.concatenate([self._card.fetch(row) for row in rows])
        return found


def mapped(value: Any, chosen: Callable[[Any], bool], change: Callable[[Any], Any]) -> Any:
    """Return a partial with its arrays changed, whatever holds them."""
    if chosen(value):
        return change(value)
    if isinstance(value, Sums):
        # Those that lie in one array on a card are plain ones anywhere else.
        return Sums({name: mapped(one, chosen, change) for name, one in value.items()})
    if hasattr(value, "mapped"):
        return value.mapped(lambda one: mapped(one, chosen, change))
    return value
