"""A look at all workers before the first pass: who could not take part, or would answer otherwise.

One round trip, once for each client and worker.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from daskreg import __version__
from daskreg._callers import outside
from daskreg.exceptions import ClusterError

#: What every worker imports.
REQUIRED = ("cloudpickle", "dask", "distributed", "fsspec", "llvmlite", "numpy", "scipy", "zarr")
#: What readers of some kinds of data import: of interest where this process uses it.
OPTIONAL = ("h5netcdf", "narwhals", "netCDF4", "pandas", "polars", "pyarrow", "xarray")
#: Unequal versions of these two leave no common ground.
_EXACT = ("daskreg", "python")
_TIMEOUT = 30  # seconds

_seen: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()

#: Versions by library, None for one that is missing; "processor" and "gpu" as text.
Facts = Mapping[str, str | None]


def preflight(client: Any) -> None:
    """Refuse workers that cannot take part in a fit; warn of those that are unlike the others.

    Parameters
    ----------
    client : distributed.Client or None
        None, and an asynchronous one, are left alone.

    Raises
    ------
    ClusterError
        A worker without daskreg or a library that it needs, with another version of daskreg or
        Python, or with numpy of another major version.  All of them are named.

    Warns
    -----
    UserWarning
        Other versions of libraries, which may change the last bits of a result; another kind of
        processor; no GPU, or another one, where most workers have one.
    """
    if client is None or client.asynchronous:
        return
    from daskreg.design.passes.roster import workers_of  # loads Dask

    try:
        known = workers_of(client)
        seen = _seen.setdefault(client, set())
        new = {address: info for address, info in known.items() if info["id"] not in seen}
        names = [*REQUIRED, *(name for name in OPTIONAL if name.lower() in sys.modules)]
        found = _ask(client, list(new), names) if new else {}
    except OSError:
        return  # the cluster is lost, or some of it hangs: the pass sees to that
    if not found:
        return
    answers = {f"{new[address]['name']} at {address}": found[address] for address in found}
    broken, unlike = odd_ones(facts(names), answers)
    if broken:
        raise ClusterError(
            f"{len(broken)} of {len(known)} workers cannot take part: {'; '.join(broken)}. Start "
            "them from the environment that this process runs in, or close them"
        )
    for message in unlike:
        warnings.warn(message, UserWarning, stacklevel=outside())
    seen.update(new[address]["id"] for address in found)


def _ask(client: Any, workers: list[str], names: list[str]) -> dict[str, Any]:
    """Return the facts of each worker, or what it raised instead."""
    told = client.sync(
        lambda: client.run(facts, names, workers=workers, on_error="return"),
        callback_timeout=_TIMEOUT,
    )
    return dict(told)


def facts(names: Iterable[str]) -> dict[str, str | None]:
    """Return what this process runs with; nothing is imported.

    Parameters
    ----------
    names : iterable of str
        Libraries.
    """
    told: dict[str, str | None] = dict.fromkeys(names)
    for name in told:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            told[name] = importlib.metadata.version(name)
    return told | {
        "daskreg": __version__,
        "python": ".".join(map(str, sys.version_info[:2])),
        "processor": f"{platform.machine()} {platform.system()}",
        "gpu": _gpu(),
    }


def _gpu() -> str | None:
    """Return the GPU that passes of this process use, or would if they could, with the reason."""
    from distributed.diagnostics import nvml

    from daskreg._device import VARIABLE, wanted_device
    from daskreg.design.device.at_hand import card_at_hand

    wanted = wanted_device()
    card = card_at_hand()
    if card is not None:
        return card.name
    if not os.environ.get("CUDA_VISIBLE_DEVICES", "all"):
        return None
    try:
        name = str(nvml.one_time()["name"]) if nvml.device_get_count() else None
    except Exception as error:  # a driver that is half there
        return f"none that works ({type(error).__name__})"
    if name is None or wanted == "cpu":
        return name if name is None else f"{name}, which {VARIABLE}=cpu leaves alone"
    return name if importlib.util.find_spec("cupy") else f"{name}, but no CuPy to use it"


def odd_ones(own: Facts, answers: Mapping[str, Facts | Exception]) -> tuple[list[str], list[str]]:
    """Return what is wrong with workers: what rules them out, and what only makes them different.

    Parameters
    ----------
    own : Facts
        Of this process.
    answers : mapping
        By the name of a worker, its facts or what it raised instead.  One that could not be asked
        has gone, which is for the pass to deal with.

    Examples
    --------
    >>> own = {"daskreg": "2.0", "python": "3.11", "numpy": "2.1", "processor": "x86", "gpu": None}
    >>> odd_ones(own, {"0": own, "1": own | {"numpy": None}, "2": own | {"numpy": "2.2"}})
    (['worker 1 has no numpy'], ['worker 2 has numpy 2.2, this process 2.1: its results may \
differ in the last bits'])
    """
    broken: list[str] = []
    unlike: list[str] = []
    told: dict[str, Facts] = {}
    for name, answer in answers.items():
        if not isinstance(answer, Exception):
            told[name] = answer
        elif not isinstance(answer, OSError):
            broken.append(f"worker {name} has no daskreg {own['daskreg']} ({answer})")
    for name, theirs in told.items():
        for library in own:
            if library not in ("processor", "gpu"):
                fatal, trouble = _compare(library, own[library], theirs.get(library))
                if trouble:
                    (broken if fatal else unlike).append(f"worker {name} has {trouble}")
    unlike += _strays("processor", told)
    unlike += _strays("gpu", told)
    return broken, unlike


def _compare(library: str, own: str | None, theirs: str | None) -> tuple[bool, str]:
    """Return whether a worker's version rules it out, and what to say of it."""
    if own is None or own == theirs:
        return False, ""
    if theirs is None:
        return library in REQUIRED, f"no {library}"
    trouble = f"{library} {theirs}, this process {own}"
    if library in _EXACT or (library == "numpy" and own.split(".")[0] != theirs.split(".")[0]):
        return True, trouble
    return False, f"{trouble}: its results may differ in the last bits"


def _strays(what: str, told: Mapping[str, Facts]) -> list[str]:
    """Workers whose device is another one than that of most."""
    kinds = Counter(theirs.get(what) for theirs in told.values())
    if len(kinds) < 2:
        return []
    usual, number = kinds.most_common(1)[0]
    return [
        f"worker {name} has {theirs.get(what) or f'no {what}'}, {number} others have "
        f"{usual or 'none'}: its pace will differ, and so may its results in the last bits"
        for name, theirs in told.items()
        if theirs.get(what) != usual
    ]
