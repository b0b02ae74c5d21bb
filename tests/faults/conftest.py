"""Clusters of two processes, one after the other of which is ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import cloudpickle
import dask
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


@pytest.fixture(autouse=True)
def configuration_stays() -> Iterator[None]:
    """A client that is closed in the middle of a fit leaves its trace in Dask's configuration."""
    before = dask.config.get("scheduler", None)
    yield
    dask.config.set(scheduler=before)


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
    with Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        yield client
