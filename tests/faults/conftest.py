"""Clusters of two processes, one after the other of which is ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing

import cloudpickle
import pytest
from distributed import Client, LocalCluster

from tests.design import helpers

from . import common
from .common import wait_until


@pytest.fixture(scope="module", autouse=True)
def helpers_travel_by_value(request: pytest.FixtureRequest) -> Iterator[None]:
    modules = (helpers, common, sys.modules[request.module.__name__])
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    yield
    for module in modules:
        cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        memory_limit="1GiB",
        host="127.0.0.1",
        dashboard_address=":0",
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    if len(cluster.scheduler.workers) != 2:
        # Workers that have been retired, their nannies too, are only replaced after this.
        cluster.scale(0)
        wait_until(lambda: not cluster.scheduler.workers and not cluster.workers)
    cluster.scale(2)
    # One that is closed within its own ``with`` would stay the scheduler in Dask's configuration.
    with closing(Client(cluster)) as client:
        client.wait_for_workers(2, timeout=60)
        yield client
