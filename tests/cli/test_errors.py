"""Every error is one message and a status; a traceback only on request."""

from __future__ import annotations

import errno
import os

import pytest

import daskreg
from daskreg.cli import main

FIT = ["fit", "X.npy", "--y", "y.npy"]
SOON = ["--cluster-option", "timeout=1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "table.csv", "--target", "outcom"], "did you mean 'outcome'"),
        (["fit", "tabel.csv", "--target", "outcome"], "did you mean table.csv"),
        (["fit", "table.csv"], "--target NAME"),
        (["fit", "X.npy", "--y", "none.npy"], "there is no"),
        (["fit", "X.npy", "--y", "y.npy", "--memory", "lots"], "--memory"),
        (["fit", "X.npy", "--y", "y.npy", "--C", "1"], "--C has no effect"),
        (["fit", "X.npy", "--y", "y.npy", "--l1-ratio", "0.2"], "--l1-ratio has no effect"),
        (["fit", "X.npy", "--y", "y.npy", "--alpha", "-1"], "alpha"),
        (["fit", "X.npy", "--y", "y.npy", "--out", "none/model"], "does not exist"),
        (["fit", "X.npy", "--y", "table.csv"], "6 columns"),
        ([*FIT, "--workers", "1", "--scheduler", "tcp://x:1"], "choose"),
        ([*FIT, "--cluster", "local:1", "--scheduler-file", "none"], "choose"),
        ([*FIT, "--cluster", "local"], "--cluster takes local:N"),
        ([*FIT, "--cluster", "local:0"], "--cluster takes local:N"),
        ([*FIT, "--cluster", "mpi:4"], "--cluster takes local:N"),
        ([*FIT, "--cluster", "yarn:4"], "--cluster takes local:N"),
        ([*FIT, "--cluster-option", "interface=lo"], "without a cluster"),
        ([*FIT, "--workers", "1", "--cluster-option", "interface"], "takes NAME=VALUE"),
        ([*FIT, "--scheduler", "tcp://x:1", "--cluster-option", "colour=1"], "'colour'"),
        ([*FIT, "--scheduler", "nonsense"], "no address of a Dask scheduler"),
        ([*FIT, "--scheduler", "tcp://127.0.0.1:1", *SOON], "no Dask scheduler can be reached"),
        ([*FIT, "--scheduler-file", "none.json", *SOON], "still not there"),
        ([*FIT, "--cluster", "local:1", "--cluster-option", "security=none"], "has no ca.pem"),
        (["show", "X.npy"], "not a model file"),
        (["demo", "--size", "100TiB"], "free"),
        (["demo", "--scratch", "none"], "is not a folder"),
        (["nonsense"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_one_message_and_status_2(run, data, monkeypatch, arguments, message):
    monkeypatch.chdir(data)
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (data / "none").exists()


def test_debug_shows_the_traceback(run, data):
    result = run("show", data / "X.npy", "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_a_full_disk_is_told(run, data, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "X.npy.part")

    monkeypatch.setattr(os, "pwrite", full)
    result = run("demo", "--size", "1MiB", "--scratch", tmp_path, "--out", tmp_path / "model")
    assert result.exit_code == 2
    assert "the disk is full while writing X.npy.part" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bug_is_told_apart(run, data, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr(daskreg, "load", broken, raising=False)
    result = run("show", data / "X.npy")
    assert result.exit_code == 70
    assert "unexpected RuntimeError: boom" in result.stderr


def test_dask_can_adopt_the_group():
    import click

    assert isinstance(main, click.Group)
    assert main.name == "reg"
    commands = {"demo", "fit", "plan", "predict", "report", "show", "slurm-script", "warm-up"}
    assert commands == set(main.commands)
