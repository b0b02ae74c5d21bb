"""``mpirun -n 4``: a scheduler, the program and two workers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .batch import ENVIRONMENT, command, needs_mpi
from .test_slurm import PROGRAM, check_program

pytestmark = [needs_mpi, pytest.mark.slow]


@pytest.mark.parametrize("security", ["", "security=True"], ids=["plain", "encrypted"])
def test_the_ranks_are_a_cluster(tmp_path, security):
    pytest.importorskip("mpi4py")
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(start=f"cluster.mpi({security})"))
    told = command("mpirun", "-n", 4, sys.executable, script, cwd=tmp_path)
    check_program(told, tmp_path)


def test_too_few_ranks(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "from daskreg import cluster, exceptions\n"
        "try:\n"
        "    cluster.mpi()\n"
        "except exceptions.ClusterError as error:\n"
        "    print(error)\n"
    )
    told = command("mpirun", "-n", 2, sys.executable, script, cwd=tmp_path)
    assert told.count("3 ranks at least, there are 2: start it with `mpirun -n 6") == 2


@pytest.mark.parametrize(("end", "status"), [("", 0), ("raise ValueError", 1)])
def test_a_program_that_does_not_close_its_cluster_ends_all_ranks(tmp_path, end, status):
    script = tmp_path / "program.py"
    script.write_text(
        "from daskreg import cluster\n"
        "if __name__ == '__main__':\n"
        "    client = cluster.mpi()\n"
        "    assert client.submit(sum, [1, 2]).result() == 3\n"
        f"    {end}\n"
    )
    done = subprocess.run(
        ["mpirun", "-n", "3", sys.executable, script],
        env=ENVIRONMENT,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
