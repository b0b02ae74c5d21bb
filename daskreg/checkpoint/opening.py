"""Begin a checkpoint, or go on from one: what is damaged, and what belongs to another fit."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

from daskreg import __version__
from daskreg._callers import outside
from daskreg.exceptions import CheckpointError

from .codec import Classes
from .container import unpack
from .fingerprint import compare, fields_of
from .keeper import Checkpoint
from .schema import checked
from .store import Store

#: What ``resume`` may be.
RESUME = (False, True, "auto", "must")
ADVICE = "Give it the value that it had"


def open_checkpoint(
    path: str | os.PathLike[str],
    *,
    parameters: Mapping[str, Any],
    classes: Classes,
    every: float = 60.0,
    resume: bool | str = False,
) -> Checkpoint:
    """Return the checkpoint of a fit that begins, or of one that goes on.

    Parameters
    ----------
    path : str or path-like
        A file, or a URL that fsspec knows.
    parameters : mapping
        What changes the answer, by name.
    classes : Classes
        Of states and partial sums.
    every : float
        Seconds between two writings; 0: after each step and each shard.
    resume : {False, True, "must", "auto"}
        False: begin; a file that is there already is an error.  True and "must": go on, or raise.
        "auto": go on if there is something, else begin.

    Raises
    ------
    ValueError
        For another ``resume``, or seconds below 0.
    CheckpointError
        There is nothing to go on from, or it is damaged, or of another version or other
        parameters, which are named.
    """
    if not isinstance(resume, bool) and resume not in RESUME[2:]:
        raise ValueError(f"resume must be False, True, 'must' or 'auto'; got {resume!r}")
    if isinstance(every, bool) or not isinstance(every, int | float) or not every >= 0:
        raise ValueError(f"checkpoint_every must be seconds, at least 0; got {every!r}")
    store = Store(path)
    held = _held(store, classes, resume)
    own = fields_of(parameters)
    if held is not None:
        if held["version"] != __version__:
            raise CheckpointError(
                f"the checkpoint {store.path} was written by daskreg {held['version']}, this is "
                f"{__version__}: finish the fit with that version, or start anew with another file"
            )
        compare(held["parameters"], own, store.path, ADVICE)
    return Checkpoint(store, classes, own, float(every), held)


def _held(store: Store, classes: Classes, resume: bool | str) -> dict[str, Any] | None:
    """Return what the latest whole generation holds; None: begin."""
    there = store.exists()
    if not resume:
        if there:
            raise CheckpointError(
                f"there is a checkpoint at {store.path} already: resume=True goes on from it, "
                "resume='auto' does whatever is possible; to begin anew, remove it or name another"
            )
        return None
    if not there:
        if resume == "auto":
            return None
        raise CheckpointError(
            f"there is no checkpoint at {store.path} to go on from; resume='auto' begins one where "
            "there is none"
        )
    return _latest(store, classes, resume)


def _latest(store: Store, classes: Classes, resume: bool | str) -> dict[str, Any] | None:
    damaged = []
    for name, content in store.generations():
        try:
            held = checked(unpack(content, classes))
        except CheckpointError as error:
            damaged.append(f"{name}: {error}")
            continue
        store.take(name)
        if damaged or name != store.path:
            why = "; ".join(damaged) or f"{store.path} is not there"
            warnings.warn(
                f"going on from {name}, an older checkpoint ({why})",
                UserWarning,
                stacklevel=outside(),
            )
        return held
    message = f"no checkpoint is whole ({'; '.join(damaged)})"
    if resume != "auto":
        raise CheckpointError(
            f"{message}: the work is lost; remove the file, or resume='auto' begins anew"
        )
    warnings.warn(f"{message}: the fit begins anew", UserWarning, stacklevel=outside())
    store.sound = False
    return None
