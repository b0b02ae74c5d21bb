"""A fit as one SLURM job: scheduler, workers and program together, ended and begun again by it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ._walltime import seconds_of, signal_seconds

#: Of what SLURM gives a worker; the rest is for its nanny, and for Dask to act before SLURM does.
_SHARE = 0.9


@dataclass(frozen=True)
class Job:
    """What is asked of SLURM.

    Attributes
    ----------
    folder : str
        Where the job runs; every node has to see it.
    n_workers, threads : int
        Worker processes, and CPUs of each.
    memory : int
        Bytes of each worker, and of the program.
    walltime : str
        In SLURM's form.
    name : str
    partition, account : str or None
    array : str or None
        Such as "0-9": one fit for each number, which stands where the fit says "%a".
    interface : str or None
        Network interface of scheduler and workers; None: the job stays on one node, and on its
        loopback interface.
    tls : bool
        Whether they encrypt, with keys made by the job.
    max_restarts : int
        After so many requeues it gives up.
    extra : sequence of str
        More options of sbatch.
    """

    folder: str
    n_workers: int
    threads: int
    memory: int
    walltime: str
    name: str = "daskreg"
    partition: str | None = None
    account: str | None = None
    array: str | None = None
    interface: str | None = None
    tls: bool = False
    max_restarts: int = 100
    extra: Sequence[str] = ()

    def directives(self) -> list[str]:
        """Options of sbatch.

        Raises
        ------
        ValueError
            For a walltime that is none.
        """
        seconds_of(self.walltime)
        mebibytes = -(-self.memory // (self.threads << 20))
        number = "%A_%a" if self.array else "%j"
        options = {
            "job-name": self.name,
            "chdir": self.folder,
            "output": f"{self.name}-{number}.log",
            "open-mode": "append",  # a job that is requeued goes on in the same file
            "time": self.walltime,
            "signal": f"B:TERM@{signal_seconds(self.walltime)}",
            # The workers, and one for the scheduler and the program.
            "ntasks": self.n_workers + 1,
            "cpus-per-task": self.threads,
            "mem-per-cpu": f"{mebibytes}M",
            "nodes": None if self.interface else 1,
            "partition": self.partition,
            "account": self.account,
            "array": self.array,
        }
        named = [f"--{name}={value}" for name, value in options.items() if value is not None]
        return [*named, "--requeue", *self.extra]

    def text(self, fit: Sequence[str]) -> str:
        """Return the file for sbatch.

        Parameters
        ----------
        fit : sequence of str
            Arguments of ``daskreg fit``: with ``--checkpoint``, ``--resume auto`` and
            ``--on-signal checkpoint``, without a cluster.
        """
        python = shlex.quote(sys.executable)
        interface = shlex.quote(self.interface or "lo")
        parts = {
            "directives": "\n".join(f"#SBATCH {option}" for option in self.directives()),
            "python": python,
            "interface": interface,
            "n_workers": str(self.n_workers),
            "threads": str(self.threads),
            "memory": str(int(self.memory * _SHARE)),
            "max_restarts": str(self.max_restarts),
            "name": shlex.quote(self.name),
            "make_keys": _MAKE_KEYS.replace("@python@", python) if self.tls else "",
            "protocol": "tls" if self.tls else "tcp",
            "fit": " ".join(_argument(argument) for argument in fit),
        }
        text = _TEXT
        for name, value in parts.items():
            text = text.replace(f"@{name}@", value)
        return text


def _argument(argument: str) -> str:
    """Quote for the shell; the number in the job array is put in when the job runs."""
    return (
        '"$SLURM_ARRAY_TASK_ID"'.join(
            shlex.quote(piece) if piece else "" for piece in argument.split("%a")
        )
        or "''"
    )


_MAKE_KEYS = """
# Scheduler, workers and fit read from Dask's configuration that they encrypt, and with what.
@python@ -c 'import sys, daskreg.cluster; daskreg.cluster.tls_files(sys.argv[1])' \\
    "$work/keys" || exit 1
export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=true
export DASK_DISTRIBUTED__COMM__TLS__CA_FILE=$work/keys/ca.pem
for role in SCHEDULER WORKER CLIENT; do
    export "DASK_DISTRIBUTED__COMM__TLS__${role}__CERT=$work/keys/cert.pem"
    export "DASK_DISTRIBUTED__COMM__TLS__${role}__KEY=$work/keys/key.pem"
done
"""

_TEXT = """\
#!/usr/bin/env bash
@directives@
#
# Written by `daskreg slurm-script`; submit it with sbatch. One job holds a Dask scheduler, its
# workers and the fit. Before the time is over, or when SLURM wants the nodes back, the fit writes
# its checkpoint and ends with status 75; the job then goes back to the queue and on from there.
set -u
work=$(mktemp -d "$PWD/.@name@-$SLURM_JOB_ID-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

# The signal comes to this shell alone, which hands it to the fit, also before there is one.
fit='' asked=''
trap 'asked=1; [ -z "$fit" ] || kill -TERM "$fit" 2>/dev/null' TERM USR1
@make_keys@
cluster=(--scheduler-file "$work/scheduler.json" --interface @interface@ --protocol @protocol@)
@python@ -m distributed.cli.dask_scheduler "${cluster[@]}" --port 0 \\
    --dashboard-address 127.0.0.1:0 >"$work/scheduler.log" 2>&1 &
scheduler=$!
until [ -s "$work/scheduler.json" ]; do
    kill -0 "$scheduler" 2>/dev/null || { cat "$work/scheduler.log" >&2; exit 1; }
    sleep 0.2
done
srun --ntasks=@n_workers@ --cpus-per-task=@threads@ \\
    @python@ -m distributed.cli.dask_worker "${cluster[@]}" --nthreads @threads@ \\
    --memory-limit @memory@ --death-timeout 120 --dashboard-address 127.0.0.1:0 \\
    >"$work/workers.log" 2>&1 &
workers=$!

@python@ -m daskreg fit @fit@ \\
    --scheduler-file "$work/scheduler.json" --cluster-option n_workers=@n_workers@ \\
    --cluster-option timeout=300 &
fit=$!
[ -z "$asked" ] || kill -TERM "$fit"
# A signal ends `wait`, not the fit.
while kill -0 "$fit" 2>/dev/null; do wait "$fit"; done
wait "$fit"
status=$?
# Before it had anything to write the fit simply ends; what an earlier run has written is there.
[ -z "$asked" ] || [ "$status" != 143 ] || status=75
trap '' TERM USR1

case $status in
    0 | 3 | 75) ;;
    *) tail -n 20 "$work/scheduler.log" "$work/workers.log" >&2 ;;
esac
kill "$scheduler" "$workers" 2>/dev/null
wait "$scheduler" "$workers" 2>/dev/null
# A job that was cancelled, or that SLURM itself puts back, is left alone.
if [ "$status" = 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt @max_restarts@ ] &&
    scontrol show job "$SLURM_JOB_ID" | grep -q JobState=RUNNING; then
    echo "job $SLURM_JOB_ID goes back to the queue" >&2
    rm -rf "$work"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
"""
