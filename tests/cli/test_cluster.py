"""``--cluster`` and its kin, and what ``slurm-script`` writes."""

from __future__ import annotations

import json
import subprocess
import urllib.request

import numpy as np
import pytest

import daskreg
from daskreg import cluster
from daskreg.cli._cluster import starter

SCRIPT = ("slurm-script", "--workers", 3, "--memory-per-worker", "2GiB")
NONE = {
    "cluster": None,
    "workers": 0,
    "scheduler": None,
    "scheduler_file": None,
    "cluster_settings": (),
    "memory": 5,
}


@pytest.fixture
def fit(data):
    return ("fit", data / "X.npy", "--y", data / "y.npy", "--alpha", 0.1, "--memory", "1GiB")


def test_every_way_to_a_cluster_gives_the_same_model(run, fit, tmp_path):
    def model(*where):
        done = run(*fit, *where, "--out", tmp_path / "model")
        assert done.exit_code == 0, done.output
        return daskreg.load(tmp_path / "model").coef_

    expected = model()
    file = tmp_path / "scheduler.json"
    with cluster.local(1, memory_limit="1GiB") as client:
        file.write_text(json.dumps({"address": client.scheduler.address}))
        for where in (["--scheduler", client.scheduler.address], ["--scheduler-file", file]):
            np.testing.assert_array_equal(model(*where), expected)
    np.testing.assert_array_equal(model("--cluster", "local:1"), expected)


def test_the_page_of_fits_is_served_and_knows_the_fit(run, fit):
    with cluster.local(1, memory_limit="1GiB") as client:
        done = run(*fit, "--scheduler", client.scheduler.address, "--dashboard", "--quiet")
        assert done.exit_code == 0, done.output
        page = next(
            line.split()[-1] for line in done.stderr.splitlines() if line.startswith("dashboard ")
        )
        with urllib.request.urlopen(page, timeout=10) as answer:
            assert (answer.status, answer.url) == (200, page)

        def told(dask_scheduler):
            return [
                one.status for one in dask_scheduler.plugins["daskreg-dashboard"].fits.latest(1)
            ]

        assert client.run_on_scheduler(told) == ["converged"]
    refused = run(*fit, "--dashboard")
    assert refused.exit_code == 2
    assert "--dashboard needs a cluster" in refused.output


