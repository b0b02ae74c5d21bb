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
def named() -> tuple[str, str] | None:
    """Return name and features of the processor that ``DASKREG_CPU_NAME`` and
    ``DASKREG_CPU_FEATURES`` ask for, as LLVM has them; None: they ask for none.

    Raises
    ------
    ValueError
        If features are not a list as ``+avx2,+fma,-avx512f``.
    """
    name = os.environ.get("DASKREG_CPU_NAME", "")
    features = os.environ.get("DASKREG_CPU_FEATURES", "")
    if not name and not features:
        return None
    wrong = [one for one in features.split(",") if features and one[:1] not in ("+", "-")]
    if wrong:
        raise ValueError(
            "DASKREG_CPU_FEATURES: expected features that begin with + or -, as in "
            f"+avx2,+fma,-avx512f, got {', '.join(wrong)}"
        )
    return name or "generic", features


@cache
def processor() -> tuple[str, str]:
    """Return the name of the processor that is compiled for, and what it can do.

    That of this machine, unless another one is :func:`named`, as machines do that share what they
    keep.
    """
    return named() or ("", _own())


@cache
def can(feature: str) -> bool:
    """Return whether it has such instructions: ``avx``, ``avx512f``, ``neon``."""
    told = processor()[1].replace(",", " ").split()
    return feature in told or f"+{feature}" in told


@cache
def wants_asking() -> bool:
    """Return whether loops should ask for rows before they come to them.

    AMD's fetch short runs of memory late by themselves: passes over float32 that ask have been
    measured at 1.2 to 2 times the speed.  On Intel's asking costs as much as it gains.
    """
    name, told = processor()
    return any(word.startswith(("znver", "AuthenticAMD")) for word in (name, *told.split()))


def _own() -> str:
    most = "neon" if platform.machine() in ("arm64", "aarch64") else ""
    try:
        first, _, _ = _FACTS.read_text().partition("\n\n")
    except OSError:
        # Where the system does not say, LLVM does, which loads the loops there anyway.
        import llvmlite.binding as llvm

        own = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), most
        return " ".join(filter(None, own))
    lines = (line.partition(":") for line in first.splitlines())
    told = [value.strip() for name, _, value in lines if name.strip() in _TELLS]
    return " ".join([*told, *filter(None, [most])])
