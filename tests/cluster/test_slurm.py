"""A real SLURM: worker jobs, jobs that end before the fit does, the script as it is written."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import daskreg
from daskreg import Lasso, cluster
from daskreg.cluster._security import LOOPBACK
from daskreg.design.passes.roster import workers_of
from daskreg.exceptions import ClusterError

from . import limited
from .batch import (
    PATH,
    Job,
    command,
    daskreg_command,
    needs_mpi,
    needs_slurm,
    wait_for_file,
)
from .processes import family, listening, mentioning

pytestmark = [needs_slurm, pytest.mark.slow]
MEMORY = "600MiB"


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    common = rng.normal(size=(4000, 1))
    return common + 0.3 * rng.normal(size=(4000, 40))


@pytest.fixture
def y(X):
    return X[:, :4].sum(axis=1) + np.random.default_rng(1).normal(size=len(X))


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", PATH)
    return str(tmp_path / "logs")


def jobs_of(client) -> list[str]:
    return [worker.job_id for worker in client.cluster.workers.values() if worker.job_id]


@pytest.mark.parametrize("security", [None, True], ids=["plain", "encrypted"])
def test_workers_are_jobs_and_listen_on_the_loopback(X, y, logs, security):
    with cluster.slurm(2, memory_limit=MEMORY, security=security, log_directory=logs) as client:
        workers = workers_of(client)
        assert len(workers) == 2
        told = listening([*family(), *mentioning(client.scheduler.address)])
        assert len(told) >= 5  # this process, two workers and their nannies
        assert {pid: hosts for pid, hosts in told.items() if hosts != {LOOPBACK}} == {}
        found = Lasso(0.1, block_size="64KiB").fit(X, y)
        jobs = jobs_of(client)
    np.testing.assert_array_equal(found.coef_, Lasso(0.1, block_size="64KiB").fit(X, y).coef_)
    assert len(jobs) == 2
    for job in jobs:
        Job(job, Path(logs)).wait_until("CANCELLED", "COMPLETED")


class Cancelling:
    """Cancels a worker's job in the middle of a fit, and waits for nothing."""

    def __init__(self, job: str, at: int) -> None:
        self.job, self.at, self.done = job, at, False

    def on_iteration(self, event) -> None:
        if event.n_iter == self.at and not self.done:
            self.done = True
            subprocess.run(["scancel", self.job], check=True)


def test_a_worker_job_that_is_cancelled_is_replaced(X, y, logs):
    settings = {"block_size": "64KiB", "solver": "fista", "tol": 1e-7, "max_iter": 5000}
    calm = Lasso(0.01, **settings).fit(X, y)
    with cluster.slurm(2, memory_limit=MEMORY, log_directory=logs) as client:
        before = set(jobs_of(client))
        cancelling = Cancelling(min(before), at=20)
        found = Lasso(0.01, callbacks=[cancelling], **settings).fit(X, y)
        assert cancelling.done
        assert found.n_iter_ > 20
        client.wait_for_workers(2, timeout=60)
        assert len(set(jobs_of(client)) - before) == 1
    np.testing.assert_array_equal(found.coef_, calm.coef_)
    assert found.n_iter_ == calm.n_iter_


def test_a_job_that_slurm_refuses(logs):
    with pytest.raises(ClusterError, match=r"SLURM refuses.*invalid partition"):
        cluster.slurm(1, memory_limit=MEMORY, queue="nowhere")


def test_jobs_that_do_not_start(logs):
    held = {"job_extra_directives": ["--hold"], "job_name": "held"}
    with pytest.raises(ClusterError, match=r"no worker joined .* within 1 s: `squeue --me`"):
        cluster.slurm(1, memory_limit=MEMORY, timeout=1, **held)
    assert command("squeue", "--name=held", "-h", cwd=Path(logs).parent) == ""


@pytest.mark.parametrize("security", ["", "security=True"], ids=["plain", "encrypted"])
def test_the_tasks_of_srun_are_a_cluster(tmp_path, security):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(start=f"cluster.slurm({security})"))
    told = command("srun", "-n", 4, sys.executable, script, cwd=tmp_path)
    check_program(told, tmp_path)


PROGRAM = """
import numpy as np, psutil, sys
from daskreg import Lasso, cluster
from daskreg.design.passes.roster import workers_of
if __name__ == "__main__":
    with cluster.{start} as client:
        hosts = lambda: [s.laddr.ip for s in psutil.Process().net_connections("inet")
                         if s.status == psutil.CONN_LISTEN]
        found = [hosts(), client.run_on_scheduler(hosts), *client.run(hosts).values()]
        print("listening", *sorted(set(sum(found, []))))
        print("workers", len(workers_of(client)))
        X = np.random.default_rng(0).normal(size=(400, 5))
        print("coef", Lasso(0.1, block_size=4096).fit(X, X[:, 0]).coef_.tobytes().hex())
    print("ended")
""".replace("cluster.{start}", "{start}")


def check_program(told: str, folder: Path) -> None:
    """What the program says, once: the scheduler and the workers are silent."""
    X = np.random.default_rng(0).normal(size=(400, 5))
    expected = Lasso(0.1, block_size=4096).fit(X, X[:, 0]).coef_.tobytes().hex()
    assert told.split("\n") == [
        f"listening {LOOPBACK}",
        "workers 2",
        f"coef {expected}",
        "ended",
        "",
    ]
    assert [path.name for path in folder.iterdir()] == ["program.py"]


