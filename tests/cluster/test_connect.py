"""Clusters that others have started: found, waited for, or refused within a bounded time."""

from __future__ import annotations

import json
import socket
import stat
import threading

import pytest

from daskreg import cluster
from daskreg.design.passes.roster import workers_of
from daskreg.exceptions import ClusterError


@pytest.fixture(scope="module")
def running():
    with cluster.local(1, memory_limit="512MiB") as client:
        yield client


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return cluster.tls_files(tmp_path_factory.mktemp("keys") / "own")


def test_address_and_file_lead_to_the_same_cluster(running, tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps(running.scheduler_info() | {"address": running.scheduler.address}))
    for where in ({"address": running.scheduler.address}, {"scheduler_file": file}):
        with cluster.connect(**where) as client:
            assert client.id != running.id
            assert client.submit(sum, [1, 2]).result() == 3
    assert running.submit(sum, [1, 3]).result() == 4  # it has been left as it was


def test_a_file_that_is_written_later_is_waited_for(running, tmp_path):
    file, looked = tmp_path / "scheduler.json", threading.Event()

    class Late(type(file)):
        def read_text(self, *args, **settings):
            looked.set()
            return super().read_text(*args, **settings)

    def write():
        looked.wait()
        file.write_text('{"addr')  # not whole
        looked.clear()
        looked.wait()
        file.write_text(json.dumps({"address": running.scheduler.address}))

    writer = threading.Thread(target=write)
    writer.start()
    from daskreg.cluster import _connect

    assert _connect._address_in(Late(file), float("inf"), 0.0) == running.scheduler.address
    writer.join()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "no address of a Dask scheduler.*missing port"),
        ("foo://somewhere:1", "begins with foo://"),
        ("tcp://127.0.0.1:port", "no address"),
    ],
)
def test_what_is_no_address(address, message):
    with pytest.raises(ValueError, match=message):
        cluster.connect(address, timeout=1)


def test_one_of_the_two_is_needed(tmp_path):
    with pytest.raises(ValueError, match="name it as scheduler_file"):
        cluster.connect(__file__)
    with pytest.raises(ValueError, match="one of the two"):
        cluster.connect()
    with pytest.raises(ValueError, match="one of the two"):
        cluster.connect("tcp://127.0.0.1:1", tmp_path)


def test_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ClusterError, match="check that it runs"):
        cluster.connect(f"tcp://127.0.0.1:{port}", timeout=1)


def test_somebody_else_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4)
            connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(ClusterError, match="no Dask scheduler can be reached"):
            cluster.connect(f"tcp://127.0.0.1:{server.getsockname()[1]}", timeout=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "still not there"), ('{"addr', "still not whole"), ("[1]", "no scheduler file")],
)
def test_files_that_lead_nowhere(tmp_path, content, message):
    file = tmp_path / "scheduler.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ClusterError, match=message):
        cluster.connect(scheduler_file=file, timeout=0.2)


def test_a_file_of_a_cluster_that_has_ended(tmp_path):
    file = tmp_path / "scheduler.json"
    with socket.create_server(("127.0.0.1", 0)) as free:
        file.write_text(json.dumps({"address": f"tcp://127.0.0.1:{free.getsockname()[1]}"}))
    with pytest.raises(ClusterError, match="a cluster that has ended"):
        cluster.connect(scheduler_file=file, timeout=1)


def test_workers_that_do_not_come():
    from distributed import LocalCluster

    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(n_workers=0, **here) as empty,
        pytest.raises(ClusterError, match=r"no worker joined.*dask worker tcp://"),
    ):
        cluster.connect(empty.scheduler_address, timeout=0.2)


def test_a_worker_is_no_scheduler(running):
    (worker,) = workers_of(running)
    with pytest.raises(ClusterError, match=r"nothing that is one answers there \(it is a Worker"):
        cluster.connect(worker, timeout=5)


def test_only_who_has_the_keys_gets_in(keys, tmp_path):
    other = cluster.tls_files(tmp_path / "other")
    with cluster.local(1, memory_limit="512MiB", security=keys) as started:
        address = started.scheduler.address
        with cluster.connect(address, security=keys) as client:
            assert client.submit(sum, [1, 2]).result() == 3
        with pytest.raises(ClusterError, match="security= needs the keys"):
            cluster.connect(address, timeout=2, security=other)
        with pytest.raises(ClusterError, match="it is encrypted"):
            cluster.connect(address, timeout=2)
        with pytest.raises(ClusterError, match="no Dask scheduler can be reached"):
            cluster.connect(address.replace("tls", "tcp"), timeout=2)


def test_keys_are_for_their_owner_alone(keys):
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    files = sorted(keys.iterdir())
    assert [file.name for file in files] == ["ca.pem", "cert.pem", "key.pem"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    with pytest.raises(ClusterError, match="is there already"):
        cluster.tls_files(keys)
    assert [path.name for path in keys.parent.iterdir()] == [keys.name]


def test_what_is_no_security(tmp_path):
    with pytest.raises(ValueError, match=r"has no ca\.pem"):
        cluster.connect("tcp://127.0.0.1:1", security=tmp_path)
    with pytest.raises(ValueError, match="True, a folder"):
        cluster.connect("tcp://127.0.0.1:1", security=3)
