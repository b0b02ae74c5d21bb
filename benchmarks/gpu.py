"""Passes and fits on a card, beside what the card can do at best, in one command:

    python -m benchmarks.gpu [--tests] [--check-only [--stand-in]] [--only PART ...]
                             [--size 8] [--fit-size 4] [--minutes 9] [--out FOLDER]

Each part runs in a process of its own, which can take the card with it and nothing else, and ends
when a third of the time is over at the latest; what it has found by then stays.  First come
the ceilings (copies within the card, over its link, products of matrices), which each part
measures again.  Then, for each type that X may have, the kernels are checked against float64 sums
of the host, and passes with X on the card are timed if they are right, with and without TF32; the
same for Gram matrices; passes over rows that stream from page-locked memory; whole fits, beside
this machine's processors; least squares in memory, on the card and on processors; fits whose rows
do not fit what the card may use, and stream; the tests that need a card, with ``--tests``; and at
last fits of scikit-learn, and of cuML where it is installed.

It ends with a table of all parts, and with status 2 without a card, 1 where a number is wrong or a
part has failed.  ``--check-only --stand-in`` makes the checks over numpy, without a card.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from daskreg._device import cupy_or_none, gpu_available

from .gpu_cases import Bench
from .gpu_checks import STORED, grams_are_right, passes_are_right
from .gpu_fits import fits, inner_solvers, others, streamed_fits
from .gpu_passes import ceilings, gram_pass, passes, streamed_passes

#: Seconds below which no other part begins; the part of the time that one may take at most.
LEAST, SHARE = 10.0, 1 / 3


def machine(bench: Bench) -> None:
    """Tell what the card is, and what it can do at best."""
    xp = bench.xp
    about = xp.cuda.runtime.getDeviceProperties(0)
    free, total = xp.cuda.runtime.memGetInfo()
    bench.add(
        {
            "pass": about["name"].decode(),
            "multiprocessors": about["multiProcessorCount"],
            "memory": total,
            "free": free,
            "driver": xp.cuda.runtime.driverGetVersion(),
            "cupy": xp.__version__,
        }
    )
    if not bench.check_only:
        for name, rate in ceilings(xp).items():
            bench.add({"pass": f"ceiling: {name}", "G/s": round(rate / 1e9)})


def checked_passes(stored: str, bench: Bench) -> None:
    """Check passes over X so stored, and time them if they are right."""
    if passes_are_right(bench, stored) and not bench.check_only:
        passes(bench, stored)


def checked_grams(bench: Bench) -> None:
    """Check Gram matrices, and time one if they are right."""
    if grams_are_right(bench) and not bench.check_only:
        gram_pass(bench)


#: What is checked, and what is timed alone, in their order.
CHECKED: dict[str, Callable[[Bench], None]] = {
    "machine": machine,
    **{stored: partial(checked_passes, stored) for stored in STORED},
    "Gram": checked_grams,
}
TIMED: dict[str, Callable[[Bench], None]] = {
    **{f"streamed {stored}": partial(streamed_passes, stored=stored) for stored in STORED},
    "fits": fits,
    "inner": inner_solvers,
    "streamed fits": streamed_fits,
}
#: The parts that take as long as they are given.
TESTS, OTHERS = "tests", "others"
PARTS = CHECKED | TIMED | {OTHERS: others}


def names_of(options: argparse.Namespace) -> list[str]:
    """Return the parts that are asked for, in their order."""
    found = [TESTS] if options.tests else []
    found += [*CHECKED, *([] if options.check_only else [*TIMED, OTHERS])]
    return [name for name in found if not options.only or name in options.only]


def command_of(name: str, options: argparse.Namespace, path: Path) -> list[str]:
    """Return the command that runs one part."""
    if name == TESTS:
        # To compile a kernel takes longer than to run it, and one file has most of them.
        several = ["-n", "8", "--maxprocesses", "8", "--dist", "load"]
        # Each result at once, for the time may be over before the last; what a library warns of,
        # or a library that only other tests need, is no reason to show nothing.
        lenient = ["-v", "-W", "default", "--continue-on-collection-errors"]
        return [sys.executable, "-m", "pytest", *several, *lenient, "-m", "gpu", "tests/device"]
    sizes = ["--size", str(options.size), "--fit-size", str(options.fit_size)]
    only = ["--check-only"] if options.check_only else []
    return [sys.executable, "-m", "benchmarks.gpu", "--part", name, str(path), *sizes, *only]


def in_a_process(command: list[str], timeout: float) -> str:
    """Run a command; return how it ended, in a word or two.

    What it has started ends with it: workers that stayed would hold memory of the card.
    """
    root = Path(__file__).parent.parent
    process = subprocess.Popen(command, cwd=root, start_new_session=True)
    try:
        status = process.wait(timeout)
    except subprocess.TimeoutExpired:
        return f"ended after {timeout:.0f} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return "" if status == 0 else f"failed with status {status}"


def run_parts(options: argparse.Namespace) -> int:
    """Run all parts, one after the other, and print what became of each."""
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out.absolute() / f"{datetime.now():%Y-%m-%d-%H%M%S}-gpu.jsonl"
    started, whole = time.monotonic(), 60.0 * options.minutes
    ends: dict[str, tuple[str, float]] = {}
    for name in names_of(options):
        begun = time.monotonic()
        left = started + whole - begun
        print(f"\n--- {name}", flush=True)
        if left < LEAST:
            ends[name] = "no time was left", 0.0
            continue
        ended = in_a_process(command_of(name, options, path), min(left, SHARE * whole))
        ends[name] = ended, time.monotonic() - begun
    return _summary(path, ends)


def _summary(path: Path, ends: dict[str, tuple[str, float]]) -> int:
    """Print a line for each part; return 1 where one has failed or found a wrong number."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    print(f"\n{'part':20} {'seconds':>8} {'rows':>5} {'wrong':>5}")
    right = True
    for name, (ended, took) in ends.items():
        own = [row for row in rows if row["part"] == name]
        wrong = sum(bool(row.get("wrong")) for row in own)
        right &= not wrong and not ended
        print(f"{name:20} {took:8.1f} {len(own):5} {wrong:5} {ended or 'done'}")
    print(path)
    return 0 if right else 1


