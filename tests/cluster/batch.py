"""Jobs of a real SLURM: submitted, watched, told to end; skipped where there is none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import daskreg

#: Minutes that anything here may take.
PATIENCE = 4 * 60
#: The package under test, wherever a job runs.
PATH = str(Path(daskreg.__file__).parents[1])
#: Four ranks on however few cores, over the loopback interface alone, also for root.
MPI = {
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_oob_tcp_if_include": "lo",
    "OMPI_MCA_btl": "self,vader",
    "OMPI_MCA_plm": "isolated",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}
ENVIRONMENT = os.environ | MPI | {"PYTHONPATH": PATH}

needs_slurm = pytest.mark.skipif(
    shutil.which("sbatch") is None or "SLURM_CONF" not in os.environ,
    reason="no SLURM: .ci/slurm start FOLDER && . FOLDER/env",
)
needs_mpi = pytest.mark.skipif(
    shutil.which("mpirun") is None, reason="no mpirun: apt-get install openmpi-bin"
)


def command(*arguments: object, cwd: Path) -> str:
    """Run a command to its end; returns what it wrote to stdout."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout


def daskreg_command(*arguments: object, cwd: Path) -> str:
    """``daskreg`` as a process."""
    return command(sys.executable, "-m", "daskreg", *arguments, cwd=cwd)


class Job:
    """A batch job, or one element of a job array."""

    def __init__(self, number: str, folder: Path) -> None:
        self.number, self.folder = number, folder

    @classmethod
    def submit(cls, script: Path, *options: object) -> Job:
        number = command("sbatch", "--parsable", *options, script, cwd=script.parent)
        return cls(number.strip(), script.parent)

    def element(self, index: int) -> Job:
        return Job(f"{self.number}_{index}", self.folder)

    def told(self, name: str) -> str:
        """A field of ``scontrol show job``."""
        shown = command("scontrol", "show", "job", self.number, cwd=self.folder)
        found = re.search(rf"\b{name}=(\S+)", shown)
        assert found is not None, shown
        return found[1]

    def wait_until(self, *states: str) -> str:
        """Wait for one of these states; fails for another one that is final."""
        end = time.monotonic() + PATIENCE
        final = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}
        while (state := self.told("JobState")) not in states:
            assert state not in final, f"{state}\n{self.log()}"
            assert time.monotonic() < end, f"still {state}\n{self.log()}"
            time.sleep(0.2)
        return state

    def log(self) -> str:
        return "\n".join(file.read_text() for file in sorted(self.folder.glob("*.log")))


def wait_for_file(path: Path, job: Job) -> None:
    """Wait until a job has written a file."""
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < end, f"no {path.name}\n{job.log()}"
        time.sleep(0.05)
