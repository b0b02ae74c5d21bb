"""Every source of a pass that reads X once, compiled for a card:

    python -m tests.device.kernels.every_program sm_90 [--seconds 60] [--done FILE]

There are some four thousand, a third of a second each: too many for each run of the tests, which
take a sample.  ``--done`` keeps the names of those that have been compiled, to go on from there.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from pathlib import Path

from daskreg.datafit.kernels.cuda.program import MOST_FEATURES, OPTIONS, SIZES, Program
from daskreg.losses import Logistic, Squared

from .nvrtc import compiled


def every_program() -> list[Program]:
    """Return a program for each source, in an order that is a sample from its beginning on."""
    kinds = itertools.product(
        (Squared(), Logistic()), ("float32", "float64"), SIZES, (False, True), (False, True)
    )
    found: dict[tuple[object, ...], Program] = {}
    for loss, product, stored, shifted, has_offset in kinds:
        # Wide numbers are never multiplied in fewer bits, and losses of one sum ask for no offset.
        useless = SIZES[stored] > SIZES[product] or stored in ("int32", "int64")
        if useless or (has_offset and isinstance(loss, Squared)):
            continue
        for n_features in range(1, MOST_FEATURES[product] + 1):
            one = Program(loss, stored, product, n_features, shifted, has_offset)
            sizes = one.vector, one.chunks, one.rows, one.blocks_per_sm
            found.setdefault((loss.name, stored, product, shifted, has_offset, *sizes), one)
    by_source = {one.source: one for one in found.values()}
    programs = list(by_source.values())
    random.Random(0).shuffle(programs)
    return programs


def name_of(program: Program) -> str:
    """Return what tells a program from others of the same source."""
    parts = program.loss.name, program.stored, program.product, program.n_features
    return " ".join(map(str, (*parts, program.shifted, program.has_offset)))


def main() -> int:
    """Compile; return 1 where something spills."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("card")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--done", type=Path)
    options = parser.parse_args()
    lines = options.done.read_text().splitlines() if options.done and options.done.exists() else []
    done, spilled, programs = set(lines), 0, every_program()
    end = time.monotonic() + options.seconds
    for program in programs:
        name = f"{options.card} {name_of(program)}"
        if name in done or time.monotonic() > end:
            continue
        for usage in compiled(program.source, options.card, OPTIONS):
            if usage.spilled or usage.stack:
                spilled += 1
                print(f"SPILLS: {name}: {usage}", flush=True)
        done.add(name)
        if options.done:
            with options.done.open("a") as file:
                file.write(f"{name}\n")
    compiled_now = sum(f"{options.card} {name_of(program)}" in done for program in programs)
    print(f"{options.card}: {compiled_now} of {len(programs)} compiled, {spilled} spill now")
    return 1 if spilled else 0


if __name__ == "__main__":
    sys.exit(main())
