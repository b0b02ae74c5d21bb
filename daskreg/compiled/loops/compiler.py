"""From a function that is written to machine code that can be kept."""

from __future__ import annotations

import importlib
from contextlib import suppress
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from daskreg.compiled.code import Kind, MachineCode
from daskreg.compiled.processor import named

from .linking import known_system, linked
from .writing import Written


def machine_code(module: str, name: str, kinds: tuple[Kind, ...]) -> MachineCode:
    """Compile a loop for such arguments.

    Parameters
    ----------
    module, name : str
        Of a module of this package.
    kinds : tuple
        See `daskreg.compiled.code.kind_of`.
    """
    function = getattr(importlib.import_module(f"{__package__}.{module}"), name)
    return compiled(function, name, kinds)


def compiled(function: Written, name: str, kinds: tuple[Kind, ...]) -> MachineCode:
    """Compile what is written for such arguments."""
    code = function.code(name, kinds)
    whole = _object_code(code.text())
    if known_system():
        with suppress(NotImplementedError):  # an LLVM that writes other files
            return linked(whole, name=name, result=code.result)
    return MachineCode(name, code.result, whole, None, (), ())


def _object_code(text: str) -> bytes:
    """Return an object file."""
    machine = _machine()
    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.loop_unrolling = True
    passes = llvm.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))


@cache
def _machine() -> Any:
    """Return the processor that is compiled for: this one, or that which is named."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    own = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    name, features = named() or own
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=name,
        features=features,
        opt=3,
        # Code of processors of this family needs no tables of addresses.
        reloc="static" if target.name.startswith("x86") else "default",
        codemodel="jitdefault",
        jit=True,
    )
