"""The local starter listens on the loopback only and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys

import dask
import psutil
import pytest
from dask.utils import parse_timedelta

from daskreg import cluster
from daskreg.cluster._security import LOOPBACK
from daskreg.design.passes.roster import workers_of

from .processes import family, listening


@pytest.mark.parametrize("security", [None, True], ids=["plain", "encrypted"])
def test_everything_listens_on_the_loopback(security):
    before = {process.pid for process in family()}
    with cluster.local(n_workers=2, memory_limit="512MiB", security=security) as client:
        scheme = "tls" if security else "tcp"
        assert client.scheduler.addr.startswith(f"{scheme}://{LOOPBACK}:")
        told = listening(family())
        started = set(told) - before
        assert len(started) == 2  # nothing else than the workers listens
        assert set().union(*told.values()) == {LOOPBACK}
        (worker, _) = workers_of(client).values()
        assert worker["memory_limit"] == 512 << 20
        assert worker["nthreads"] == 1
        assert client.submit(sum, [1, 2]).result() == 3
    assert client.status == "closed"
    assert client.cluster.status.name == "closed"
    assert not any(psutil.pid_exists(pid) for pid in started)


def test_the_process_ends_its_cluster_by_itself(tmp_path):
    script = tmp_path / "forgetful.py"
    script.write_text(
        "from daskreg import cluster\n"
        "import psutil\n"
        "if __name__ == '__main__':\n"
        "    client = cluster.local(1, memory_limit='512MiB')\n"
        "    print(*(one.pid for one in psutil.Process().children(recursive=True)))\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=True
    )
    pids = [int(pid) for pid in done.stdout.split()]
    assert pids
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    assert psutil.wait_procs(left, timeout=30)[1] == []


def test_it_asks_for_a_worker():
    with pytest.raises(ValueError, match="at least one worker"):
        cluster.local(n_workers=0)


def test_workers_that_start_again_and_again_are_not_given_up():
    """distributed ends a nanny whose worker is away some seconds after another loss of it."""
    name = "distributed.deploy.lost-worker-timeout"
    before = dask.config.get(name)
    with cluster.local(n_workers=1, processes=False):
        assert parse_timedelta(dask.config.get(name)) >= 600
    assert dask.config.get(name) == before
