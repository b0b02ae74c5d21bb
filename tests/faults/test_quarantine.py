"""Who is to blame for workers that die: decided by counts, whatever happens around."""

from __future__ import annotations

from typing import Any

import pytest

from daskreg.design.columns import BlockSpec, Columns
from daskreg.design.passes.jobs import Job
from daskreg.design.passes.poison import GUILTY, GUILTY_BLOCK, SUSPECT, Quarantine
from daskreg.design.passes.runs import Run
from daskreg.design.passes.shards import Shard
from daskreg.exceptions import PoisonBlockError
from tests.design.helpers import ArrayRows, make_data


@pytest.fixture
def job() -> Job:
    """A shard of three segments of two blocks each."""
    X, y = make_data(n=60, p=3)
    specs = tuple(BlockSpec(i, 10 * i, 10 * i + 10, i // 2) for i in range(6))
    return Job(0, Shard([Run(Columns(ArrayRows(X), ArrayRows(y)), specs)], 3))


def die(quarantine: Quarantine, job: Job, times: int) -> None:
    for _ in range(times):
        assert quarantine.died(job)
        if job in quarantine.waiting:
            quarantine.waiting.remove(job)


def parts(quarantine: Quarantine) -> list[Any]:
    return [[spec.index for spec in job.shard.specs] for job in quarantine.waiting]


def test_a_shard_becomes_suspect_segment_by_segment(job: Job) -> None:
    quarantine = Quarantine()
    for _ in range(SUSPECT - 1):
        assert not quarantine.died(job)
    assert quarantine.died(job)
    assert parts(quarantine) == [[0, 1], [2, 3], [4, 5]]


def test_a_deadly_block_is_found_within_its_segment(job: Job) -> None:
    quarantine, segment = Quarantine(), job.segments()[1]
    die(quarantine, segment, GUILTY - 1)
    assert quarantine.died(segment)
    assert parts(quarantine) == [[2], [3]]
    harmless, deadly = quarantine.waiting
    quarantine.survived(harmless)
    die(quarantine, deadly, GUILTY_BLOCK - 1)
    with pytest.raises(PoisonBlockError) as error:
        quarantine.died(deadly)
    assert error.value.blocks == (3,)
    assert error.value.rows == (30, 39)


def test_deaths_of_suspects_that_end_well_raise_the_bar(job: Job) -> None:
    quarantine = Quarantine()
    one, other, _ = job.segments()
    die(quarantine, one, 2)
    quarantine.survived(one)
    die(quarantine, other, GUILTY + 1)
    assert parts(quarantine) == []
    assert quarantine.died(other)
    assert parts(quarantine) == [[2], [3]]


def test_blocks_that_are_deadly_together_are_named_together(job: Job) -> None:
    quarantine, segment = Quarantine(), job.segments()[2]
    die(quarantine, segment, GUILTY)
    for probe in list(quarantine.waiting):
        quarantine.waiting.remove(probe)
        quarantine.survived(probe)
    assert quarantine.waiting == [segment]
    with pytest.raises(PoisonBlockError, match=r"blocks 4 to 5 \(rows 40 to 59 of") as error:
        die(quarantine, segment, 3 * GUILTY)
    assert error.value.blocks == (4, 5)
