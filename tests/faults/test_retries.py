"""Reads that fail for the moment are tried again and counted; others say which file is at fault."""

from __future__ import annotations

import errno
from typing import Any

import numpy as np
import pytest

import daskreg
from daskreg.design.columns import Columns
from daskreg.design.design import Design
from daskreg.design.passes import retries
from daskreg.design.passes.retries import Retries, RetryLog, passes, persistently
from daskreg.events import collecting
from daskreg.exceptions import DataError, MissingChunksError
from tests.design.helpers import ArrayRows, Correlate, CountingReader, make_data

N = 2000


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are noted, and not kept."""
    waits: list[float] = []
    monkeypatch.setattr(retries.time, "sleep", waits.append)
    return waits


class Flaky(ArrayRows):
    """Fails a number of times in each read of some rows, and gives a new reader each time."""

    def __init__(self, array: Any, errors: list[BaseException]) -> None:
        super().__init__(array)
        self.errors = errors
        self.n_opened = 0
        self.describe = "bucket/X.zarr"

    def cut(self, start: int, stop: int) -> Any:
        return self

    def open(self, values: Any = ()) -> Any:
        self.n_opened += 1
        return FlakyReader(self)


class FlakyReader(CountingReader):
    def read(self, start: int, stop: int, out: Any = None) -> Any:
        if start <= 700 < stop and self.rows.errors:  # type: ignore[attr-defined]
            raise self.rows.errors.pop()  # type: ignore[attr-defined]
        return super().read(start, stop, out)


class Answer(Exception):
    """What a library of object stores raises."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class Botocore(Exception):
    def __init__(self, status: int) -> None:
        super().__init__("ClientError")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


def chained(error: BaseException) -> BaseException:
    outer = ValueError("could not decode")
    outer.__cause__ = error
    return outer


PASSING = [
    TimeoutError("too slow"),
    ConnectionResetError("reset"),
    OSError(errno.EIO, "input/output error"),
    OSError(errno.ESTALE, "stale file handle"),
    Answer(503),
    Answer(429),
    Botocore(500),
    chained(TimeoutError()),
]
LASTING = [
    FileNotFoundError(errno.ENOENT, "no such file"),
    PermissionError(errno.EACCES, "denied"),
    OSError(errno.ENOSPC, "full"),
    OSError("not a file of this kind"),
    Answer(404),
    Botocore(403),
    ValueError("bad magic"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_errors_that_pass(error: BaseException) -> None:
    assert passes(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_errors_that_last(error: BaseException) -> None:
    assert not passes(error)


@pytest.mark.parametrize("error", [PASSING[0], PASSING[4]], ids=repr)
def test_a_read_that_fails_for_the_moment_costs_nothing_but_time(
    error: BaseException, no_waits: list[float]
) -> None:
    X, y = make_data(n=N)
    rows = Flaky(X, [error] * 3)
    with Design(Columns(rows, ArrayRows(y)), block_size=1 << 14) as design, collecting() as log:
        found = design.sum_over_rows(Correlate(), {"times": 1.0})
    with Design(Columns(ArrayRows(X), ArrayRows(y)), block_size=1 << 14) as design:
        np.testing.assert_array_equal(found, design.sum_over_rows(Correlate(), {"times": 1.0}))
    (event,) = log.events
    assert (event.kind, event.details["count"], event.n_pass) == ("retry", 3, 1)
    assert str(error) in event.message
    assert no_waits == [0.1, 0.2, 0.4]
    assert rows.n_opened > 3  # what may be broken is opened anew


def test_storage_that_fails_for_good_says_so() -> None:
    X, y = make_data(n=N)
    rows = Flaky(X, [TimeoutError("no answer")] * 100)
    with (
        Design(Columns(rows, ArrayRows(y)), block_size=1 << 14) as design,
        pytest.raises(DataError, match=r"bucket/X\.zarr.*again and again: try later") as error,
    ):
        design.sum_over_rows(Correlate(), {"times": 1.0})
    assert isinstance(error.value.__cause__, TimeoutError)


def test_what_is_missing_is_not_waited_for(no_waits: list[float], tmp_path: Any) -> None:
    X, y = make_data(n=N)
    path = tmp_path / "X.npy"
    np.save(path, X)
    with daskreg.design.as_design(str(path), y, block_size=1 << 14) as design:
        path.unlink()
        with pytest.raises(DataError, match=r"X\.npy cannot be opened any more: No such file"):
            design.sum_over_rows(Correlate(), {"times": 1.0})
    assert no_waits == []


def test_own_errors_are_not_tried_again(no_waits: list[float]) -> None:
    def read() -> None:
        raise MissingChunksError("gone")

    with pytest.raises(MissingChunksError):
        persistently(read, lambda: None, "rows")
    assert no_waits == []


def test_retries_add_up_and_show_a_few() -> None:
    log = RetryLog()
    for number in range(5):
        log.add(str(number))
    assert log.taken() == Retries(5, ("0", "1", "2"))
    assert log.taken() == Retries()
    assert Retries(2, ("a", "b")) + Retries(3, ("c", "d", "e")) == Retries(5, ("a", "b", "c"))
