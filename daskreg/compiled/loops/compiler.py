"""numba's compiler, and what it leaves: machine code that can be kept."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numba  # noqa: TID253 - this package is loaded only to compile
import numpy as np

from daskreg.compiled import kept
from daskreg.compiled.code import ArrayKind, Kind, MachineCode

from .entry import Entry
from .linking import known_system, linked

#: Results of a loop, by numba's name of their type.
RESULTS = {"none": "none", "int64": "int", "bool": "bool"}

_wrapped = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function that other loops call, or that a `daskreg.compiled.Loop` stands for.

    It holds no lock of Python's, and divides as numpy does.  Python cannot call it.

    Parameters
    ----------
    **options
        Of ``numba.njit``.
    """

    def decorated(function: Callable[..., Any]) -> Any:
        return _njit(function, {"nogil": True, "error_model": "numpy"} | _wrapped | options)

    return decorated


def machine_code(module: str, name: str, kinds: tuple[Kind, ...]) -> MachineCode:
    """Compile a loop for such arguments.

    Parameters
    ----------
    module, name : str
        Of a module of this package.
    kinds : tuple
        See `daskreg.compiled.code.kind_of`.

    Raises
    ------
    NotImplementedError
        If the system is another than is known here, or numba calls functions in another way.
    """
    if not known_system():
        raise NotImplementedError
    function = _function(module, name)
    signature = tuple(_type_of(kind) for kind in kinds)
    function.compile(signature)
    found = function.overloads[signature]
    compiled, result = found.library, RESULTS.get(str(found.signature.return_type), "")
    own = compiled.get_function(found.fndesc.llvm_func_name)
    entry = Entry(own.name, kinds, result)
    takes = [str(one.type) for one in own.arguments]
    if takes != entry.types or not str(own.global_value_type).startswith("i32 ("):
        raise NotImplementedError(f"{own.global_value_type} {name}")
    objects = compiled._get_compiled_object(), entry.object_code()
    return linked(objects, name=name, entry=entry.symbol, result=result)


def python_callable(module: str, name: str) -> Callable[..., Any]:
    """Return a loop as numba itself lets Python call it, and keeps it."""
    function = _function(module, name)
    own = {"nopython", *_wrapped}
    options = {name: one for name, one in function.targetoptions.items() if name not in own}
    try:
        return _njit(function.py_func, {"cache": True} | options)
    except RuntimeError:  # no folder
        kept.warn()
        return _njit(function.py_func, options)


def _njit(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Compile it even where NUMBA_DISABLE_JIT says not to: that is for the loops of others."""
    off, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, False
    try:
        return numba.njit(**options)(function)
    finally:
        numba.config.DISABLE_JIT = off


def _function(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)


def _type_of(kind: Kind) -> Any:
    if isinstance(kind, ArrayKind):
        number = numba.from_dtype(np.dtype(kind.dtype))
        return numba.types.Array(number, kind.ndim, kind.layout, aligned=kind.aligned)
    kinds = {"none": "none", "int": "intp", "float": "float64", "bool": "boolean"}
    return getattr(numba.types, kinds[kind])
