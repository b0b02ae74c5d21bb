"""Plain Python and small NumPy values as JSON, and back, without pickle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from daskreg.exceptions import ModelFileError

_KINDS = {"b": bool, "i": np.int64, "u": np.uint64, "f": np.float64, "U": str}


def to_json(value: Any) -> Any:
    """Return ``value`` as what JSON can hold; containers that JSON lacks become tagged objects.

    Raises
    ------
    TypeError
        If the value is not data: a function, a client, an array of objects other than str.

    Examples
    --------
    >>> to_json({"alpha": (0.5, None)})
    {'dict': [['alpha', {'tuple': [0.5, None]}]]}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [to_json(item) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[to_json(key), to_json(item)] for key, item in value.items()]}
    if isinstance(value, np.ndarray):
        return _array_to_json(value)
    raise TypeError(f"a {type(value).__name__} is not data that a model file can hold")


def _array_to_json(array: np.ndarray[Any, Any]) -> Any:
    if array.dtype.kind == "O":
        if array.ndim == 1 and all(isinstance(item, str) for item in array):
            return {"strings": array.tolist()}
        raise TypeError("an array of objects is not data that a model file can hold")
    if array.dtype.kind not in _KINDS:
        raise TypeError(f"an array of {array.dtype} is not data that a model file can hold")
    values = [to_json(item) for item in array.ravel().tolist()]
    return {"array": {"kind": array.dtype.kind, "shape": list(array.shape), "values": values}}


def from_json(value: Any) -> Any:
    """Invert `to_json`; raises ``ModelFileError`` for a tag that it does not know.

    Examples
    --------
    >>> from_json({"dict": [["alpha", {"tuple": [0.5, None]}]]})
    {'alpha': (0.5, None)}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict) or len(value) != 1:
        raise ModelFileError("an attribute is neither a value nor one tagged value")
    ((tag, content),) = value.items()
    try:
        return _untag(tag, content)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ModelFileError(f"an attribute tagged {tag!r} cannot be read: {error}") from error


def _untag(tag: str, content: Any) -> Any:
    if tag == "float":
        return float(content)
    if tag == "tuple":
        return tuple(from_json(item) for item in content)
    if tag == "dict":
        return {from_json(key): from_json(item) for key, item in content}
    if tag == "strings":
        if not all(isinstance(item, str) for item in content):
            raise ValueError("not all of it is text")
        return np.array(content, dtype=object)
    if tag == "array":
        values = [from_json(item) for item in content["values"]]
        if not all(isinstance(item, bool | int | float | str) for item in values):
            raise ValueError("not all of it is scalars")
        return np.array(values, dtype=_KINDS[content["kind"]]).reshape(content["shape"])
    raise ModelFileError(f"an attribute has the unknown tag {tag!r}")
