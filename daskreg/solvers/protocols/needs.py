"""Whether something has what a solver needs, before the first pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daskreg.exceptions import CompatibilityError


def require(solver: str, owner: Any, names: Sequence[str], hint: str = "") -> None:
    """Raise ``CompatibilityError`` naming what ``owner`` lacks of ``names``.

    Attributes are looked up on the class first, so that asking starts no pass.
    """
    absent = object()
    missing = [
        name
        for name in names
        if getattr(type(owner), name, absent) is absent
        and name not in getattr(owner, "__dict__", {})
        and name not in getattr(type(owner), "__annotations__", {})
    ]
    if missing:
        what = type(owner).__name__
        needs = ", ".join(f"{what}.{name}" for name in missing)
        tail = f"; {hint}" if hint else ""
        raise CompatibilityError(f"{solver} cannot use {what}: it needs {needs}{tail}")
