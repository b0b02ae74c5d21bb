"""When a task of a pass takes so long that another worker should try it too."""

from __future__ import annotations

import time
from collections.abc import Iterable

from daskreg.events import record

from .jobs import Attempt, Job

#: A task is slow that takes so many seconds, and so many times as long as the slowest of those
#: that have ended, when these are half of all and a worker has nothing to do.
SLOW, SLOW_TIMES = 30.0, 4.0


def slow_after(jobs: Iterable[Job]) -> float | None:
    """Seconds after which a task is slow; None: nobody can tell yet.

    Parameters
    ----------
    jobs : iterable of Job
        All of a pass, those that have ended too.
    """
    whole = [job for job in jobs if job.whole]
    known = [job.seconds for job in whole if job.winner is not None and job.seconds is not None]
    if not known or 2 * len(known) < len(whole):
        return None
    return max(SLOW, SLOW_TIMES * max(known))


def is_slow(job: Job, attempt: Attempt, limit: float) -> bool:
    """Whether an attempt takes longer than ``limit`` seconds, which is then told."""
    seconds = time.monotonic() - attempt.since
    if seconds <= limit:
        return False
    record(
        "hung",
        f"rows {job.rows[0]} to {job.rows[1]} take {attempt.address} more than {seconds:.0f} s:"
        " another worker does them too, and the first answer counts",
        {**job.details, "worker": attempt.address, "seconds": seconds},
    )
    return True
