"""Rows that end every process that reads them: found by looking at them alone, and named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from daskreg.design.host import format_bytes
from daskreg.events import record
from daskreg.exceptions import PoisonBlockError

from .jobs import Job

#: Workers lost with a shard after which its segments are tried apart, each alone on a worker.
SUSPECT = 2
#: Workers lost with a segment that was alone on them, after which it is to blame, and with a single
#: block of such a segment.  Dask's ``allowed-failures`` is the cluster's: preemption on a busy one
#: may use it up.
GUILTY, GUILTY_BLOCK = 4, 2


class Quarantine:
    """Jobs that wait for a worker that has nothing else to do.

    A worker that dies takes down everything it works on.  Whose fault that is shows when each
    suspect is alone: a shard is cut into its segments, whose sums are the same bits, and a segment
    that goes on to end workers into its blocks.  Where workers die of something else, suspects come
    to their end after all, and it takes so many more deaths to find another one guilty.
    """

    def __init__(self) -> None:
        self.waiting: list[Job] = []
        self._probes: dict[int, list[Job]] = {}
        self._innocent = 0

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def died(self, job: Job) -> bool:
        """Note that a worker died with a job; whether it is to be tried here from now on.

        Raises
        ------
        PoisonBlockError
            By now it is clear that the job ends every process; without the sentence about the
            memory of workers, which the caller knows.
        """
        job.deaths += 1
        if job.whole:
            if job.deaths < SUSPECT:
                return False
            self.waiting += job.segments()
            return True
        most = GUILTY if job.suspect is None else GUILTY_BLOCK
        if job.deaths < most + self._innocent:
            self.waiting.append(job)
            return True
        if len(job.shard.specs) > 1 and id(job) not in self._probes:
            probes = job.blocks()
            self._probes[id(job)] = probes
            self.waiting += probes
            return True
        raise poison(job)

    def survived(self, job: Job) -> None:
        """Note that a suspect did no harm in the end: of a block that was all it was tried for."""
        self._innocent += job.deaths
        suspect = job.suspect
        if suspect is None:
            return
        left = [one for one in self._probes[id(suspect)] if one is not job]
        self._probes[id(suspect)] = left
        if not left:
            # None of its blocks is deadly by itself: once more, with a higher bar.
            self._innocent += suspect.deaths
            self.waiting.append(suspect)


def poison(job: Job) -> PoisonBlockError:
    """The error that names the blocks of a job, their rows and where they come from."""
    specs, rows = job.shard.specs, job.rows
    X = job.shard.runs[0].columns.X
    nbytes = max((spec.stop - spec.start) * X.row_nbytes for spec in specs)
    which = f"block {specs[0].index}" if len(specs) == 1 else f"blocks {specs[0].index} to "
    which += "" if len(specs) == 1 else str(specs[-1].index)
    error = PoisonBlockError(
        f"{job.deaths} workers in a row died while they worked on {which} (rows {rows[0]} to "
        f"{rows[1]} of {X.describe}{X.where(rows[0], rows[1] + 1)}, "
        f"{format_bytes(nbytes)} a block, which takes about "
        f"{format_bytes(nbytes * X.decode_factor)} to read)"
    )
    error.blocks, error.rows = tuple(spec.index for spec in specs), rows
    record("poison", str(error), {**job.details, "blocks": list(error.blocks)})
    return error


def explained(error: PoisonBlockError, workers: Iterable[Any]) -> PoisonBlockError:
    """The same error with the memory of workers, and what to do."""
    limit = max((worker["memory_limit"] or 0 for worker in workers), default=0)
    told = PoisonBlockError(
        f"{error.args[0]}; memory limit of a worker: "
        f"{format_bytes(limit) if limit else 'none'}. If they ran out of memory, use a smaller "
        "block_size or fewer threads per worker; else something in those rows, or in the library "
        "that reads them, ends the process: the logs of the workers tell"
    )
    told.blocks, told.rows = error.blocks, error.rows
    return told
