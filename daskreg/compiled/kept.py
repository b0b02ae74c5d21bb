"""Machine code in files: beside the package, in the cache of the user, or where they want it.

A file is valid for the sources of the loops, the version of LLVM and the processor it
was made for, all of which its name stands for.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import tempfile
import uuid
import warnings
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path

from daskreg._callers import outside

from .code import ARRAY_HEAD, Kind, MachineCode
from .processor import processor

_LOOPS = Path(__file__).parent / "loops"
_warned = False


def folder() -> Path | None:
    """Return where machine code is kept from now on, None where nothing can be written."""
    return next(filter(_can_be_written, _places()), None)


def read(name: str, kinds: tuple[Kind, ...]) -> MachineCode | None:
    """Return the machine code of a loop for such arguments, None where there is none, or half."""
    for place in _places():
        try:
            return _read((place / _file(name, kinds)).read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def write(name: str, kinds: tuple[Kind, ...], found: MachineCode) -> None:
    """Keep machine code for other processes; where that cannot be done, warn of it once."""
    whole = _whole(found)
    if not any(_written(place, _file(name, kinds), whole) for place in _places()):
        warn()


def _whole(found: MachineCode) -> bytes:
    facts = asdict(found)
    image = facts.pop("image")
    head = json.dumps(facts).encode()
    return hashlib.sha256(head + image).hexdigest().encode() + head + b"\n" + image


def _read(whole: bytes) -> MachineCode:
    head, _, image = whole.partition(b"\n")
    digest, head = head[:64], head[64:]
    if hashlib.sha256(head + image).hexdigest().encode() != digest:
        raise ValueError("half a file")
    facts = json.loads(head)
    own, needs = (tuple((at, what) for at, what in facts.pop(name)) for name in ("own", "needs"))
    return MachineCode(**facts, image=image, own=own, needs=needs)


def _places() -> list[Path]:
    """Return ``DASKREG_CACHE_DIR`` if it is set, else the package and the cache of the user."""
    wanted = os.environ.get("DASKREG_CACHE_DIR")
    if wanted:
        return [Path(wanted) / "daskreg"]
    home = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    own = [] if home.startswith("~") else [Path(home) / "daskreg"]  # there is no home
    return [_LOOPS / "__pycache__", *own]


def _written(place: Path, name: str, whole: bytes) -> bool:
    """Write a file as a whole or not at all: other processes may be reading it, or writing it."""
    fresh = place / f".{name}-{uuid.uuid4().hex}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(whole)
        fresh.replace(place / name)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        return False
    return True


def _file(name: str, kinds: tuple[Kind, ...]) -> str:
    valid = repr((_versions(), processor(), kinds))
    return f"{name}-{hashlib.sha256(valid.encode()).hexdigest()[:32]}.code"


@cache
def _versions() -> tuple[str, ...]:
    """Return all that machine code depends on but processor and arguments."""
    sources = hashlib.sha256()
    for path in sorted([*_LOOPS.glob("*.py"), *_LOOPS.parent.glob("*.py")]):
        sources.update(path.read_bytes())
    system = sys.platform, platform.machine(), str(ARRAY_HEAD)
    return sources.hexdigest(), version("llvmlite"), *system


def _can_be_written(place: Path) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def warn() -> None:
    """Say once what it costs that nothing can be kept."""
    global _warned
    if not _warned:
        _warned = True
        wanted = " and ".join(str(place) for place in _places())
        warnings.warn(
            f"compiled loops cannot be kept: {wanted} cannot be written, so that every new process "
            "compiles anew; set DASKREG_CACHE_DIR to a folder that can be written, and "
            "run `daskreg warm-up` once",
            RuntimeWarning,
            stacklevel=outside(),
        )
