"""What a plan must leave room for beside blocks: a solver's work, and other designs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Beside:
    """What a process needs for another design, whose passes alternate with those of this one.

    Attributes
    ----------
    kept : int
        Bytes that stay between passes.
    passing : int
        Bytes of blocks, temporaries and sums during its passes, when this one has none.
    """

    kept: int = 0
    passing: int = 0


@dataclass(frozen=True)
class Work:
    """What a solver is going to ask of the engine.

    Attributes
    ----------
    passes : int or None
        Passes expected; None: unknown, more than one.
    partial_bytes : int
        One partial (gradients, a Gram matrix) as a shard returns it.
    temporaries : int
        Working memory of one kernel call beside its block and its partial.
    client_bytes : int
        What the solver itself keeps in the client's memory.
    selected_bytes : int
        What is left free, in all processes together, for designs of selected columns.
    note : str
        A sentence for the plan: which solver, and why.
    libraries : tuple of str
        What kernels are going to import; names of ``LIBRARY_NBYTES``.
    beside : Beside
        Another design that is read in turn with this one.
    """

    passes: int | None = None
    partial_bytes: int = 0
    temporaries: int = 0
    client_bytes: int = 0
    selected_bytes: int = 0
    note: str = ""
    libraries: tuple[str, ...] = ()
    beside: Beside = Beside()


@dataclass(frozen=True)
class Elsewhere:
    """What designs that these rows were selected from keep in a process.

    Attributes
    ----------
    pinned : int
        Bytes, when each of them has made its first pass.
    to_come : int
        The part of it that is not in memory yet.
    """

    pinned: int = 0
    to_come: int = 0
