"""A loop that is compiled once on a machine, and loaded by every other process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from . import kept
from .code import Kind, MachineCode, kind_of, loaded

_lock = threading.Lock()
#: Names of the loops that this process has called.
_called: set[str] = set()


def in_use() -> bool:
    """Return whether this process has loaded machine code, so that more of it costs little."""
    return bool(_called)


def _key(given: Any) -> Any:
    """Return what tells arguments of different kinds apart, and finds them faster than a kind."""
    if isinstance(given, np.ndarray):
        return given.dtype, given.ndim, given.flags.num
    return type(given)


class Loop:
    """A function of a module of `daskreg.compiled.loops`, which is imported only to compile it.

    Its arguments are arrays, numbers and None.  The first call of an installation with arguments of
    a kind compiles it, the first one of a process loads what was kept.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name
        self._found: dict[Any, Callable[..., Any]] = {}
        self._absent: set[Any] = set()

    def __call__(self, *given: Any) -> Any:
        key = tuple([_key(one) for one in given])
        found = self._found.get(key)
        if found is None:
            with _lock:
                found = self._found.get(key) or self._find(tuple(map(kind_of, given)))
                self._found[key] = found
        return found(*given)

    def is_kept(self, *given: Any) -> bool:
        """Load what was kept for arguments of such kinds; False: there is nothing that can be.

        Never waits for a thread that compiles.  What another process keeps after this one has asked
        is found by the first call alone.
        """
        key = tuple([_key(one) for one in given])
        if key in self._found or key in self._absent:
            return key in self._found
        kinds = tuple(map(kind_of, given))
        if not _lock.acquire(blocking=False):
            return False
        try:
            code = kept.read(self._whole_name, kinds)
            if code is not None:
                self._found.setdefault(key, self._loaded(code, kinds))
        except RuntimeError:
            code = None
        finally:
            _lock.release()
        if code is None:
            self._absent.add(key)
        return code is not None

    @property
    def _whole_name(self) -> str:
        return f"{self._module}.{self._name}"

    def _find(self, kinds: tuple[Kind, ...]) -> Callable[..., Any]:
        code = kept.read(self._whole_name, kinds)
        if code is None:
            code = self._compile(kinds)
            kept.write(self._whole_name, kinds, code)
        return self._loaded(code, kinds)

    def _loaded(self, code: MachineCode, kinds: tuple[Kind, ...]) -> Callable[..., Any]:
        name = self._whole_name
        try:
            function = loaded(code, kinds)
        except LookupError as error:
            raise RuntimeError(f"{name} cannot run here as machine code: {error}") from error
        _called.add(name)
        return function

    def _compile(self, kinds: tuple[Kind, ...]) -> MachineCode:
        from .loops.compiler import machine_code

        return machine_code(self._module, self._name, kinds)
