"""Workers that really run out of memory: their nannies end them, and nobody else does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from distributed import Client

from daskreg.design.blocks import Block
from daskreg.design.passes import poison
from daskreg.events import collecting
from daskreg.exceptions import PoisonBlockError
from tests.design.helpers import Correlate, make_data, make_design

from .common import BLOCK, first, kinds, pids


@dataclass(frozen=True)
class Greedy(Correlate):
    """Takes memory beyond the limit of its worker, which is one GiB, at one block.

    Parameters
    ----------
    path : str
        A file that says that it has happened; empty: it happens each time.
    """

    path: str = ""
    block: int = 3
    name: ClassVar[str] = "greedy"

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        if block.index == self.block and (not self.path or first(self.path)):
            taken = np.full(1 << 30, 1, dtype=np.uint8)
            time.sleep(20)  # the nanny looks ten times a second
            raise AssertionError(f"nobody minded {taken.nbytes} bytes")
        return super().__call__(block, state)


@pytest.fixture(scope="module")
def data() -> Any:
    return make_data(n=20_000)


def test_a_worker_out_of_memory_costs_its_shards_and_no_bit(
    client: Client, data: Any, tmp_path: Path
) -> None:
    with make_design(*data, block_size=BLOCK) as design:
        expected = design.sum_over_rows(Correlate(), {"times": 1.0})
    before = set(pids(client).values())
    with make_design(*data, block_size=BLOCK) as design, collecting() as log:
        found = design.sum_over_rows(Greedy(path=str(tmp_path / "once")), {"times": 1.0})
    np.testing.assert_array_equal(found, expected)
    assert (tmp_path / "once").exists()
    assert {"worker_lost", "shard_moved"} <= set(kinds(log))
    client.wait_for_workers(2)
    assert len(before & set(pids(client).values())) == 1


def test_a_block_that_takes_all_memory_is_named(
    client: Client, data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poison, "SUSPECT", 1)
    monkeypatch.setattr(poison, "GUILTY", 2)
    with (
        make_design(*data, block_size=BLOCK) as design,
        pytest.raises(PoisonBlockError, match=r"memory limit of a worker: 1\.0 GiB") as error,
    ):
        design.sum_over_rows(Greedy(), {"times": 1.0})
    assert error.value.blocks == (3,)
    assert "smaller block_size" in str(error.value)
