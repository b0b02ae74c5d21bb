"""What is not there is named, with what to install or to do instead."""

from __future__ import annotations

import importlib.util
import signal
import sys
import threading
import types

import pytest

from daskreg import cluster
from daskreg.cluster import _client
from daskreg.cluster._security import LOOPBACK, interface_of
from daskreg.cluster._walltime import lifetime_options, seconds_of, signal_seconds
from daskreg.exceptions import ClusterError, MissingDependencyError


@pytest.mark.parametrize(
    ("module", "start", "message"),
    [
        ("dask_jobqueue", lambda: cluster.slurm(1, memory_limit="1GiB"), r"daskreg\[slurm\]"),
        ("dask_mpi", cluster.mpi, r"daskreg\[mpi\]"),
        ("mpi4py", cluster.mpi, r"daskreg\[mpi\]"),
        ("dask_cuda", cluster.cuda, r"daskreg\[cuda12\].*daskreg\[cuda13\]"),
        ("cryptography", lambda: cluster.local(1, security=True), r"daskreg\[tls\]"),
    ],
)
def test_the_extra_is_named(monkeypatch, module, start, message):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setitem(sys.modules, module, None)
    if module == "mpi4py":
        monkeypatch.setitem(sys.modules, "dask_mpi", types.ModuleType("dask_mpi"))
    with pytest.raises(MissingDependencyError, match=message):
        start()


def test_no_sbatch(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ClusterError, match=r"no sbatch on the PATH.*cluster\.local"):
        cluster.slurm(2, memory_limit="1GiB")


def test_not_under_srun(monkeypatch):
    for name in ("SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ClusterError, match=r"srun -n 6.*got no tasks"):
        cluster.slurm()
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    with pytest.raises(ClusterError, match="got 2 tasks"):
        cluster.slurm()


def needs_jobqueue() -> None:
    """Skip without dask-jobqueue; to import it here would change what Ctrl-C does."""
    if importlib.util.find_spec("dask_jobqueue") is None:
        pytest.skip("dask-jobqueue is not installed")


def test_memory_has_to_be_said(monkeypatch):
    needs_jobqueue()
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(ValueError, match="memory_limit is needed"):
        cluster.slurm(2)


def test_ctrl_c_stays_what_it_was(monkeypatch):
    """dask_jobqueue turns it into a silent exit when it is imported."""
    needs_jobqueue()
    for name in [name for name in sys.modules if name.startswith("dask_jobqueue")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="memory_limit"):
        cluster.slurm(2)
    assert signal.getsignal(signal.SIGINT) is before
    told: list[BaseException] = []

    def elsewhere() -> None:
        try:
            cluster.slurm(2, memory_limit="1GiB")
        except ClusterError as error:
            told.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in str(told[0])


def test_interfaces():
    import psutil

    name = interface_of(None)
    assert LOOPBACK in {address.address for address in psutil.net_if_addrs()[name]}
    assert interface_of(name) == name
    with pytest.raises(ValueError, match=f"no network interface 'ib9', only.*{name}"):
        interface_of("ib9")


def cuda_with(monkeypatch, start):
    """``dask_cuda`` with this in place of ``LocalCUDACluster``; CuPy seems to be installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "cupy" or find(name))
    module = types.ModuleType("dask_cuda")
    module.LocalCUDACluster = start
    monkeypatch.setitem(sys.modules, "dask_cuda", module)


def test_gpu_workers_listen_on_the_loopback(monkeypatch):
    given = {}
    cuda_with(monkeypatch, lambda **settings: given.update(settings) or "cluster")
    monkeypatch.setattr(_client, "OwningClient", lambda cluster, config: cluster)
    assert cluster.cuda(2, "8GiB", rmm_pool_size="1GiB") == "cluster"
    assert given == {
        "host": LOOPBACK,
        "dashboard_address": f"{LOOPBACK}:0",
        "threads_per_worker": 1,
        "protocol": "tcp",
        "pre_import": "cupy",
        "device_memory_limit": 0,
        "n_workers": 2,
        "memory_limit": "8GiB",
        "rmm_pool_size": "1GiB",
    }
    with pytest.raises(ValueError, match="at least one worker"):
        cluster.cuda(0)


def test_no_gpu(monkeypatch):
    def start(**_):
        raise ValueError("not enough GPUs")

    cuda_with(monkeypatch, start)
    with pytest.raises(ClusterError, match=r"NVIDIA driver.*CUDA_VISIBLE_DEVICES"):
        cluster.cuda()


@pytest.mark.parametrize(
    ("walltime", "seconds"),
    [
        ("1", 60),
        ("90", 5400),
        ("10:30", 630),
        ("01:30:00", 5400),
        ("2-0", 172800),
        ("1-12:30", 131400),
        ("1-00:00:30", 86430),
    ],
)
def test_walltimes(walltime, seconds):
    assert seconds_of(walltime) == seconds


@pytest.mark.parametrize("walltime", ["", "0", "1h", "1:2:3:4", "-5", "0:30", "unlimited"])
def test_what_is_no_walltime(walltime):
    with pytest.raises(ValueError, match="walltime must be"):
        seconds_of(walltime)


@pytest.mark.parametrize("walltime", ["10", "15", "30", "01:00:00", "24:00:00", "7-0"])
def test_workers_leave_before_slurm_ends_them(walltime):
    seconds = seconds_of(walltime)
    assert 0 < signal_seconds(walltime) < seconds / 2
    options = lifetime_options(walltime)
    if options:
        lifetime, stagger = (int(options[i].removesuffix("s")) for i in (1, 3))
        assert 0.6 * seconds <= lifetime - stagger < lifetime + stagger <= seconds - 3 * 60
    else:
        assert seconds < 15 * 60 + 1
