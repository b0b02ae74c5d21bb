"""Where rows come from: arrays, files, stores, frames and labelled arrays, read by row ranges."""

from __future__ import annotations

from .base import Reader, Rows, Table
from .labels import Labels

__all__ = ["Labels", "Reader", "Rows", "Table"]
