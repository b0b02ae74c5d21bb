"""Two generations of a file, of which one is whole whatever happens while the other is written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daskreg.checkpoint.store import PREVIOUS, WRITING, Store
from daskreg.exceptions import CheckpointError


class Killed(BaseException):
    """The end of the process, as far as this one can play it."""


def contents(store: Store) -> list[bytes]:
    return [content for _, content in store.generations()]


def test_the_latest_and_the_one_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "fit")
    assert not store.exists()
    for content in (b"one", b"two", b"three"):
        store.write([content[:1], content[1:]])
    assert contents(store) == [b"three", b"two"]
    assert sorted(os.listdir(tmp_path)) == ["fit", "fit" + PREVIOUS]
    store.remove()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5])
def test_a_process_that_ends_while_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    store = Store(tmp_path / "fit")
    store.write([b"one"])
    store.write([b"two"])
    real, calls = getattr(os, call), iter(range(100))

    def kill(*args: Any) -> Any:
        if next(calls) == number:
            raise Killed
        return real(*args)

    monkeypatch.setattr(os, call, kill)
    monkeypatch.setattr(os, "remove", lambda name: None)  # a dead process tidies nothing up
    try:
        store.write([b"three"])
    except Killed:
        pass
    else:
        assert (call == "replace" and number >= 2) or number >= 3
    assert contents(Store(tmp_path / "fit"))[0] in (b"two", b"three")
    assert Store(tmp_path / "fit").exists()


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "fit")
    store.write([b"one"])
    store.write([b"two"])

    def parts() -> Iterator[bytes]:
        yield b"thr"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        store.write(parts())
    assert contents(store) == [b"two", b"one"]
    assert not (tmp_path / ("fit" + WRITING)).exists()


def test_a_damaged_generation_does_not_push_a_whole_one_out(tmp_path: Path) -> None:
    store = Store(tmp_path / "fit")
    store.write([b"one"])
    store.write([b"two"])
    store.take(store.path + PREVIOUS)  # what lies at the path itself was found damaged
    store.write([b"three"])
    assert contents(store) == [b"three", b"one"]


def test_a_written_generation_that_was_not_yet_renamed(tmp_path: Path) -> None:
    store = Store(tmp_path / "fit")
    store.write([b"one"])
    Path(store.path + WRITING).write_bytes(b"two")
    store.take(store.path + WRITING)
    assert contents(store) == [b"two"]


def test_folders_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist; create it"):
        Store(tmp_path / "no" / "fit")
    with pytest.raises(CheckpointError, match="is a folder"):
        Store(tmp_path)


def test_objects_that_fsspec_reaches() -> None:
    store = Store("memory://checkpoints/fit")
    try:
        for content in (b"one", b"two", b"three"):
            store.write([content])
        assert contents(store) == [b"three", b"two"]
        assert Store("memory://checkpoints/fit").exists()
    finally:
        store.remove()
    assert not store.exists()
