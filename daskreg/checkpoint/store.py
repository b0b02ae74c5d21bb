"""Where checkpoints lie: two generations of one file, of which one is whole at every instant."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from daskreg.exceptions import CheckpointError

#: Added to the path for the generation before, and for one that is being written.
PREVIOUS, WRITING = ".previous", ".writing"


class Store:
    """The generations of one checkpoint: a local path, or a URL that fsspec knows.

    A new generation is written beside the others, forced to the disk, and takes their place by
    renaming; the latest becomes the previous one.  Between the two renamings there is a previous
    generation only, which is whole.  Object stores have no renaming: fsspec copies and deletes, and
    what a crash leaves half-copied fails its checksum; the written object is then still there, and
    is looked at too.

    Parameters
    ----------
    path : str or path-like
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        #: Whether the latest generation is worth keeping as the previous one.
        self.sound = True
        self._files: Any = _Remote(self.path) if "://" in self.path else _Local(self.path)

    @property
    def names(self) -> list[str]:
        """Where generations may lie, the latest first."""
        return [self.path, self.path + WRITING, self.path + PREVIOUS]

    def exists(self) -> bool:
        """Whether there is a generation that was committed."""
        return any(self._files.exists(name) for name in (self.path, self.path + PREVIOUS))

    def generations(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of each generation, the latest first.

        Raises
        ------
        OSError
            What cannot be read at all is no reason to take an older one.
        """
        for name in self.names:
            if self._files.exists(name):
                yield name, self._files.read(name)

    def take(self, name: str) -> None:
        """Say which generation is gone on from: those that failed are not to push it out."""
        self.sound = name == self.path
        if name == self.path + WRITING:
            self._files.move(name, self.path)
            self.sound = True

    def write(self, parts: Iterable[bytes | memoryview]) -> None:
        """Commit one more generation; where that fails, those before are as they were.

        Raises
        ------
        OSError
            The disk is full, the folder cannot be written ...
        """
        new = self.path + WRITING
        try:
            self._files.write(new, parts)
        except BaseException:
            with contextlib.suppress(OSError):
                self._files.remove(new)
            raise
        if self.sound and self._files.exists(self.path):
            self._files.move(self.path, self.path + PREVIOUS)
        self._files.move(new, self.path)
        self.sound = True

    def remove(self) -> None:
        """Remove all generations."""
        for name in self.names:
            if self._files.exists(name):
                self._files.remove(name)


class _Local:
    """Files of this machine."""

    def __init__(self, path: str) -> None:
        self._folder = Path(path).absolute().parent
        if not self._folder.is_dir():
            raise CheckpointError(
                f"checkpoint={path}: the folder {self._folder} does not exist; create it first"
            )
        if Path(path).is_dir():
            raise CheckpointError(f"checkpoint={path} is a folder; a file name is needed")

    def exists(self, name: str) -> bool:
        return os.path.exists(name)

    def read(self, name: str) -> bytes:
        return Path(name).read_bytes()

    def write(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        with open(name, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())

    def move(self, source: str, target: str) -> None:
        os.replace(source, target)
        self._sync_folder()

    def remove(self, name: str) -> None:
        os.remove(name)

    def _sync_folder(self) -> None:
        # A renaming is safe once its folder is on the disk; not every system can open one.
        with contextlib.suppress(OSError):
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


class _Remote:
    """Objects of a store that fsspec reaches."""

    def __init__(self, path: str) -> None:
        import fsspec

        self._system, _ = fsspec.core.url_to_fs(path)

    def exists(self, name: str) -> bool:
        # What another process has written meanwhile is not in a listing that was kept.
        self._system.invalidate_cache()
        return bool(self._system.exists(name))

    def read(self, name: str) -> bytes:
        return bytes(self._system.cat_file(name))

    def write(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        with self._system.open(name, "wb") as file:
            for part in parts:
                file.write(bytes(part))

    def move(self, source: str, target: str) -> None:
        self._system.mv(source, target)

    def remove(self, name: str) -> None:
        self._system.rm_file(name)
