"""Hashes of values (groups) that are the same in every process, platform and storage width."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .counters import GOLDEN, UInts, mix

#: Kinds of values; equal bits of different kinds have different hashes.
NUMBER, REAL, TEXT, BYTES, TIME, SPAN = (np.uint64(tag) for tag in range(1, 7))
_HALF = 2.0**63


def hash_values(values: AnyArray) -> UInts:
    """Return one hash for each value, shape (n,).

    Equal numbers have equal hashes whatever their type (True, 1, 1.0), and so have equal texts,
    bytes and times, in any width or unit and also as Python objects.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Integers, floats, booleans, texts, bytes, datetimes, timedeltas, or objects of these.

    Raises
    ------
    DataError
        Where a value is missing, or of another kind.
    """
    hashers: dict[str, Callable[[AnyArray], UInts]] = {
        **dict.fromkeys("biu", _integers),
        "f": _floats,
        "U": _texts,
        "T": lambda texts: _objects(texts.astype(object)),
        "S": lambda strings: _characters(strings, np.uint8, BYTES),
        "M": _times,
        "m": _spans,
        "O": _objects,
    }
    hasher = hashers.get(values.dtype.kind)
    if hasher is None:
        _refuse(f"values of type {values.dtype}")
    with np.errstate(over="ignore"):
        return hasher(values)


def _refuse(what: str) -> NoReturn:
    raise DataError(
        f"groups hold {what}: expected integers, floats, texts, bytes or times, none missing"
    )


def _tagged(bits: UInts, tag: np.uint64) -> UInts:
    return mix(mix(bits + GOLDEN) + tag * GOLDEN)


def _integers(values: AnyArray) -> UInts:
    if values.dtype.kind != "u":
        values = values.astype(np.int64)  # the two's complement of a negative number
    return _tagged(values.astype(np.uint64), NUMBER)


def _floats(values: AnyArray) -> UInts:
    real = values.astype(np.float64)
    if np.isnan(real).any():
        _refuse("a missing value (NaN)")
    whole = (real == np.floor(real)) & (np.abs(real) < _HALF)
    numbers = _integers(np.where(whole, real, 0.0).astype(np.int64))
    large = (real == np.floor(real)) & (real >= _HALF) & (real < 2.0 * _HALF)
    beyond = _integers(np.where(large, real, _HALF).astype(np.uint64))
    reals = _tagged(np.ascontiguousarray(real).view(np.uint64), REAL)
    return np.where(whole, numbers, np.where(large, beyond, reals))


def _texts(values: AnyArray) -> UInts:
    return _characters(values.astype(values.dtype.newbyteorder("=")), np.uint32, TEXT)


def _characters(values: AnyArray, unit: type[np.unsignedinteger[Any]], tag: np.uint64) -> UInts:
    """Return hashes of fixed-width strings; the zeros that fill them up do not count."""
    n = len(values)
    if values.dtype.itemsize == 0 or n == 0:
        return _tagged(np.zeros(n, dtype=np.uint64), tag)
    units = np.ascontiguousarray(values).view(unit).reshape(n, -1)
    width = units.shape[1]
    length = np.where(units != 0, np.arange(1, width + 1), 0).max(axis=1)
    state = np.zeros(n, dtype=np.uint64)
    for place in range(int(length.max())):
        following = mix((state ^ units[:, place].astype(np.uint64)) + GOLDEN)
        state = np.where(place < length, following, state)
    return _tagged(state, tag)


def _times(values: AnyArray) -> UInts:
    if np.isnat(values).any():
        _refuse("a missing time (NaT)")
    seconds = values.astype("datetime64[s]")
    return _seconds(seconds.astype(np.int64), values - seconds, TIME)


def _spans(values: AnyArray) -> UInts:
    if np.isnat(values).any():
        _refuse("a missing timedelta (NaT)")
    if np.datetime_data(values.dtype)[0] in ("Y", "M", "generic"):
        _refuse(f"values of type {values.dtype}")
    seconds = values.astype("timedelta64[s]")
    return _seconds(seconds.astype(np.int64), values - seconds, SPAN)


def _seconds(seconds: AnyArray, rest: AnyArray, tag: np.uint64) -> UInts:
    parts = rest.astype("timedelta64[fs]").astype(np.int64).astype(np.uint64)
    return _tagged(mix(seconds.astype(np.uint64) + GOLDEN) ^ parts, tag)


def _objects(values: AnyArray) -> UInts:
    """Hash objects kind by kind, each as an array of its own type."""
    kinds = np.array([_kind(value) for value in values.tolist()], dtype="U1")
    hashes = np.zeros(len(values), dtype=np.uint64)
    for kind in np.unique(kinds).tolist():
        chosen = np.flatnonzero(kinds == kind)
        found = np.array(values[chosen].tolist(), dtype={"M": "datetime64[us]"}.get(kind))
        if found.dtype.kind == "O":
            _refuse(f"integers beyond 64 bits, such as {values[chosen[0]]!r}")
        # Integers on both sides of zero and beyond 2**63 would go through floats.
        if kind == "i" and found.dtype.kind == "f":
            hashes[chosen] = _mixed_integers(values[chosen])
        else:
            hashes[chosen] = hash_values(found)
    return hashes


def _mixed_integers(values: AnyArray) -> UInts:
    bits = [int(value) & (2**64 - 1) for value in values.tolist()]
    return _tagged(np.array(bits, dtype=np.uint64), NUMBER)


def _kind(value: Any) -> str:
    types: list[tuple[str, tuple[type, ...]]] = [
        ("i", (bool, int, np.bool_, np.integer)),
        ("f", (float, np.floating)),
        ("U", (str,)),
        ("S", (bytes,)),
        ("M", (datetime.datetime, datetime.date, np.datetime64)),
    ]
    for kind, known in types:
        if isinstance(value, known):
            aware = getattr(value, "tzinfo", None) is not None
            if aware or value != value:
                break
            return kind
    _refuse(f"{value!r} of type {type(value).__name__}")
