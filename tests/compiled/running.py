"""Written functions that Python calls, compiled anew."""

from __future__ import annotations

from daskreg.compiled.code import kind_of, loaded
from daskreg.compiled.loops.compiler import compiled
from daskreg.compiled.loops.writing import written


def running(function):
    """Return what calls a function that writes code, ``function(code, *arguments)``."""
    found = {}

    def run(*given):
        kinds = tuple(map(kind_of, given))
        if kinds not in found:
            found[kinds] = loaded(compiled(written()(function), "loop", kinds), kinds)
        return found[kinds](*given)

    return run
