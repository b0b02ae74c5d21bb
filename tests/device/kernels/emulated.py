"""A module that looks like CuPy, over numpy, whose CUDA C runs on the host."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
import types
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.stand_in import Kind

COMPILER = shutil.which("g++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler (g++)")
HERE = Path(__file__).parent
#: What a card does in assembly, and what the host does instead.
ASSEMBLY = {
    re.compile(r"asm\(.cvt.f32.f16 %0, %1;.[^;]*\);"): "x = half_bits(bits);",
    re.compile(r"asm\(.mov.b32 %0, [^;]*;[^;]*\);"): "x = brain_bits(bits);",
}

KERNEL = re.compile(r'extern "C" __global__ void(?: __launch_bounds__\(.*?\))? (\w+)\(')


class Array(np.ndarray):
    """A numpy array that tells its address as CuPy's do."""

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self.ctypes.data)

    def is_read(self):
        """Called when a kernel is given the array."""


class RawModule:
    """Compiled by the host's compiler; records every launch.

    Attributes
    ----------
    launches : list of (name, grid, block, arguments)
        Of all modules.
    """

    launches: list[tuple] = []

    def __init__(self, code, options):
        names = re.findall(
            r'extern "C" __global__ void(?: __launch_bounds__\(.*?\))? (\w+)\(', code
        )
        for pattern, instead in ASSEMBLY.items():
            code = pattern.sub(instead, code)
        assert "asm(" not in code
        exports = "".join(f"EXPORT({name})\n" for name in names)
        whole = (HERE / "emulate.h").read_text() + code + exports
        self.library = _compiled(whole)

    def get_function(self, name):
        function = getattr(self.library, f"launch_{name}")

        def start(grid, block, arguments):
            RawModule.launches.append((name, grid, block, arguments))
            kept = [_by_value(argument) for argument in arguments]
            pointers = (ctypes.c_void_p * len(kept))(*(part.ctypes.data for part in kept))
            sizes = [*grid, *[1] * (3 - len(grid)), *block, *[1] * (3 - len(block))]
            function((ctypes.c_uint * 6)(*sizes), pointers)

        return start


@cache
def _compiled(source):
    """Return the library made of some C++; its file is gone once it is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        library, text = Path(folder) / "emulated.so", Path(folder) / "emulated.cpp"
        text.write_text(source)
        command = [COMPILER, "-std=c++17", "-O1", "-w", "-shared", "-fPIC", "-o", library, text]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return ctypes.CDLL(str(library))


def _by_value(argument):
    """Return the bytes that a kernel is given: an address of an array, else the number itself."""
    if argument is None:
        return np.zeros(1, np.uint64)
    if isinstance(argument, Array):
        assert argument.flags.c_contiguous
        argument.is_read()
        return np.array([argument.ctypes.data], np.uint64)
    # Nothing that CuPy would have to guess the type of, and no array of the host.
    assert isinstance(argument, np.generic) or argument.shape == ()
    return np.atleast_1d(argument)


def _made(function):
    def make(*args, **kwargs):
        return np.ascontiguousarray(function(*args, **kwargs)).view(Array)

    return make


#: Functions whose results a kernel may be given.
MAKERS = (
    *("zeros", "empty", "arange", "concatenate", "matmul", "take", "astype", "asarray"),
    *("searchsorted", "cumsum", "where"),
)


def fake_cupy():
    """Return the module."""
    module = types.ModuleType("fake_cupy")
    module.__dict__.update({name: getattr(np, name) for name in np.__all__ if hasattr(np, name)})
    for name in MAKERS:
        setattr(module, name, _made(getattr(np, name)))
    module.RawModule = RawModule
    return module


class EmulatedKind(Kind):
    """Arrays of the module."""

    def put(self, values):
        return np.array(values).view(Array)

    def fetch(self, array):
        return np.asarray(array)


KIND = EmulatedKind("emulated", fake_cupy())
