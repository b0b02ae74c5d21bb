"""Whether this process can use a GPU: CuPy is looked for here, and never before it is needed."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any

from .exceptions import MissingDependencyError

#: The environment variable that says where this process's passes run, and what it may be.
VARIABLE, CHOICES = "DASKREG_DEVICE", ("auto", "cpu", "gpu")
#: The environment variable that lets passes multiply float32 in TF32, and what it may be.
TF32_VARIABLE, SWITCH = "DASKREG_TF32", {"0": False, "1": True, "": False}
#: The library of the NVIDIA driver.
_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
#: The process that has asked the driver: one that is forked from it later cannot use a GPU.
_asker: int | None = None


def wanted_device() -> str:
    """Return what ``DASKREG_DEVICE`` asks of this process; "auto" where it is not set.

    Raises
    ------
    ValueError
        For anything but "auto", "cpu" and "gpu".
    """
    wanted = os.environ.get(VARIABLE, "auto").strip().lower() or "auto"
    if wanted not in CHOICES:
        known = ", ".join(CHOICES)
        raise ValueError(f"{VARIABLE} must be one of {known}; got {os.environ[VARIABLE]!r}")
    return wanted


def device_is_chosen() -> bool:
    """Whether ``DASKREG_DEVICE`` is set."""
    return bool(os.environ.get(VARIABLE, "").strip())


def tf32_is_wanted() -> bool:
    """Whether ``DASKREG_TF32`` asks for products of some eleven bits on cards.

    Raises
    ------
    ValueError
        For anything but "0" and "1".
    """
    wanted = os.environ.get(TF32_VARIABLE, "").strip()
    if wanted not in SWITCH:
        raise ValueError(f"{TF32_VARIABLE} must be 0 or 1; got {os.environ[TF32_VARIABLE]!r}")
    return SWITCH[wanted]


@cache
def cupy_or_none() -> Any:
    """Return the module ``cupy``, or None where it cannot be imported."""
    try:
        import cupy
    except ImportError:
        return None
    return cupy


def gpu_available() -> bool:
    """Whether this process has CuPy and a GPU, and is not told to leave it alone."""
    return wanted_device() != "cpu" and _usable() and not _forked()


def _forked() -> bool:
    return _asker is not None and _asker != os.getpid()


@cache
def _usable() -> bool:
    global _asker
    try:
        # Without a driver there is nothing to ask CuPy, whose import takes a second.
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    cupy = cupy_or_none()
    if cupy is None:
        return False
    _asker = os.getpid()
    return bool(cupy.cuda.is_available())


def require_gpu() -> None:
    """Raise unless this process can use a GPU.

    Raises
    ------
    MissingDependencyError
        Names what is missing: CuPy, with the extra that brings it, or a driver and a device; or
        says that the process is a fork of one that has used them.
    """
    if gpu_available():
        return
    if wanted_device() == "cpu":
        raise MissingDependencyError(f"a GPU is needed here, but {VARIABLE}=cpu forbids its use")
    if _forked():
        raise MissingDependencyError(
            "a GPU is asked for, but this process was forked from one that has asked the driver, "
            "which CUDA does not allow: start processes by 'spawn' or 'forkserver'"
        )
    if cupy_or_none() is None:
        raise MissingDependencyError(
            "a GPU is asked for, but CuPy is not installed in this process's environment: "
            "pip install 'daskreg[cuda12]' or 'daskreg[cuda13]', as your driver is"
        )
    raise MissingDependencyError(
        "a GPU is asked for and CuPy is installed, but there is no NVIDIA driver here, or no "
        f"device that CUDA_VISIBLE_DEVICES shows; {VARIABLE}=cpu runs without one"
    )
