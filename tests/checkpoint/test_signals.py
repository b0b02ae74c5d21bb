"""A signal ends a fit with a checkpoint and status 75; a second one ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from daskreg import checkpoint, load
from daskreg.callbacks import ProgressReport
from daskreg.cli import main

from .cases import CASES, assert_equal, counted, data


class Signals:
    """A callback that sends a signal to its own process, at an iteration or inside a pass."""

    def __init__(self, iteration: int = -1, rows: int = -1) -> None:
        self.iteration, self.rows, self._seen = iteration, rows, 0

    def on_iteration(self, event: Any) -> None:
        if event.n_iter == self.iteration:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_rows(self, rows: int, nbytes: int) -> None:
        before, self._seen = self._seen, self._seen + rows
        if before < self.rows <= self._seen:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("gram", {"rows": 700}),
        *((name, {"rows": 2500}) for name in ("quasi_newton", "fista", "path")),
        *((name, {"iteration": 1}) for name in ("quasi_newton", "fista", "path")),
    ],
)
def test_a_signal_ends_a_fit_that_goes_on_later(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    when: dict[str, int],
) -> None:
    case, path = CASES[name], tmp_path / "fit"
    X, targets = data(tmp_path, case.kind)
    y = targets[case.target]
    with counted(monkeypatch) as passes:
        plain = case.make().fit(X, y, **case.rows, checkpoint=tmp_path / "calm")
    model = case.make().set_params(callbacks=[Signals(**when)])
    with pytest.raises(SystemExit) as ended, checkpoint.on_signal():
        model.fit(X, y, **case.rows, checkpoint=path, checkpoint_every=3600)
    assert ended.value.code == checkpoint.STATUS == 75
    told = capsys.readouterr().err
    assert "SIGTERM" in told
    assert str(path) in told
    assert "resume" in told
    with counted(monkeypatch) as left:
        again = case.make().fit(X, y, **case.rows, checkpoint=path, resume=True)
    assert_equal(again, plain)
    assert sum(left) < sum(passes)


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)
    with checkpoint.on_signal():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)) == before


def test_without_a_fit_and_the_second_time_a_signal_does_what_it_did_before(
    tmp_path: Path,
) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    try:
        with checkpoint.on_signal(["SIGUSR1"]):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert heard == [signal.SIGUSR1]
        with checkpoint.on_signal(["SIGUSR1"]), checkpoint.signals.listening(None):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert len(heard) == 1
            assert checkpoint.signals.asked() == "SIGUSR1"
            os.kill(os.getpid(), signal.SIGUSR1)
            assert len(heard) == 2
        assert checkpoint.signals.asked() is None
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_only_the_main_thread_hears_signals() -> None:
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            with checkpoint.on_signal():
                pass
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])
    with (
        pytest.raises(ValueError, match="no signal 'SIGNOTHING'"),
        checkpoint.on_signal(["SIGNOTHING"]),
    ):
        pass


def test_the_command_line_ends_with_75_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, targets = data(tmp_path, "file")
    np.save(tmp_path / "y.npy", targets["y"])
    out, kept = tmp_path / "model.zarr.zip", tmp_path / "kept"
    command = ["fit", str(X), "--y", str(tmp_path / "y.npy"), "--solver", "fista", "--alpha", "0.1"]
    keep = ["--checkpoint", str(kept), "--on-signal", "checkpoint", "--out", str(out)]
    listen = ProgressReport.on_iteration

    def signalled(self: ProgressReport, event: Any) -> Any:
        if event.n_iter == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return listen(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(ProgressReport, "on_iteration", signalled)
        ended = CliRunner().invoke(main, [*command, *keep])
    assert ended.exit_code == 75
    assert kept.exists()
    assert not out.exists()
    refused = CliRunner().invoke(main, [*command, *keep])
    assert refused.exit_code == 2
    assert "already" in refused.stderr
    again = CliRunner().invoke(main, [*command, *keep, "--resume", "auto"])
    assert again.exit_code == 0
    assert not list(tmp_path.glob("kept*"))  # it has become a model
    plain = tmp_path / "plain.zarr.zip"
    assert CliRunner().invoke(main, [*command, "--out", str(plain)]).exit_code == 0
    np.testing.assert_array_equal(load(out).coef_, load(plain).coef_)


def test_options_that_need_a_checkpoint(tmp_path: Path) -> None:
    X, targets = data(tmp_path, "file")
    np.save(tmp_path / "y.npy", targets["y"])
    command = ["fit", str(X), "--y", str(tmp_path / "y.npy")]
    for option in (["--resume", "auto"], ["--on-signal", "checkpoint"]):
        ended = CliRunner().invoke(main, [*command, *option])
        assert ended.exit_code == 2
        assert "needs --checkpoint" in ended.stderr
