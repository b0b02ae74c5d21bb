"""Checkpoints: a fit that is ended, killed or loses its machine goes on where it was.

A checkpoint is one file, ``PATH``, with the generation before it in ``PATH.previous``.  It holds
arrays and JSON, with a checksum over all of it; reading it runs no code.  Estimators write it with
``fit(..., checkpoint=PATH)`` and go on from it with ``resume=True``; ``on_signal`` ends a fit with
a checkpoint when a batch system says that time is up.
"""

from __future__ import annotations

from .codec import Classes
from .keeper import Checkpoint
from .opening import open_checkpoint
from .signals import STATUS, Preempted, on_signal

__all__ = ["STATUS", "Checkpoint", "Classes", "Preempted", "on_signal", "open_checkpoint"]
