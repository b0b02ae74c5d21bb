"""The card of this process: found once, installed by a test, or given up."""

from __future__ import annotations

import threading
import warnings

from daskreg._callers import outside
from daskreg._device import device_is_chosen, gpu_available, require_gpu, wanted_device
from daskreg.exceptions import MissingDependencyError

from .card import Card

#: Said where nobody has chosen; to be dropped when the kernels have run on cards.
UNPROVEN = (
    "passes run on the GPU, for which this version has been tested on stand-ins only: set "
    "DASKREG_DEVICE=cpu to leave it alone, or DASKREG_DEVICE=auto if you mean to use it"
)

_installed: Card | None = None
_found: Card | None = None
#: What was said where there is a card that cannot be used.
_refused = ""
_lock = threading.Lock()


def install(card: Card | None) -> None:
    """Let this process use another card than the one it would find; None: find one again."""
    global _installed
    _installed = card


def card_of_process() -> Card | None:
    """Return the card that passes of this process run on; None: they run on its processors.

    Raises
    ------
    MissingDependencyError
        Where ``DASKREG_DEVICE=gpu`` asks for one and there is none, or none that works.

    Warns
    -----
    UserWarning
        Once, where there is one that does not work: somebody has it for himself, or it is full;
        and where there is one, but nobody has said whether to use it.
    """
    wanted = wanted_device()
    if wanted == "cpu":
        return None
    if _installed is not None:
        return _installed
    if not gpu_available():
        if wanted == "gpu":
            require_gpu()
        return None
    card = _found or _opened()
    if card is None and wanted == "gpu":
        raise MissingDependencyError(f"a GPU is asked for, but it cannot be used: {_refused}")
    return card


def _opened() -> Card | None:
    """Return the card that CUDA shows; None, with a warning once, where it does not open."""
    global _found, _refused
    with _lock:
        if _found is None and not _refused:
            from .cupy_card import CupyCard

            try:
                _found = CupyCard()
            except Exception as error:
                _refused = f"{type(error).__name__}: {error}"
                told = f"passes run on processors, since the GPU cannot be used: {_refused}"
                warnings.warn(told, UserWarning, stacklevel=outside())
            else:
                if not device_is_chosen():
                    warnings.warn(UNPROVEN, UserWarning, stacklevel=outside())
        return _found


def give_up(card: Card, error: BaseException) -> None:
    """Use this process's card no more: after an error that stays nothing can be asked of it.

    Warns
    -----
    UserWarning
        Which error that was.
    """
    global _found, _refused
    with _lock:
        if card is not _found:
            return
        _found, _refused = None, f"it has failed with {type(error).__name__}: {error}"
    told = f"this process leaves the GPU alone from now on: {_refused}"
    warnings.warn(told, UserWarning, stacklevel=outside())


def card_at_hand() -> Card | None:
    """Return the card that this process uses already; nothing is imported to find one."""
    if (_installed is None and _found is None) or wanted_device() == "cpu":
        return None
    if _installed is not None:
        return _installed
    return _found if gpu_available() else None
