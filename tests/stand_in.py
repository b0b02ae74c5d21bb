"""Arrays that stand in for those of a card: on a device of their own, and never fetched unasked."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

#: What would quietly wait for a card.
SYNCHRONISE = ("__float__", "__bool__", "__int__", "__index__", "__complex__", "__array__")


class Fetched(AssertionError):
    """A pure function has asked for a number of an array."""


def _refuse(self, *args, **kwargs):
    raise Fetched("an array on a device was fetched where nothing may be")


@dataclass(frozen=True)
class Kind:
    """One kind of arrays.

    Attributes
    ----------
    name : str
    xp : module
    """

    name: str
    xp: Any

    def put(self, values):
        """Return values as an array of this kind."""
        if self.name == "strict":
            return strict.asarray(np.array(values), device=strict.Device("device1"))
        values = np.array(values)
        values.flags.writeable = self.name == "numpy"
        return values

    def fetch(self, array):
        """Return an array on the host; it must be one of this kind."""
        if self.name != "strict":
            assert isinstance(array, np.ndarray | np.generic)
            return array
        assert array.device == strict.Device("device1")
        return np.from_dlpack(strict.asarray(array, device=strict.Device("CPU_DEVICE")))

    @contextmanager
    def pure(self):
        """Refuse whatever would wait for a card."""
        with pytest.MonkeyPatch.context() as patch:
            for name in SYNCHRONISE if self.name == "strict" else ():
                patch.setattr(type(self.put(0.0)), name, _refuse)
            yield


KINDS = [Kind("numpy", np), Kind("read-only", np), Kind("strict", strict)]
