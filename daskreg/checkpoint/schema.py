"""What a checkpoint file holds, checked before any of it is used."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg.exceptions import CheckpointError

from .sealed import are_packed

#: Names of the parts, and of which kind each of them is.
PARTS: dict[str, tuple[type, ...]] = {
    "version": (str,),
    "parameters": (dict,),
    "data": (dict, type(None)),
    "sums": (dict, type(None)),
    "layout": (dict, type(None)),
    "seals": (dict,),
    "passes": (dict,),
    "recent": (dict,),
    "running": (tuple, type(None)),
    "stages": (list,),
    "bytes_read": (int,),
}
#: Parts of a stage.
STAGE: dict[str, tuple[type, ...]] = {
    "signature": (dict,),
    "n_passes": (int,),
    "content": (object,),
    "ended": (bool,),
    "prepared": (list,),
}
#: Levels that a summation tree may have.
MOST_LEVELS = 40


def checked(held: Any) -> dict[str, Any]:
    """Return what a file holds if it has the parts that it must have.

    Raises
    ------
    CheckpointError
    """
    _require(_has(held, PARTS), "it holds other things than a checkpoint does")
    _require(_are_fields(held["parameters"]), "its parameters are damaged")
    _require(held["data"] is None or _are_fields(held["data"]), "its data are damaged")
    sums = held["sums"] or {}
    _require(all(_is_vector(value, "u") for value in sums.values()), "its sums are damaged")
    _require(held["layout"] is None or _is_layout(held["layout"]), "its layout is damaged")
    _require(are_packed(held["seals"]), "its checksums of blocks are damaged")
    for name in ("passes", "recent"):
        _require(all(isinstance(key, str) for key in held[name]), f"its {name} are damaged")
    _require(held["running"] is None or _is_pass(held["running"]), "its running pass is damaged")
    for stage in held["stages"]:
        sound = _has(stage, STAGE) and _are_fields(stage["signature"])
        _require(sound, "its stages are damaged")
    return dict(held)


def _require(sound: bool, message: str) -> None:
    if not sound:
        raise CheckpointError(message)


def _has(held: Any, parts: dict[str, tuple[type, ...]]) -> bool:
    if type(held) is not dict or set(held) != set(parts):
        return False
    return all(isinstance(held[name], kinds) for name, kinds in parts.items())


def _are_fields(fields: Any) -> bool:
    """Whether these are digests and texts by name."""
    return type(fields) is dict and all(
        isinstance(name, str)
        and type(value) is tuple
        and len(value) == 2
        and all(isinstance(text, str) for text in value)
        for name, value in fields.items()
    )


def _is_vector(value: Any, kinds: str) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in kinds


def _is_layout(layout: dict[str, Any]) -> bool:
    if set(layout) != {"rows", "segments", "chunks"}:
        return False
    rows, segments = layout["rows"], layout["segments"]
    borders = all(
        _is_vector(edges, "iu") and len(edges) > 1 and edges[0] == 0 and (np.diff(edges) > 0).all()
        for edges in (rows, segments)
    )
    return borders and segments[-1] == len(rows) - 1 and isinstance(layout["chunks"], str)


def _is_pass(running: tuple[Any, ...]) -> bool:
    if len(running) != 2 or not isinstance(running[0], str) or type(running[1]) is not dict:
        return False
    return all(
        type(node) is tuple
        and len(node) == 2
        and all(type(place) is int and place >= 0 for place in node)
        and node[0] <= MOST_LEVELS
        for node in running[1]
    )
