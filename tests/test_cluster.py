"""The local starter listens on the loopback only and leaves nothing behind."""

from __future__ import annotations

import pytest

from daskreg import cluster


def test_everything_listens_on_the_loopback():
    with cluster.local(n_workers=1, memory_limit="512MiB") as client:
        info = client.scheduler_info()
        assert client.scheduler.addr.startswith("tcp://127.0.0.1:")
        assert [address[:16] for address in info["workers"]] == ["tcp://127.0.0.1:"]
        (worker,) = info["workers"].values()
        assert worker["memory_limit"] == 512 << 20
        assert worker["nthreads"] == 1
        server = client.cluster.scheduler.http_server
        hosts = {socket.getsockname()[0] for socket in server._sockets.values()}
        assert hosts == {"127.0.0.1"}
        assert client.submit(sum, [1, 2]).result() == 3
    assert client.status == "closed"


def test_it_asks_for_a_worker():
    with pytest.raises(ValueError, match="at least one worker"):
        cluster.local(n_workers=0)
