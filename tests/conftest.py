"""How tests run, and the cluster of worker processes that rooms share.

Hypothesis has no clock, and the same examples each time where CI is set.  Where there is a GPU,
tests use it without the warning that nobody has asked for it.  Where several processes run tests,
each has one thread of BLAS: threads that spin on the same processor take many times as long over
small products.
"""

from __future__ import annotations

import os
import signal
import sys

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before anything loads a BLAS.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import ml_dtypes  # noqa: F401 - numpy knows bfloat16 by its name from now on
import pytest
from hypothesis import settings

from tests.faults.common import wait_until

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

settings.register_profile("local", deadline=None)
settings.register_profile("repeated", deadline=None, derandomize=True, database=None)
settings.load_profile("repeated" if os.environ.get("CI") else "local")

os.environ.setdefault("DASKREG_DEVICE", "auto")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script; tests send themselves what Ctrl-C does.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_client_that_is_gone() -> None:
    """A test that was ended among its clients may leave Dask with the scheduler of one of them,
    and all tests after it without one."""
    distributed = sys.modules.get("distributed.client")
    if distributed is None or distributed._get_global_client() is not None:
        return
    import dask

    if dask.config.get("scheduler", None) == "dask.distributed":
        dask.config.config.pop("scheduler")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two processes of one thread; a test may end them, or ask for others.

    One for each module: its scheduler is a thread of this process, and tests elsewhere stop its
    clock and fill its disk.
    """
    import dask
    from distributed import LocalCluster

    # Its nannies are not to be ended while their workers start again, which tests see to often.
    patient = dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})
    settings = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with (
        patient,
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="1GiB", **settings) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    """A client of the cluster, which has two workers again, whatever was done to them before."""
    from distributed import Client

    if len(cluster.scheduler.workers) != 2:
        # Workers that have been retired, their nannies too, are only replaced after this.
        cluster.scale(0)
        wait_until(lambda: not cluster.scheduler.workers and not cluster.workers)
    cluster.scale(2)
    # One that is closed within its own ``with`` would stay the scheduler in Dask's configuration.
    with closing(Client(cluster)) as client:
        client.wait_for_workers(2, timeout=60)
        yield client
