"""From every checkpoint that a fit writes it goes on to the same model, bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daskreg.checkpoint.store import PREVIOUS

from .cases import CASES, Case, assert_equal, counted, data, recorded

#: Checkpoints of each fit that are gone on from, spread over all of them.
MOST = 5


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_from_every_checkpoint_to_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    X, targets = data(tmp_path, case.kind)
    y, path = targets[case.target], tmp_path / "fit"
    plain = case.make().fit(X, y, **case.rows)
    with recorded(monkeypatch) as written:
        kept = case.make().fit(X, y, **case.rows, checkpoint=path, checkpoint_every=0)
    assert_equal(kept, plain)
    assert kept.n_passes_ == plain.n_passes_
    assert len(written) > plain.n_passes_

    chosen = sorted({*range(0, len(written), -(-len(written) // MOST)), len(written) - 1})
    spent = []
    for number in chosen:
        path.write_bytes(written[number])
        (tmp_path / ("fit" + PREVIOUS)).unlink(missing_ok=True)
        with counted(monkeypatch) as passes:
            again = case.make().fit(X, y, **case.rows, checkpoint=path, resume=True)
        assert_equal(again, plain)
        assert plain.n_passes_ <= again.n_passes_ <= plain.n_passes_ + case.further
        spent.append(sum(passes))
    # The later the checkpoint, the less is left to read; nothing at the end.
    assert spent == sorted(spent, reverse=True)
    assert spent[-1] == 0


def test_a_pass_goes_on_at_the_blocks_that_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, targets = data(tmp_path, "file")
    case, path = CASES["gram"], tmp_path / "fit"
    y = targets["y"]
    with recorded(monkeypatch) as written:
        plain = case.make().fit(X, y, checkpoint=path, checkpoint_every=0)
    left = []
    for content in written:
        path.write_bytes(content)
        with counted(monkeypatch) as passes:
            again = case.make().fit(X, y, checkpoint=path, resume="must")
        assert_equal(again, plain)
        left.append(sum(passes))
    assert len(set(left)) >= 4  # one shard after the other, then the whole pass
    assert left[-1] == 0


def test_more_passes_go_on_where_too_few_have_ended(tmp_path: Path) -> None:
    X, targets = data(tmp_path, "file")
    case, path = CASES["fista"], tmp_path / "fit"
    y = targets["y"]
    plain = case.make().fit(X, y)
    with pytest.warns(match="max_passes"):
        short = case.make().set_params(max_passes=4).fit(X, y, checkpoint=path)
    assert short.n_passes_ == 4
    again = case.make().fit(X, y, checkpoint=path, resume=True)
    assert_equal(again, plain)
    assert again.n_passes_ == plain.n_passes_


def test_a_fit_with_a_checkpoint_costs_no_pass_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, targets = data(tmp_path, "file")
    case = CASES["quasi_newton"]
    plain = case.make().fit(X, targets["labels"])
    with counted(monkeypatch) as passes, recorded(monkeypatch) as written:
        case.make().fit(X, targets["labels"], checkpoint=tmp_path / "fit", checkpoint_every=3600)
    assert len(passes) == plain.n_passes_
    assert len(written) == 1  # at its end


class Interrupts:
    """A callback of somebody who presses Ctrl-C."""

    def on_iteration(self, event: Any) -> None:
        if event.n_iter == 2:
            raise KeyboardInterrupt


def test_a_fit_that_was_interrupted_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, targets = data(tmp_path, "file")
    case, path = CASES["fista"], tmp_path / "fit"
    y = targets["y"]
    plain = case.make().fit(X, y)
    stopped = case.make().set_params(callbacks=[Interrupts()])
    with pytest.raises(KeyboardInterrupt), pytest.warns(match="interrupted|outside"):
        stopped.fit(X, y, checkpoint=path, checkpoint_every=3600)
    with counted(monkeypatch) as passes:
        again = case.make().fit(X, y, checkpoint=path, resume=True)
    assert_equal(again, plain)
    assert len(passes) == plain.n_passes_ - 3  # what the interrupted step had seen is kept
