"""What can go wrong, by name.

Every message says what came, what was expected and what to change.
"""

from __future__ import annotations


class DaskregError(Exception):
    """Base of all errors that daskreg raises on purpose."""


class DataError(DaskregError, ValueError):
    """The data cannot be used: NaN, infinity, negative weights, wrong length, one class only ..."""


class MissingChunksError(DataError):
    """A store lacks chunks that would silently be read as its fill value."""


class MemoryPlanError(DaskregError, MemoryError):
    """The fit cannot run inside its memory limit; raised before the first byte is read.

    ``limit`` is the memory limit in bytes that would do, where it is known.
    """

    limit: int | None = None


class WorkersLostError(DaskregError, RuntimeError):
    """Workers die again and again in one place, or all are gone."""


class CompatibilityError(DaskregError, TypeError):
    """A solver, loss and penalty that do not go together."""


class ModelFileError(DaskregError, ValueError):
    """A model file that is damaged, too large, hostile or of an unknown version."""


class CheckpointError(DaskregError, ValueError):
    """A checkpoint that is damaged, hostile, of an unknown version, or of another fit."""


class MissingDependencyError(DaskregError, ImportError):
    """An optional library is needed; the message names the extra to install."""
