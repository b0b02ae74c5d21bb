"""Imports of other libraries that wait until somebody asks for what is in them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class Deferred(ModuleType):
    """Stands for a module and imports it when an attribute is first asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            sys.modules.pop(self.__name__, None)  # another thread may ask as well
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def deferred(*names: str) -> Iterator[None]:
    """Let modules that import others meanwhile hold these of them without loading them.

    Afterwards ``sys.modules`` is as it would be had nobody imported them: who does, gets the module
    itself.  Those that are loaded, or not installed, are left alone.

    Parameters
    ----------
    *names
        Of the modules; the packages that they are part of are imported.
    """
    waiting = {
        name: Deferred(name) for name in names if name not in sys.modules and find_spec(name)
    }
    for name, module in waiting.items():
        # To look for the others takes a while: another thread may be importing this one by now.
        if sys.modules.setdefault(name, module) is module:
            _hold(name, module)
    try:
        yield
    finally:
        for name, module in waiting.items():
            if sys.modules.get(name) is module:
                sys.modules.pop(name, None)
            _let_go(name, module)


def _hold(name: str, module: Deferred) -> None:
    """Make a module an attribute of its package, which an import of the module would have done."""
    package, _, own = name.rpartition(".")
    if package and own not in vars(sys.modules[package]):
        setattr(sys.modules[package], own, module)


def _let_go(name: str, module: Deferred) -> None:
    package, _, own = name.rpartition(".")
    if package and vars(sys.modules[package]).get(own) is module:
        delattr(sys.modules[package], own)
