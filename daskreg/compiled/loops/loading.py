"""Object files that LLVM itself loads, on systems whose files are not known here."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm

#: What holds the code of this process: threads may still run it while the interpreter ends.
_engines: list[Any] = []


def loaded_object(image: bytes, name: str) -> int:
    """Load an object file; return where the function of this name is.

    Raises
    ------
    LookupError
        If it is not there.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(image))
    engine.finalize_object()
    _engines.append(engine)
    address = int(engine.get_function_address(name))
    if not address:
        raise LookupError(f"{name} is not there")
    return address
