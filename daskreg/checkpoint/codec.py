"""Trees of plain values and arrays, as JSON and a list of arrays; nothing is ever pickled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import CheckpointError

#: Kinds of arrays that a file may hold: bool, integers, floats, complex, text.
KINDS = "biufcSU"
#: Levels of nesting that are followed.
DEEPEST = 60


class Classes:
    """The classes of which a file may hold instances, by name.

    Frozen dataclasses, enums, subclasses of ``dict``, ``scipy.sparse`` CSR arrays, and classes
    whose state is their ``__dict__``.  A file names them and nothing else: what is not in this
    list is neither imported nor made.

    Parameters
    ----------
    classes : iterable of type
    """

    def __init__(self, classes: Iterable[type] = ()) -> None:
        self._by_name = {f"{cls.__module__}.{cls.__qualname__}": cls for cls in classes}
        self._names = {cls: name for name, cls in self._by_name.items()}

    def name(self, cls: type) -> str:
        """Return the name of a class; ``CheckpointError`` if it may not be kept."""
        if cls not in self._names:
            raise CheckpointError(
                f"a checkpoint cannot hold {cls.__module__}.{cls.__qualname__}: it is not among "
                "the classes that are kept"
            )
        return self._names[cls]

    def named(self, name: Any, kind: type = object) -> type:
        """Return the class of a name; ``CheckpointError`` if it is unknown."""
        cls = self._by_name.get(name) if isinstance(name, str) else None
        if cls is None or not issubclass(cls, kind):
            raise CheckpointError(f"the file names a class that is not kept: {str(name)[:80]!r}")
        return cls


def encode(value: Any, classes: Classes) -> tuple[Any, list[AnyArray]]:
    """Return a tree that JSON can hold, and the arrays that it refers to by number.

    An array that occurs twice is kept once.

    Raises
    ------
    CheckpointError
        For anything that is no None, bool, number, text, tuple, list, dict, array, sparse array or
        instance of one of the classes.
    """
    writer = _Writer(classes)
    return writer.tree(value, 0), writer.arrays


def decode(tree: Any, arrays: list[AnyArray], classes: Classes) -> Any:
    """Return what ``encode`` was given.

    Raises
    ------
    CheckpointError
        For a tree that ``encode`` would not have made: unknown classes, other fields ...
    """
    return _Reader(arrays, classes).value(tree, 0)


class _Writer:
    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self.arrays: list[AnyArray] = []
        self._known: dict[int, int] = {}

    def tree(self, value: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise CheckpointError(f"a checkpoint cannot hold more than {DEEPEST} levels")
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, Enum):
            return {"enum": [self.classes.name(type(value)), value.value]}
        if isinstance(value, np.generic):
            return {"scalar": self._array(np.asarray(value))}
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                items = [self.tree(item, depth + 1) for item in value.ravel().tolist()]
                return {"objects": [list(value.shape), items]}
            return {"array": self._array(value)}
        if type(value) in (tuple, list):
            return {type(value).__name__: [self.tree(item, depth + 1) for item in value]}
        if type(value) is dict:
            return {"dict": self._pairs(value, depth)}
        return self._instance(value, depth)

    def _instance(self, value: Any, depth: int) -> Any:
        name = self.classes.name(type(value))
        if hasattr(value, "indptr"):
            parts = [self._array(getattr(value, part)) for part in ("data", "indices", "indptr")]
            return {"csr": [name, list(value.shape), parts]}
        if isinstance(value, dict):
            return {"mapping": [name, self._pairs(value, depth)]}
        names = _field_names(type(value))
        own = vars(value) if names is None else {key: getattr(value, key) for key in names}
        return {"instance": [name, {key: self.tree(own[key], depth + 1) for key in own}]}

    def _pairs(self, value: Mapping[Any, Any], depth: int) -> list[Any]:
        # Pairs keep the order, and keys that are no text.
        return [[self.tree(k, depth + 1), self.tree(v, depth + 1)] for k, v in value.items()]

    def _array(self, array: AnyArray) -> int:
        if array.dtype.kind not in KINDS or array.dtype.names:
            raise CheckpointError(f"a checkpoint cannot hold an array of {array.dtype}")
        number = self._known.get(id(array))
        if number is None:
            number = self._known[id(array)] = len(self.arrays)
            self.arrays.append(array)
        return number


class _Reader:
    def __init__(self, arrays: list[AnyArray], classes: Classes) -> None:
        self.arrays, self.classes = arrays, classes

    def value(self, tree: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise CheckpointError(f"the file nests more than {DEEPEST} levels")
        if tree is None or isinstance(tree, bool | int | float | str):
            return tree
        if not isinstance(tree, dict) or len(tree) != 1:
            raise CheckpointError("the file holds a value of no known kind")
        ((kind, content),) = tree.items()
        read = getattr(self, f"_read_{kind}", None) if kind.isidentifier() else None
        if read is None:
            raise CheckpointError(f"the file holds a value of unknown kind {kind[:40]!r}")
        try:
            return read(content, depth + 1)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"the file holds a damaged {kind}: {error}") from error

    def _read_array(self, number: Any, depth: int) -> AnyArray:
        if type(number) is not int or not 0 <= number < len(self.arrays):
            raise CheckpointError("the file refers to an array that it does not hold")
        return self.arrays[number]

    def _read_scalar(self, number: Any, depth: int) -> Any:
        return self._read_array(number, depth)[()]

    def _read_objects(self, content: Any, depth: int) -> AnyArray:
        shape, items = content
        array = np.empty(len(items), dtype=object)
        for place, item in enumerate(items):
            array[place] = self.value(item, depth)
        return array.reshape(tuple(shape))

    def _read_tuple(self, items: Any, depth: int) -> tuple[Any, ...]:
        return tuple(self._read_list(items, depth))

    def _read_list(self, items: Any, depth: int) -> list[Any]:
        if not isinstance(items, list):
            raise CheckpointError("the file holds a sequence that is none")
        return [self.value(item, depth) for item in items]

    def _read_dict(self, pairs: Any, depth: int) -> dict[Any, Any]:
        return {self.value(k, depth): self.value(v, depth) for k, v in pairs}

    def _read_mapping(self, content: Any, depth: int) -> Any:
        name, pairs = content
        return self.classes.named(name, dict)(self._read_dict(pairs, depth))

    def _read_enum(self, content: Any, depth: int) -> Any:
        name, value = content
        return self.classes.named(name, Enum)(value)

    def _read_csr(self, content: Any, depth: int) -> Any:
        name, shape, numbers = content
        cls = self.classes.named(name)
        if not hasattr(cls, "check_format"):
            raise CheckpointError(f"{name} is no sparse array")
        data, indices, indptr = (self._read_array(number, depth) for number in numbers)
        matrix: Any = cls((data, indices, indptr), shape=tuple(shape))
        matrix.check_format(full_check=True)
        return matrix

    def _read_instance(self, content: Any, depth: int) -> Any:
        name, given = content
        cls = self.classes.named(name)
        if issubclass(cls, dict | Enum) or hasattr(cls, "check_format"):
            raise CheckpointError(f"{name} is kept in another form")
        names = _field_names(cls)
        if names is not None and set(names) != set(given):
            odd = sorted(set(names) ^ set(given))
            raise CheckpointError(
                f"the file's {cls.__name__} has other fields than this version's "
                f"({', '.join(map(str, odd))[:200]}): it was written by another version"
            )
        # Neither __init__ nor __post_init__ runs: fields are set as they were.
        instance = object.__new__(cls)
        for key, tree in given.items():
            object.__setattr__(instance, key, self.value(tree, depth))
        return instance


def _field_names(cls: type) -> list[str] | None:
    """The fields of a dataclass; None for classes whose state is their ``__dict__``."""
    return [field.name for field in fields(cls)] if is_dataclass(cls) else None
