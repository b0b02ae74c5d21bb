"""Clusters that fail on purpose, and rows that take their time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg.design.blocks import Block
from tests.design.helpers import Correlate

BLOCK = 1 << 15


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait for something that other processes are about to do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@dataclass(frozen=True)
class Slowly(Correlate):
    """Takes its time over each block; ``name`` tells a pass from that of others."""

    seconds: float = 0.1
    name: ClassVar[str] = "slowly"

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        time.sleep(self.seconds)
        return super().__call__(block, state)


@dataclass(frozen=True)
class Once(Correlate):
    """Does something terrible to the first process that comes to one block.

    Parameters
    ----------
    path : str
        A file that says that it has happened.
    number : int
        Of the signal that the process sends itself.
    """

    path: str = ""
    number: int = signal.SIGKILL
    block: int = 3
    name: ClassVar[str] = "once"

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        if block.index == self.block and first(self.path):
            os.kill(os.getpid(), self.number)
            time.sleep(0.05)
        return super().__call__(block, state)


@dataclass(frozen=True)
class Deadly:
    """Ends every process that gets to some block."""

    blocks: tuple[int, ...] = (3,)
    name: ClassVar[str] = "deadly"

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        if block.index in self.blocks:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.ones(1)


def first(path: str) -> bool:
    """Whether nobody has come here before, in any process."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def pids(client: Any) -> dict[str, int]:
    """Process numbers of the workers by address."""
    found: dict[str, int] = client.run(os.getpid)
    return found


def kinds(log: Any) -> list[str]:
    """Kinds of the events in a log."""
    return [event.kind for event in log.events]
