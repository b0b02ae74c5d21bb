"""The engine: data wherever it lies, and sums over its rows.

Names are imported when first used: a worker that unpickles a shard or a kernel needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .design import Design
    from .opening import as_design
    from .plan import Plan

__all__ = ["Design", "Plan", "as_design"]

_HOMES = {"Design": "design", "Plan": "plan", "as_design": "opening"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