def checked_by_stand_in() -> int:
    """Make all checks over numpy; return 1 where one does not hold."""
    bench = Bench(np, "checks", check_only=True)
    held = [passes_are_right(bench, stored) for stored in STORED]
    return 0 if all([*held, grams_are_right(bench)]) else 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    made.add_argument("--tests", action="store_true", help="run the tests that need a card, too")
    made.add_argument("--check-only", action="store_true", help="time nothing")
    made.add_argument("--stand-in", action="store_true", help="check over numpy, without a card")
    made.add_argument("--only", nargs="+", choices=[*PARTS, TESTS], help="these parts alone")
    made.add_argument("--size", default=8.0, type=float, help="GiB of X of passes")
    made.add_argument("--fit-size", default=4.0, type=float, help="GiB of X of fits")
    made.add_argument("--minutes", default=9.0, type=float, help="of all parts together")
    made.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    made.add_argument("--part", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    return made


def main(arguments: list[str] | None = None) -> int:
    own = parser()
    options = own.parse_args(arguments)
    if options.stand_in:
        if not options.check_only:
            own.error("--stand-in can check, but not time: add --check-only")
        return checked_by_stand_in()
    if options.part is None and not names_of(options):
        own.error("nothing to do: --only names parts that the other options leave out")
    if not gpu_available():
        print("no card here: CuPy, a driver and a device are needed", file=sys.stderr)
        return 2
    if options.part is None:
        return run_parts(options)
    name, path = options.part
    sizes = int(options.size * 2**30), int(options.fit_size * 2**30)
    bench: Any = Bench(cupy_or_none(), name, Path(path), *sizes, options.check_only)
    PARTS[name](bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())
