"""Blocks on a card: moved there, kept there, and what becomes of a pass where it is too small."""

from __future__ import annotations

from .blocks import Absent, Csr, DeviceBlock, Kept

__all__ = ["Absent", "Csr", "DeviceBlock", "Kept"]
