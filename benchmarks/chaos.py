"""Fits on a cluster whose workers are killed all the time: the same bits as undisturbed, or not.

Three workers cross-validate a logistic path; every few seconds one of them is ended in one of four
ways, and another one is started.  Coefficients, choice and scores must equal those of the calm run
to the last bit:

    python -m benchmarks.chaos [--runs 20] [--every 2] [--limit 180]

The exit status is 1 where a run differs, fails or takes longer than ``--limit`` seconds.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import distributed
import numpy as np

import daskreg
from daskreg.datasets import make_sparse_classification

SIGNALS = {"SIGKILL": signal.SIGKILL, "segfault": signal.SIGSEGV}
MODES = (*SIGNALS, "sys.exit", "graceful")
COMPARED = ("coef_", "intercept_", "C_", "l1_ratio_", "scores_", "relative_gap_", "n_passes_")


def end(mode: str, dask_worker: Any) -> None:
    """End the process that this runs in, a moment later."""
    loop = dask_worker.loop.asyncio_loop
    if mode == "graceful":
        close = dask_worker.close(nanny=False, executor_wait=False)
        loop.call_later(0.01, loop.create_task, close)
    else:
        loop.call_later(0.01, sys.exit, 0)


class Crew(threading.Thread):
    """Worker processes that are started again whenever they end, and ended now and then.

    Parameters
    ----------
    client : distributed.Client
    n_workers : int
    """

    def __init__(self, client: Any, n_workers: int) -> None:
        super().__init__(name="crew", daemon=True)
        self._client = client
        self._over = threading.Event()
        self._processes = [self._begun() for _ in range(n_workers)]
        self._random, self._every, self._next = random.Random(), 0.0, float("inf")
        self.killed: collections.Counter[str] = collections.Counter()

    def _begun(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_worker"]
        address = self._client.scheduler.address
        options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--memory-limit", "1GiB"]
        return subprocess.Popen([*command, address, *options], stderr=subprocess.DEVNULL)

    @contextmanager
    def killing(self, every: float, seed: int) -> Iterator[None]:
        """End one of them every few seconds inside the ``with``."""
        self.killed.clear()
        self._random, self._every = random.Random(seed), every
        self._next = time.monotonic() + every
        try:
            yield
        finally:
            self._next = float("inf")

    def run(self) -> None:
        while not self._over.wait(0.1):
            for place, process in enumerate(self._processes):
                if process.poll() is not None:
                    self._processes[place] = self._begun()
            if time.monotonic() > self._next:
                self._next = time.monotonic() + self._random.uniform(0.5, 1.5) * self._every
                self._kill(self._random.choice(self._processes), self._random.choice(MODES))

    def _kill(self, process: subprocess.Popen[bytes], mode: str) -> None:
        if mode in SIGNALS:
            process.send_signal(SIGNALS[mode])
        else:
            pids = self._client.run(os.getpid, on_error="ignore")
            own = [address for address, pid in pids.items() if pid == process.pid]
            if not own:
                return  # it is about to start
            self._client.run(end, mode, workers=own, on_error="ignore")
            # A process that has left its loop may linger.
            threading.Timer(1.0, process.kill).start()
        self.killed[mode] += 1

    def stop(self) -> None:
        """End all of them for good."""
        self._over.set()
        self.join()
        for process in self._processes:
            process.kill()
            process.wait()


@contextmanager
def crew_of(n_workers: int) -> Iterator[Crew]:
    """Worker processes on this machine, for a client that every fit uses."""
    # A scheduler of its own: a LocalCluster that closes stumbles over workers that it never knew.
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "scheduler.json")
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--scheduler-file", file]
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        scheduler = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
        try:
            with distributed.Client(scheduler_file=file, timeout=60) as client:
                crew = Crew(client, n_workers)
                crew.start()
                try:
                    client.wait_for_workers(n_workers, timeout=60)
                    yield crew
                finally:
                    crew.stop()
        finally:
            scheduler.terminate()
            scheduler.wait()


def model() -> Any:
    """A path over three folds in some ten passes, each of which reads all rows."""
    return daskreg.LogisticRegressionCV(
        Cs=np.geomspace(1e-5, 1e-2, 10),
        l1_ratios=[1.0],
        cv=3,
        block_size="1MiB",
        cache=None,
        worker_timeout=60,
    )


def differs(found: Any, calm: Any) -> list[str]:
    """Names of the results that are not the same bits."""
    return [
        name
        for name in COMPARED
        if not np.array_equal(np.asarray(getattr(found, name)), np.asarray(getattr(calm, name)))
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two kills")
    parser.add_argument("--limit", type=float, default=180.0, help="seconds of a run at most")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        files = make_sparse_classification(folder, n_rows=options.rows, n_columns=64, format="zarr")
        with crew_of(3) as crew:
            calm = model().fit(files.X, files.y)
            print(f"calm: {calm.n_passes_} passes, {calm.fit_seconds_:.1f} s", flush=True)
            for run in range(options.seed, options.seed + options.runs):
                with crew.killing(options.every, run):
                    started = time.monotonic()
                    found = model().fit(files.X, files.y)
                    seconds = time.monotonic() - started
                wrong = differs(found, calm)
                bad += bool(wrong) or seconds > options.limit
                events = collections.Counter(event.kind for event in found.events_)
                print(
                    f"run {run}: {seconds:.1f} s, killed {dict(crew.killed)}, "
                    f"events {dict(events)}: "
                    + (f"DIFFERS in {wrong}" if wrong else "the same bits"),
                    flush=True,
                )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
