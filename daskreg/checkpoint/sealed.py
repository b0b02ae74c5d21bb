"""Checksums of blocks, as a checkpoint file holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from daskreg.design.columns import ROLES
from daskreg.design.passes.seals import Key, Seal


def packed(seals: Mapping[Key, Seal]) -> dict[str, Any]:
    """Return arrays: block numbers (n,), places in ``ROLES`` (n,) and seals (n, 2)."""
    keys = sorted(seals)
    return {
        "blocks": np.array([block for block, _ in keys], dtype=np.int64),
        "roles": np.array([ROLES.index(role) for _, role in keys], dtype=np.int64),
        "values": np.array([seals[key] for key in keys], dtype=np.float64).reshape(-1, 2),
    }


def unpacked(held: Mapping[str, Any]) -> dict[Key, Seal]:
    """Return the checksums that ``packed`` has made arrays of."""
    places = zip(held["blocks"].tolist(), held["roles"].tolist(), strict=True)
    values = held["values"].tolist()
    return {
        (block, ROLES[role]): (total, size)
        for (block, role), (total, size) in zip(places, values, strict=True)
    }


def are_packed(held: Any) -> bool:
    """Whether these are such arrays."""
    if type(held) is not dict or set(held) != {"blocks", "roles", "values"}:
        return False
    if not all(isinstance(one, np.ndarray) for one in held.values()):
        return False
    blocks, roles, values = held["blocks"], held["roles"], held["values"]
    return bool(
        blocks.dtype == roles.dtype == np.int64
        and values.dtype == np.float64
        and blocks.ndim == 1
        and blocks.shape == roles.shape
        and values.shape == (len(blocks), 2)
        and ((roles >= 0) & (roles < len(ROLES))).all()
    )