@pytest.mark.parametrize(
    ("options", "function", "arguments", "settings"),
    [
        ({"workers": 4}, "local", (), {"n_workers": 4, "memory_limit": 5}),
        ({"cluster": "local:4"}, "local", (), {"n_workers": 4, "memory_limit": 5}),
        ({"cluster": "slurm"}, "slurm", (), {"memory_limit": 5}),
        ({"cluster": "mpi"}, "mpi", (), {"memory_limit": 5}),
        ({"cluster": "cuda:2"}, "cuda", (), {"n_workers": 2, "memory_limit": 5}),
        ({"scheduler": "tcp://x:1"}, "connect", ("tcp://x:1",), {}),
        ({"scheduler_file": "f"}, "connect", (), {"scheduler_file": "f"}),
        (
            {
                "cluster": "slurm:4",
                "cluster_settings": (
                    *("walltime=02:00:00", "interface=ib0", "security=true"),
                    *('job-extra-directives=["--qos=x"]', "threads_per_worker=2"),
                ),
            },
            "slurm",
            (),
            {
                "n_workers": 4,
                "memory_limit": 5,
                "walltime": "02:00:00",
                "interface": "ib0",
                "security": True,
                "job_extra_directives": ["--qos=x"],
                "threads_per_worker": 2,
            },
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_options_reach_the_starter(monkeypatch, options, function, arguments, settings):
    called = []
    monkeypatch.setattr(cluster, function, lambda *a, **s: called.append((a, s)))
    start = starter(NONE | options)
    assert start is not None
    start()
    assert called == [(arguments, settings)]


def test_without_options_there_are_threads():
    assert starter(NONE) is None


@pytest.fixture
def script(run, data, monkeypatch):
    monkeypatch.chdir(data)

    def written(*options, out="model"):
        done = run(*SCRIPT, *options, "--", "X.npy", "--y", "y.npy", "--out", out)
        assert done.exit_code == 0, done.output
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)
        return done.stdout

    return written


def directives(text):
    return [line.split(" ", 1)[1] for line in text.splitlines() if line.startswith("#SBATCH")]


def test_the_script_asks_for_what_was_said(script, data):
    asked = directives(script("--walltime", "02:00:00", "--partition", "short", "--threads", 2))
    for option in (
        *(f"--chdir={data}", "--time=02:00:00", "--signal=B:TERM@60", "--requeue"),
        *("--ntasks=4", "--cpus-per-task=2", "--mem-per-cpu=1024M", "--partition=short"),
        *("--nodes=1", "--open-mode=append"),
    ):
        assert option in asked
    assert not [option for option in asked if option.startswith(("--account", "--array"))]


def test_one_node_unless_a_network_is_named(script):
    narrow, wide = script(), script("--interface", "ib0", "--sbatch", "--qos=high")
    assert "--interface lo " in narrow
    assert "--interface ib0 " in wide
    assert not [option for option in directives(wide) if option.startswith("--nodes")]
    assert "--qos=high" in directives(wide)


def test_the_fit_of_a_script_can_be_ended_and_goes_on(script):
    text = script()
    line = next(line for line in text.splitlines() if " daskreg fit " in line)
    assert "--checkpoint model.checkpoint --resume auto --on-signal checkpoint" in line


def test_encrypted_only_on_request(script):
    assert "TLS" not in script()
    assert "--protocol tcp" in script()
    assert "tls_files" in script("--tls")
    assert "--protocol tls" in script("--tls")


def test_each_job_of_an_array_has_files_of_its_own(script):
    text = script("--array", "1-3", out="it's %a/model-%a")
    (line,) = (line for line in text.splitlines() if " daskreg fit " in line)
    told = subprocess.run(
        ["bash", "-c", f"SLURM_ARRAY_TASK_ID=7; printf '%s\\n' {line.partition('fit ')[2][:-1]}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told[told.index("--out") + 1] == "it's 7/model-7"
    assert told[told.index("--checkpoint") + 1] == "it's 7/model-7.checkpoint"


def test_a_script_in_a_file_can_be_run(run, data, tmp_path, monkeypatch):
    monkeypatch.chdir(data)
    job = tmp_path / "job.sh"
    done = run(*SCRIPT, "--script", job, "--", "X.npy", "--y", "y.npy", "--out", "model")
    assert done.exit_code == 0, done.output
    assert job.read_text().startswith("#!/usr/bin/env bash\n#SBATCH ")
    assert job.stat().st_mode & 0o100


@pytest.mark.parametrize(
    ("options", "fit", "message"),
    [
        ([], ["X.npy", "--y", "y.npy"], "add --out FILE"),
        ([], ["X.npy", "--y", "y.npy", "--out", "m", "--workers", "2"], "leave --workers out"),
        ([], ["X.npy", "--y", "none.npy", "--out", "m"], "there is no"),
        ([], ["X.npy", "--out", "m"], "--target NAME"),
        ([], ["X.npy", "--y", "y.npy", "--out", "m", "--colour", "1"], "--colour"),
        ([], ["X.npy", "--y", "y.npy", "--out", "m", "--C", "1"], "--C has no effect"),
        (["--walltime", "1h"], ["X.npy", "--y", "y.npy", "--out", "m"], "walltime must be"),
        (["--array", "1-3"], ["X.npy", "--y", "y.npy", "--out", "m"], "put %a into --out"),
        ([], ["X-%a.npy", "--y", "y.npy", "--out", "m"], "add --array"),
        ([], [], "FIT_ARGUMENTS"),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_no_job_should_find_out_hours_later(run, data, monkeypatch, options, fit, message):
    monkeypatch.chdir(data)
    done = run(*SCRIPT, *options, "--", *fit)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
