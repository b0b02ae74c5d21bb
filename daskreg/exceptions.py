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
    """Workers are gone for too long, or blocks that only they held.

    ``checkpoint`` names the file that the fit goes on from, and ``kept`` says what of it is in the
    model, where there is such a thing.
    """

    checkpoint: str | None = None
    kept: str | None = None

    def __str__(self) -> str:
        message = super().__str__()
        if self.kept is not None:
            message += f". {self.kept}"
        if self.checkpoint is not None:
            message += (
                f". What was found by then is in the checkpoint {self.checkpoint}: the same fit "
                "with resume=True goes on from there"
            )
        return message


class PoisonBlockError(WorkersLostError):
    """A block ends every process that reads it.

    ``blocks`` are its number, or those of several that cannot be told apart, and ``rows`` the first
    and the last row.
    """

    blocks: tuple[int, ...] = ()
    rows: tuple[int, int] | None = None


class ClusterLostError(WorkersLostError):
    """The scheduler, or the client's connection to it, is gone."""


class ClusterError(DaskregError, RuntimeError):
    """A Dask cluster that cannot be started, reached or used."""


class CompatibilityError(DaskregError, TypeError):
    """A solver, loss and penalty that do not go together."""


class ModelFileError(DaskregError, ValueError):
    """A model file that is damaged, too large, hostile or of an unknown version."""


class CheckpointError(DaskregError, ValueError):
    """A checkpoint that is damaged, hostile, of an unknown version, or of another fit."""


class MissingDependencyError(DaskregError, ImportError):
    """An optional library is needed; the message names the extra to install."""
