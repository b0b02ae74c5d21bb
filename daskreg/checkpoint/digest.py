"""A digest of what a value means: the same in every process, whatever ids and order it has."""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)
_DEEPEST = 40


def digest(value: Any) -> str:
    """Return 32 hexadecimal digits that equal values share and others do not.

    Arrays count by type, shape and content; mappings and sets in any order; dataclasses by their
    fields, other objects by what they would pickle, functions and classes by name.

    Examples
    --------
    >>> digest({"a": 1, "b": (2.0, None)}) == digest({"b": (2.0, None), "a": 1})
    True
    >>> digest(1) == digest(1.0)
    False
    """
    return _hash(value, 0).hex()


def _hash(value: Any, depth: int) -> bytes:
    total = hashlib.blake2b(digest_size=16)
    if depth > _DEEPEST:
        raise ValueError(f"{type(value).__name__} nests more than {_DEEPEST} levels")
    for part in _parts(value, depth):
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return total.digest()


def _parts(value: Any, depth: int) -> Iterable[bytes | memoryview]:
    """The kind of a value and what it is made of."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        # numpy's float64 is a float as well: an array of no dimension says the same of both.
        plain = value.item() if isinstance(value, np.generic) else value
        return type(plain).__name__.encode(), repr(plain).encode()
    if isinstance(value, Enum):
        return b"enum", _name(type(value)), value.name.encode()
    if isinstance(value, np.ndarray | np.generic):
        return _array_parts(np.asarray(value), depth)
    if isinstance(value, list | tuple):
        return type(value).__name__.encode(), *(_hash(item, depth + 1) for item in value)
    if isinstance(value, set | frozenset):
        return b"set", *sorted(_hash(item, depth + 1) for item in value)
    if isinstance(value, dict):
        pairs = (_hash(k, depth + 1) + _hash(v, depth + 1) for k, v in value.items())
        return b"dict", *sorted(pairs)
    if isinstance(value, _FUNCTIONS):
        bound = value.__self__ if isinstance(value, types.MethodType) else None
        return b"name", _name(value), _hash(bound, depth + 1)
    if isinstance(value, functools.partial):
        return b"partial", _hash((value.func, value.args, value.keywords), depth + 1)
    if is_dataclass(value):
        own = (_hash(getattr(value, field.name), depth + 1) for field in fields(value))
        return b"dataclass", _name(type(value)), *own
    return b"object", _name(type(value)), _hash(_state(value), depth + 1)


def _array_parts(array: Any, depth: int) -> Iterable[bytes | memoryview]:
    kind = b"array", str(array.dtype).encode(), repr(array.shape).encode()
    if array.dtype == object:
        return *kind, _hash(array.ravel().tolist(), depth + 1)
    return *kind, np.ascontiguousarray(array).tobytes()


def _name(value: Any) -> bytes:
    return f"{value.__module__}.{value.__qualname__}".encode()


def _state(value: Any) -> Any:
    """What tells an object from others of its class: what it would pickle."""
    reduced = value.__reduce_ex__(4)
    return (
        reduced
        if isinstance(reduced, str)
        else list(reduced[1:3]) + [list(items) for items in reduced[3:5] if items is not None]
    )