@pytest.mark.parametrize(
    ("before", "where"),
    [
        ([], ["--cluster", "slurm:2", "--cluster-option", "log_directory=logs"]),
        (["srun", "-n", 4], ["--cluster", "slurm"]),
        pytest.param(["mpirun", "-n", 4], ["--cluster", "mpi"], marks=needs_mpi),
    ],
    ids=["jobs", "srun", "mpirun"],
)
def test_on_the_command_line(tmp_path, X, y, before, where):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    fit = *("fit", "X.npy", "--y", "y.npy", "--alpha", 0.1, "--quiet"), "--memory", MEMORY, "--out"
    daskreg_command(*fit, "calm", cwd=tmp_path)
    told = command(*before, sys.executable, "-m", "daskreg", *fit, "model", *where, cwd=tmp_path)
    assert told.count("status     converged") == 1
    coef = [daskreg.load(tmp_path / name).coef_ for name in ("calm", "model")]
    np.testing.assert_array_equal(*coef)


def test_jobs_that_are_limited_end_with_the_models_of_calm_ones(tmp_path):
    job = tmp_path / "array.sh"
    job.write_text(
        "#!/usr/bin/env bash\n"
        "#SBATCH --array=1-2 --time=1 --signal=B:TERM@20 --requeue --open-mode=append\n"
        f"#SBATCH --mem=600M --output={tmp_path}/%a.log\n"
        "trap 'kill -TERM $fit' TERM\n"
        f"{sys.executable} -m tests.cluster.limited {tmp_path} $SLURM_ARRAY_TASK_ID &\n"
        "fit=$!\n"
        "while kill -0 $fit 2>/dev/null; do wait $fit; done\n"
        "wait $fit; status=$?\n"
        "[ $status != 75 ] || scontrol requeue $SLURM_JOB_ID\n"
        "exit $status\n"
    )
    array = Job.submit(job, "--chdir", Path(__file__).parents[2])
    for number in (1, 2):
        array.element(number).wait_until("COMPLETED")
        assert int(array.element(number).told("Restarts")) >= 1
        starts = (tmp_path / f"starts-{number}").read_text().split()
        assert starts[:2] == ["0", "1"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it does not converge: it is to take its time
            calm = limited.model(number, 0).fit(*limited.data())
        with np.load(tmp_path / f"{number}.npz") as found:
            np.testing.assert_array_equal(found["coef"], calm.coef_)
            assert found["n_iter"] == calm.n_iter_ == limited.ITERATIONS


def test_the_script_is_submitted_as_it_is_written(tmp_path, X, y):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    fit = (
        *("X.npy", "--y", "y.npy", "--alpha", 0.002, "--solver", "fista"),
        *("--tol", 1e-9, "--max-iter", 100_000, "--quiet"),
    )
    daskreg_command("fit", *fit, "--out", "calm", cwd=tmp_path)
    script = tmp_path / "job.sh"
    daskreg_command(
        *("slurm-script", "--script", script, "--workers", 2, "--memory-per-worker", MEMORY),
        *("--walltime", 5, "--array", "1-2", "--tls", "--"),
        *(*fit, "--out", "model-%a", "--checkpoint-every", 0.1),
        cwd=tmp_path,
    )
    array = Job.submit(script)
    jobs = {number: array.element(number) for number in (1, 2)}
    for number, job in jobs.items():
        wait_for_file(tmp_path / f"model-{number}.checkpoint", job)
        command("scancel", "--batch", "--signal=TERM", job.number, cwd=tmp_path)
    calm = daskreg.load(tmp_path / "calm")
    for number, job in jobs.items():
        job.wait_until("COMPLETED")
        assert job.told("Restarts") == "1"
        assert f"the checkpoint model-{number}.checkpoint is written" in job.log()
        found = daskreg.load(tmp_path / f"model-{number}")
        np.testing.assert_array_equal(found.coef_, calm.coef_)
        assert not (tmp_path / f"model-{number}.checkpoint").exists()
    assert not list(tmp_path.glob(".daskreg-*"))  # keys, and what leads to the scheduler


def test_a_cancelled_job_stays_cancelled(tmp_path, X, y):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    script = tmp_path / "job.sh"
    daskreg_command(
        *("slurm-script", "--script", script, "--workers", 2, "--memory-per-worker", MEMORY, "--"),
        *("X.npy", "--y", "y.npy", "--alpha", 0.002, "--solver", "fista", "--tol", 1e-12),
        *("--max-iter", 1_000_000, "--out", "model", "--checkpoint-every", 0.1),
        cwd=tmp_path,
    )
    job = Job.submit(script)
    wait_for_file(tmp_path / "model.checkpoint", job)
    told = listening(mentioning(f"{tmp_path}/.daskreg-"))
    assert len(told) >= 5  # the scheduler, two workers and their nannies
    assert {pid: hosts for pid, hosts in told.items() if hosts != {LOOPBACK}} == {}
    command("scancel", job.number, cwd=tmp_path)
    job.wait_until("CANCELLED")
    end = time.monotonic() + 30
    while list(tmp_path.glob(".daskreg-*")) and time.monotonic() < end:
        threading.Event().wait(0.2)
    assert job.told("JobState") == "CANCELLED"
    assert job.told("Restarts") == "0"
