"""CUDA C compiled for a kind of card, without a card."""

from __future__ import annotations

import re
from dataclasses import dataclass

REPORT = re.compile(
    r"Compiling entry function '(\w+)' for '(\w+)'.*?(\d+) bytes stack frame, "
    r"(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers",
    re.DOTALL,
)


@dataclass(frozen=True)
class Usage:
    """What a kernel takes of a multiprocessor; stack and spills in bytes a thread."""

    name: str
    card: str
    stack: int
    spilled: int
    registers: int


def compiled(source, card, options=()):
    """Return the usage of each kernel; fails with the compiler's log."""
    from cuda.bindings import nvrtc

    def checked(result):
        error, *rest = result
        assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS, error
        return rest[0] if rest else None

    program = checked(nvrtc.nvrtcCreateProgram(source.encode(), b"daskreg.cu", 0, [], []))
    words = [f"--gpu-architecture={card}", "--ptxas-options=-v", *options]
    error = nvrtc.nvrtcCompileProgram(program, len(words), [word.encode() for word in words])[0]
    log = b" " * checked(nvrtc.nvrtcGetProgramLogSize(program))
    checked(nvrtc.nvrtcGetProgramLog(program, log))
    text = log.decode(errors="replace")
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS, text
    checked(nvrtc.nvrtcDestroyProgram(program))
    found = [
        Usage(name, own, int(stack), int(stores) + int(loads), int(registers))
        for name, own, stack, stores, loads, registers in REPORT.findall(text)
    ]
    assert found, text
    return found
