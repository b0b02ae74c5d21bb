"""The processor that loops are compiled for: that of this machine, or another that is named."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_FACTS = Path("/proc/cpuinfo")
#: What tells a processor there from those that can do something else.
_TELLS = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "Features")


@cache
def processor() -> tuple[str, str]:
    """Return the name of the processor that is compiled for, and what it can do.

    That of this machine, unless ``DASKREG_CPU_NAME`` and ``DASKREG_CPU_FEATURES`` name another
    one, as machines do that share what they keep.
    """
    name = os.environ.get("DASKREG_CPU_NAME", "")
    features = os.environ.get("DASKREG_CPU_FEATURES")
    if features is None:
        features = "" if name == "generic" else _own()
    return name, features


@cache
def can(feature: str) -> bool:
    """Return whether it has such instructions: ``avx``, ``avx512f``, ``neon``."""
    told = processor()[1].replace(",", " ").split()
    return feature in told or f"+{feature}" in told


def _own() -> str:
    # Where the system does not say, what about all such machines have.
    most = "neon" if platform.machine() in ("arm64", "aarch64") else "avx"
    try:
        first, _, _ = _FACTS.read_text().partition("\n\n")
    except OSError:
        return most
    lines = (line.partition(":") for line in first.splitlines())
    told = [value.strip() for name, _, value in lines if name.strip() in _TELLS]
    return " ".join(told if most == "avx" else [*told, most])
