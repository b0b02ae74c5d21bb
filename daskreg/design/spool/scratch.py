"""Scratch: a folder of our own for what must be written once, removed at the end."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
import uuid
import weakref
from pathlib import Path
from typing import Any

from daskreg.design.host import format_bytes
from daskreg.exceptions import DataError

from .leftovers import make_locked, sweep


class Scratch:
    """A folder for spooled data, made on first use and removed with everything in it at the end.

    What a process left behind that was killed is removed when the next one makes its folder.

    Parameters
    ----------
    path : str or path, optional
        Where to make it; must be visible from every worker.  None: Dask's
        ``temporary-directory``, else the system's; then all workers must share this host.

    Examples
    --------
    >>> with Scratch() as scratch:
    ...     folder = scratch.folder()
    ...     folder.exists()
    True
    >>> folder.exists()
    False
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.given = path is not None
        self._parent = None if path is None else os.fspath(path)
        self._folder: Path | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None

    def folder(self) -> Path:
        """The folder; made now if it does not exist."""
        if self._folder is None:
            parent = Path(self._parent or temporary())
            sweep(parent)
            try:
                folder, lock = make_locked(parent)
            except OSError as error:
                raise DataError(
                    f"cannot make a scratch folder in {parent} ({error.strerror}); "
                    "pass scratch= a folder that can be written"
                ) from error
            self._folder = folder
            self._finalizer = weakref.finalize(self, _remove, os.getpid(), folder, lock)
            atexit.register(self._finalizer)
        return self._folder

    def new(self, name: str) -> str:
        """A path in the folder that no other file has, without a suffix."""
        return str(self.folder() / f"{name}-{uuid.uuid4().hex[:12]}")

    def require(self, nbytes: int, what: str, why: str) -> None:
        """Raise ``DataError`` unless there is room for so many bytes, and before any is written."""
        folder = self.folder()
        free = shutil.disk_usage(folder).free
        if nbytes > free:
            raise DataError(
                f"{what} must be written to scratch once, since {why}: that takes "
                f"{format_bytes(nbytes)}, and {folder.parent} has {format_bytes(free)} free. Pass "
                "scratch= a folder with more room, or store the data in chunks of whole rows"
            )

    def check_shared(self, client: Any) -> None:
        """Raise ``DataError`` unless workers can be taken to see the folder.

        A folder that was given is trusted; otherwise every worker must run on this host.
        """
        address, host = self._stranger(client)
        if address is not None:
            raise DataError(
                f"this data must be spooled to disk once, but worker {address} runs on host "
                f"{host!r} and the client on {socket.gethostname()!r}: pass scratch= a folder "
                "that all of them share"
            )

    def is_shared(self, client: Any) -> bool:
        """Whether ``check_shared`` would pass."""
        return self._stranger(client)[0] is None

    def _stranger(self, client: Any) -> tuple[str | None, str]:
        here = socket.gethostname()
        if client is None or self.given:
            return None, here
        hosts = client.run(socket.gethostname)
        return next(((a, host) for a, host in hosts.items() if host != here), (None, here))

    def close(self) -> None:
        """Remove the folder; only the process that made it does."""
        if self._finalizer is not None:
            atexit.unregister(self._finalizer)
            self._finalizer()
        self._folder = self._finalizer = None

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def temporary() -> str:
    """Dask's ``temporary-directory``, else the system's."""
    import dask

    return dask.config.get("temporary-directory", None) or tempfile.gettempdir()


def _remove(pid: int, folder: Path, lock: int) -> None:
    if pid == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
