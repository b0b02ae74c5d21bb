"""A fit in a process of its own, to be killed.

``python -m tests.checkpoint.driver CASE FOLDER [NUMBER]``: with a number the process kills itself
at that many calls that touch the disk; whoever started it may do so at any time.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from .cases import CASES, data, results


def kill_at(number: int) -> None:
    """End this process at so many calls that write, force to the disk or rename."""
    left = iter(range(number))

    def killing(call: Any) -> Any:
        def called(*args: Any) -> Any:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args)

        return called

    os.fsync, os.replace = killing(os.fsync), killing(os.replace)


def main(name: str, folder: Path, number: int | None) -> None:
    """Fit with a checkpoint and write what was found."""
    warnings.simplefilter("ignore")
    case = CASES[name]
    X, targets = data(folder, case.kind)
    keeping = {"checkpoint": folder / "fit", "checkpoint_every": 0, "resume": "auto"}
    if number is not None:
        kill_at(number)
    print("ready", flush=True)
    model = case.make().fit(X, targets[case.target], **case.rows, **keeping)
    print("done", flush=True)
    (folder / "found").write_bytes(pickle.dumps(results(model)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
