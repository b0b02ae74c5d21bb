"""Progress: the pace is arithmetic, the report is one line an iteration or a bar."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace

import pytest

from daskreg.callbacks import Pace, ProgressReport, Rows, fold, listener
from daskreg.solvers import Progress


def event(n_passes, gap=math.nan, violation=math.nan, n_active=1):
    return Progress(
        n_iter=n_passes,
        n_passes=n_passes,
        gap=gap,
        violation=violation,
        objective=0.5,
        n_nonzero=3,
        n_active=n_active,
    )


def paced(gaps, seconds=2.0, **settings):
    """A pace after one pass every ``seconds`` with these gaps."""
    now = [0.0]
    pace = Pace(clock=lambda: now[0], **settings)
    for number, gap in enumerate(gaps, 1):
        now[0] += seconds
        pace.update(number, gap)
    return pace


def test_a_tenfold_decay_a_pass_foresees_the_end():
    pace = paced([1e-1, 1e-2, 1e-3], tol=1e-6, pass_bytes=10**9)
    assert pace.seconds_per_pass == pytest.approx(2.0)
    assert pace.bytes_per_second == pytest.approx(0.5e9)
    assert pace.seconds_left == pytest.approx(3 * 2.0)
    assert pace.fraction == pytest.approx(2 / 5)


def test_what_is_not_known_is_nan():
    assert math.isnan(paced([]).seconds_per_pass)
    assert math.isnan(paced([0.1]).seconds_left)
    assert math.isnan(paced([0.1, 0.2]).seconds_left)
    assert math.isnan(paced([0.1, 0.1 * (1 - 1e-9)]).seconds_left)  # it hardly falls
    assert math.isnan(paced([math.nan, math.nan]).seconds_left)
    assert paced([math.nan]).fraction == 0.0
    assert math.isnan(paced([0.1]).bytes_per_second)


def test_the_end_is_the_end():
    pace = paced([0.1, 1e-9], tol=1e-6)
    assert pace.seconds_left == 0.0
    assert pace.fraction == 1.0
    assert paced([0.0], tol=1e-6).fraction == 1.0


def test_plain_lines_where_there_is_no_terminal():
    stream = io.StringIO()
    with ProgressReport(tol=1e-3, n_rows=10, stream=stream) as report:
        report.on_rows(5, 25_000_000)
        report.on_iteration(event(0, 1e-1))  # the loop counts from the pass before it
        report.on_iteration(event(1, 1e-4, n_active=0))
        report.on_iteration(event(2, violation=2e-5, n_active=4))
    lines = stream.getvalue().splitlines()
    told = [line.split("  ") for line in lines]
    assert told[0] == ["pass 1", "gap 1.0e-01", "objective 0.5", "nonzeros 3", "25.0 MB read"]
    assert told[1][:2] == ["pass 2", "gap 1.0e-04"]
    assert told[2][:2] == ["pass 3", "violation 2.0e-05"]
    assert "4 problems go on" in told[2]


def test_a_log_is_not_drowned():
    stream = io.StringIO()
    with ProgressReport(stream=stream) as report:
        for number in range(1000):
            report.on_iteration(event(number, 0.1))
        report.on_iteration(event(1000, 1e-9, n_active=0))
    lines = stream.getvalue().splitlines()
    assert 11 <= len(lines) < 50
    assert lines[-1].startswith("pass 1001")


def test_a_live_bar_ends_with_its_block():
    stream = io.StringIO()
    with ProgressReport(tol=1e-3, n_rows=10, stream=stream, live=True) as report:
        report.on_rows(5, 100)
        report.on_iteration(event(1, 1e-1))
        report.on_rows(15, 100)
    assert "gap" in stream.getvalue()
    report.on_iteration(event(2, 1e-2))
    assert "pass 3" in stream.getvalue()


def test_a_pass_says_percent_speed_and_time_left():
    now = [0.0]
    rows = Rows(100, 2 * 10**9, clock=lambda: now[0])
    assert str(rows) == ""
    now[0] = 1.0
    rows.add(25)
    assert str(rows).split() == ["25%", "0.50", "GB/s", "3", "s", "left"]
    now[0] = 4.0
    rows.add(75)
    assert (rows.number, str(rows).split()) == (1, ["100%", "0.50", "GB/s"])
    rows.add(0)  # workers may have nothing to tell
    assert (rows.number, rows.done) == (1, 100)
    now[0] = 5.0
    rows.add(50)  # the second pass is timed from the end of the first
    assert (rows.number, str(rows).split()) == (2, ["50%", "1.00", "GB/s", "1", "s", "left"])
    rows.add(75)
    assert (rows.number, rows.done) == (3, 25)


def test_rows_of_unknown_number_say_nothing():
    rows = Rows()
    rows.add(5)
    assert (rows.number, rows.done, str(rows)) == (1, 0, "")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_moves_inside_the_only_pass():
    stream = Terminal()
    with ProgressReport(stream=stream, live=True) as report:
        report.on_plan(SimpleNamespace(n_rows=1000, total_bytes=10**9))
        report.on_rows(450, 0)
        report._screen._bars.refresh()
        shown = stream.getvalue()
        report.on_rows(550, 0)
        report.on_iteration(event(0, 1e-9, n_active=0))
    assert "45%" in shown
    assert "B/s" in shown
    assert "left" in shown
    assert "pass 1  gap 1.0e-09  objective 0.5  nonzeros 3" in stream.getvalue().splitlines()[-1]


def test_a_failed_fit_leaves_no_bar():
    stream = Terminal()
    with (
        pytest.raises(ValueError, match="no such column"),
        ProgressReport(stream=stream, live=True),
    ):
        raise ValueError("no such column")
    assert stream.getvalue().endswith("\x1b[2K")  # the bar's lines are erased


def test_long_lines_go_on_below_their_text():
    text = "short      line\nnote       a sentence that is too long for the terminal"
    assert fold(text, 40).splitlines() == [
        "short      line",
        "note       a sentence that is too long",
        "           for the terminal",
    ]
    assert fold(text, 100) == text


def test_rows_reach_every_callback_that_hears_them():
    heard = []

    class Hears:
        def on_rows(self, rows, nbytes):
            heard.append((rows, nbytes))

    assert listener([object()]) is None
    listener([Hears(), object(), Hears()])(5, 40)
    assert heard == [(5, 40), (5, 40)]
