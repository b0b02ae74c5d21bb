"""Loops in machine code, for data large enough to pay for loading it.

What is compiled are the modules of `daskreg.compiled.loops`, which say what each loop does and
takes; here are their names for everybody else.  A loop is compiled by LLVM when an installation
first calls it with arguments of a kind, and kept; other processes load it without LLVM where the
system is one that is known (Linux on x86-64).
"""

from __future__ import annotations

from .loop import Loop, in_use

#: What a process may load to compile them, as plans of memory call it.
LIBRARIES = ("llvmlite",)

dense_rows = Loop("dense", "dense_rows")
add_moments = Loop("moments", "add_moments")
sparse_rows = Loop("csr", "sparse_rows")
add_sparse_moments = Loop("csr", "add_moments")
add_sparse_by_label = Loop("csr", "add_by_label")
add_sparse_gram = Loop("csr", "add_gram")
add_sparse_hessian = Loop("csr", "add_hessian")
entries_before = Loop("gathering", "entries_before")
gather = Loop("gathering", "gather")
sweeps = Loop("sweeps", "sweeps")
kronecker_sweep = Loop("kronecker", "sweep")

__all__ = [
    "LIBRARIES",
    "Loop",
    "add_moments",
    "add_sparse_by_label",
    "add_sparse_gram",
    "add_sparse_hessian",
    "add_sparse_moments",
    "dense_rows",
    "entries_before",
    "gather",
    "in_use",
    "kronecker_sweep",
    "sparse_rows",
    "sweeps",
]
