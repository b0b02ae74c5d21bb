"""Machine code of a loop: what it is called with, how it is loaded and how Python calls it.

On a system that is known it is loaded by that alone, in a millisecond; elsewhere by LLVM.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np

#: Bytes of an array's object before its own part, and within that to the places of its numbers, its
#: shape and its strides: see PyArrayObject in the headers of numpy, as compiled modules do.
ARRAY_HEAD, ARRAY_PARTS = object.__basicsize__, (0, 16, 24)


class ArrayKind(NamedTuple):
    """What arrays have in common that go through the same machine code."""

    dtype: str
    ndim: int
    layout: Literal["C", "F", "A"]
    aligned: bool


Kind = ArrayKind | Literal["none", "bool", "int", "float"]


def kind_of(given: Any) -> Kind:
    """Return what machine code has to know of an argument.

    Parameters
    ----------
    given : ndarray, None, bool, int or float
    """
    if isinstance(given, np.ndarray):
        flags = given.flags
        layout: Any = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
        return ArrayKind(given.dtype.str, given.ndim, layout, flags.aligned)
    if given is None:
        return "none"
    if isinstance(given, bool | np.bool_):
        return "bool"
    if isinstance(given, int | np.integer):
        return "int"
    if isinstance(given, float | np.floating):
        return "float"
    raise TypeError(f"expected an array, a number or None for machine code, got {given!r}")


@dataclass(frozen=True)
class MachineCode:
    """A loop for one kind of arguments, as it is kept.

    Its entry is a function that takes words, one for each argument: the object of an array, a
    number, or zero for None; and the place of its result, a word.  It returns zero.

    Parameters
    ----------
    name : str
    result : {"none", "int", "bool"}
    image : bytes
        Code and constants as they lie in memory; an object file on systems that are not known.
    entry : int or None
        Place of the entry in the image; None: it is an object file.
    own : tuple of (int, int)
        Places in the image that hold the address of another one, and that place.
    needs : tuple of (int, str)
        Places in the image that hold the address of a function of the system, and its name.
    """

    name: str
    result: str
    image: bytes
    entry: int | None
    own: tuple[tuple[int, int], ...]
    needs: tuple[tuple[int, str], ...]


def loaded(found: MachineCode, kinds: tuple[Kind, ...]) -> Callable[..., Any]:
    """Return the loop as a function of Python, which holds no lock while it runs.

    Raises
    ------
    LookupError
        If this process lacks a function that it needs, has other arrays than it knows, or may not
        run code that it has read.
    """
    _known_arrays()
    prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)
    function = prototype(_address(found))
    converters = [id if isinstance(kind, ArrayKind) else _CONVERTERS[kind] for kind in kinds]
    pack = struct.Struct("".join("d" if kind == "float" else "q" for kind in kinds)).pack
    turned, slot, byref = _RESULTS[found.result], ctypes.c_int64, ctypes.byref

    def run(*given: Any) -> Any:
        words = pack(*[turn(one) for turn, one in zip(converters, given, strict=True)])
        result = slot()
        status = function(words, byref(result))
        if status:
            raise RuntimeError(f"{found.name} ended with status {status}")
        return turned(result.value)

    return run


_CONVERTERS: dict[Kind, Any] = {"none": lambda one: 0, "bool": int, "int": int, "float": float}
_RESULTS: dict[str, Any] = {"none": lambda value: None, "int": int, "bool": bool}


@cache
def _known_arrays() -> None:
    """Look once whether arrays of numpy are where its headers say: code reads them by itself."""
    array = np.empty((2, 3))[:, 1:]
    address = id(array) + ARRAY_HEAD
    data, sizes, strides = (ctypes.c_void_p.from_address(address + at).value for at in ARRAY_PARTS)
    numbers = [
        [ctypes.c_ssize_t.from_address(place + 8 * axis).value for axis in range(array.ndim)]
        for place in (sizes or 0, strides or 0)
    ]
    if data != array.ctypes.data or numbers != [list(array.shape), list(array.strides)]:
        raise LookupError("arrays of this numpy lie in another way")


def _address(found: MachineCode) -> int:
    if found.entry is None:
        from .loops.loading import loaded_object

        return loaded_object(found.image, found.name)
    image = mmap.mmap(-1, len(found.image), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    image.write(found.image)
    start = ctypes.addressof(ctypes.c_char.from_buffer(image))
    system = ctypes.CDLL(None, use_errno=True)
    places = [(at, start + place) for at, place in found.own]
    for at, name in found.needs:
        function = getattr(system, name, None)
        if function is None:
            raise LookupError(f"{found.name} needs {name}")
        places.append((at, ctypes.cast(function, ctypes.c_void_p).value or 0))
    for at, address in places:
        struct.pack_into("<Q", image, at, address)
    readable = mmap.PROT_READ | mmap.PROT_EXEC
    if system.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(len(image)), readable):
        raise LookupError(f"no code may be loaded here: {os.strerror(ctypes.get_errno())}")
    # Never given back: threads may still run it while the interpreter ends.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(image))
    return start + found.entry
