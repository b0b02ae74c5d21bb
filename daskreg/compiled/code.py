"""Machine code of a loop: what it is called with, how LLVM loads it and Python calls it.

LLVM alone loads what was compiled before, in a twentieth of a second and 50 MiB, where numba takes
half a second and 110 MiB.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np

#: Functions of numba's runtime, which loops that make no arrays name and never call.
RUNTIME = ("NRT_", "numba_")
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

    Parameters
    ----------
    symbol : str
        Name of a function in it that takes words, one for each argument: the object of an array, a
        number, or zero for None; and the place of its result, a word. It returns zero.
    result : {"none", "int", "bool"}
    needs : tuple of str
        Functions that it calls and does not bring.
    parts : tuple of bytes
        Object files of the system.
    """

    symbol: str
    result: str
    needs: tuple[str, ...]
    parts: tuple[bytes, ...]


@cache
def processor() -> tuple[str, str]:
    """Return the name of the processor that is compiled for, and what it can do.

    That of this machine, unless ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` name another one, as
    machines do that share what they keep.
    """
    import llvmlite.binding as llvm

    name = os.environ.get("NUMBA_CPU_NAME")
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if features is None:
        features = "" if name == "generic" else llvm.get_host_cpu_features().flatten()
    return name or llvm.get_host_cpu_name(), features


def loaded(found: MachineCode, kinds: tuple[Kind, ...]) -> Callable[..., Any]:
    """Return the loop as a function of Python, which holds no lock while it runs.

    Raises
    ------
    LookupError
        If this process lacks a function that it needs, or has other arrays than it knows.
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
            raise RuntimeError(f"{found.symbol} ended with status {status}")
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


#: What loaded code lives in, as long as the process does.
_engines: list[Any] = []


def _address(found: MachineCode) -> int:
    import llvmlite.binding as llvm

    if not _engines:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    for name in found.needs:
        if llvm.address_of_symbol(name) is None:
            if not name.startswith(RUNTIME):
                raise LookupError(f"{found.symbol} needs {name}")
            never = ctypes.cast(ctypes.pythonapi.Py_IsInitialized, ctypes.c_void_p).value
            llvm.add_symbol(name, never)
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    for part in found.parts:
        engine.add_object_file(llvm.ObjectFileRef.from_data(part))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(found.symbol))


def in_use() -> bool:
    """Return whether this process has loaded machine code, so that more of it costs little."""
    return bool(_engines)
