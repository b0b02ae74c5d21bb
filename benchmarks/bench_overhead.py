"""What a pass costs beyond its arithmetic, and what it asks of a scheduler.

    python benchmarks/bench_overhead.py passes [--blocks 1000] [--rows 128] [--passes 30]
    python benchmarks/bench_overhead.py state [--shards 8] [--mb 0.1 1 5 20]
    python benchmarks/bench_overhead.py model [--workers 2 4 8]
    python benchmarks/bench_overhead.py long [--passes 1000]

``passes``: wall time of a pass minus the kernel's time in a thread, for several numbers of shards,
and the line through them; CPU is that of this process (of scheduler and client, on a cluster),
which other users of the machine disturb less. ``state``: the ways Dask has to bring one state to
every shard. ``model``: tasks and bytes of a pass as counted by Dask, for several numbers of workers
and shards, and what that makes for 10,000 shards. ``long``: what the process of the scheduler holds
after a tenth of many passes and after all of them. Least of several times.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from daskreg.cluster import local
from daskreg.datafit import Datafit
from daskreg.design import as_design, dealing
from daskreg.design.host import process_memory
from daskreg.design.passes.roster import workers_of
from daskreg.design.passes.scheduler import FAN_IN
from daskreg.losses import Squared
from daskreg.problems import Problems

COLUMNS = 64


def main() -> None:
    arguments = parse()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    {"passes": passes, "state": states, "model": model, "long": long}[arguments.part](arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["passes", "state", "model", "long"])
    parser.add_argument("--blocks", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--passes", type=int, default=30)
    parser.add_argument("--shards", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--mb", type=float, nargs="+", default=[0.1, 1, 5, 20])
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4, 8])
    return parser.parse_args()


# ---------------------------------------------------------------------------- passes


def passes(arguments: argparse.Namespace) -> None:
    print(f"{arguments.blocks} resident blocks of {arguments.rows} x {COLUMNS} float32; ms a pass")
    print(
        f"{'scheduler':<28}{'shards':>7}{'first':>9}{'pass':>8}{'kernel':>8}{'overhead':>10}{'CPU':>9}"
    )
    with tempfile.TemporaryDirectory() as folder:
        path, y = write(Path(folder), arguments)
        figures = [report("threads", arguments, path, y, n) for n in arguments.shards]
        print(line(arguments.shards, figures))
        with local(n_workers=2, threads_per_worker=1, memory_limit="2GiB"):
            name = "LocalCluster, 2 processes"
            figures = [report(name, arguments, path, y, n) for n in arguments.shards]
        print(line(arguments.shards, figures))


def write(folder: Path, arguments: argparse.Namespace) -> tuple[str, np.ndarray]:
    rng = np.random.default_rng(0)
    n_rows = arguments.blocks * arguments.rows
    path = str(folder / "X.npy")
    np.save(path, rng.standard_normal((n_rows, COLUMNS), dtype=np.float32))
    return path, rng.standard_normal(n_rows)


def line(shards: list[int], overheads: list[float]) -> str:
    if len(shards) < 2:
        return ""
    slope, start = np.polyfit(shards, overheads, 1)
    return f"overhead = {start:.1f} ms + {slope:.2f} ms a shard\n"


def report(name: str, arguments: argparse.Namespace, path: str, y: Any, n_shards: int) -> float:
    with design_of(path, y, n_shards, arguments.rows) as design:
        datafit = Datafit(design, Squared(), Problems.product(alpha=1.0))
        coef, intercept = np.zeros((COLUMNS, 1, 1)), np.zeros((1, 1))
        walls, kernels, busy = [], [], []
        for _ in range(arguments.passes):
            before, started = design.kernel_seconds, time.perf_counter()
            cpu = time.process_time()
            datafit.value_and_grad(coef, intercept)
            busy.append(time.process_time() - cpu)
            walls.append(time.perf_counter() - started)
            kernels.append(design.kernel_seconds - before)
        plan = design.plan
        assert (plan.n_blocks, plan.n_shards) == (arguments.blocks, n_shards)
        kernel = np.array(kernels[2:]) / (plan.n_workers * plan.n_threads)
        overhead = np.min(np.array(walls[2:]) - kernel)
        seconds = (walls[0], min(walls[2:]), min(kernel), overhead, min(busy[2:]))
        figures = [1e3 * one for one in seconds]
    print(f"{name:<28}{n_shards:>7}{figures[0]:>9.1f}{figures[1]:>8.1f}{figures[2]:>8.1f}", end="")
    print(f"{figures[3]:>10.1f}{figures[4]:>9.1f}")
    return figures[3]


def design_of(path: str, y: Any, n_shards: int, rows: int) -> Any:
    """A design dealt out to so many shards, however many threads there are."""
    design = as_design(path, y, block_size=rows * COLUMNS * 4)
    before = dealing.count_shards
    dealing.count_shards = lambda *_: n_shards
    try:
        design.prepare()
    finally:
        dealing.count_shards = before
    return design


# ---------------------------------------------------------------------------- state


def states(arguments: argparse.Namespace) -> None:
    n_tasks = arguments.shards[0] if len(arguments.shards) == 1 else 8
    print(f"one state to {n_tasks} tasks on 2 processes; ms, and MB from client to scheduler")
    print(f"{'MB':>6}" + "".join(f"{name:>22}" for name in WAYS))
    with local(n_workers=2, threads_per_worker=1, memory_limit="2GiB") as client:
        addresses = sorted(workers_of(client))
        for mb in arguments.mb:
            cells = []
            for send in WAYS.values():
                try:
                    figures = measure_state(client, send, mb, n_tasks, addresses)
                    cells.append(f"{figures[0]:>12.1f}{figures[1]:>10.1f}")
                except Exception as error:  # of Dask's own ways some end in its own errors
                    cells.append(f"{type(error).__name__:>22}")
            print(f"{mb:>6g}" + "".join(cells), flush=True)


def measure_state(
    client: Any, send: Callable[..., list[Any]], mb: float, n_tasks: int, addresses: list[str]
) -> tuple[float, float]:
    """Least milliseconds, and megabytes from the client to the scheduler."""
    times, sent = [], 0
    for trial in range(6):
        payload = os.urandom(int(mb * 1e6))
        before, started = client.scheduler_comm.byte_count, time.perf_counter()
        client.gather(send(client, payload, n_tasks, addresses, f"{mb}-{trial}"))
        times.append(time.perf_counter() - started)
        sent = client.scheduler_comm.byte_count - before
    return 1e3 * min(times), sent / 1e6


def length(payload: bytes, number: int) -> int:
    return len(payload) + number


def length_of_keyword(number: int, **payload: bytes) -> int:
    return number + sum(map(len, payload.values()))


def itself(payload: bytes) -> bytes:
    return payload


def as_arguments(client: Any, payload: bytes, n: int, homes: list[str], name: str) -> list[Any]:
    return [
        client.submit(length, payload, i, pure=False, workers=[homes[i % len(homes)]])
        for i in range(n)
    ]


def as_task(client: Any, payload: bytes, n: int, homes: list[str], name: str) -> list[Any]:
    import dask

    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        state = client.submit(itself, payload, pure=False)
    return as_arguments(client, state, n, homes, name)


def as_scatter(client: Any, payload: bytes, n: int, homes: list[str], name: str) -> list[Any]:
    (state,) = client.scatter([payload], broadcast=True, hash=False)
    return as_arguments(client, state, n, homes, name)


def as_keyword(client: Any, payload: bytes, n: int, homes: list[str], name: str) -> list[Any]:
    # Dask names the task of a large keyword after the keyword: it must be new each time.
    keyword = {f"state-{name}": payload}
    return client.map(length_of_keyword, range(n), pure=False, **keyword)


WAYS: dict[str, Callable[..., list[Any]]] = {
    "task arguments": as_arguments,
    "state task": as_task,
    "scatter": as_scatter,
    "Client.map keyword": as_keyword,
}


# ---------------------------------------------------------------------------- model


def model(arguments: argparse.Namespace) -> None:
    print("a pass of small partials, and one whose partials are added on the workers")
    print(
        f"{'workers':>8}{'shards':>8}{'tree':>6}{'tasks':>7}{'to scheduler':>14}"
        f"{'to workers':>12}{'ms a pass':>11}   KiB"
    )
    seen: dict[bool, list[tuple[int, int, float, float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        path, y = write(Path(folder), arguments)
        for n_workers in arguments.workers:
            with local(n_workers, 1, "1GiB") as client:
                for n_shards in (2 * n_workers, 8 * n_workers):
                    for large in (False, True):
                        row = count(client, path, y, n_shards, arguments, large)
                        seen[large].append((n_shards, *row[:3]))
                        print(
                            f"{n_workers:>8}{n_shards:>8}{'yes' if large else 'no':>6}"
                            f"{row[0]:>7}{row[1] / 1024:>14.1f}{row[2] / 1024:>12.1f}"
                            f"{row[3]:>11.1f}"
                        )
    for large, rows in seen.items():
        print(foresee(rows, 10_000, large))


def count(
    client: Any, path: str, y: Any, n_shards: int, arguments: argparse.Namespace, large: bool
) -> tuple[int, float, float, float]:
    """Tasks, bytes to the scheduler and from it, and milliseconds of a pass."""
    with design_of(path, y, n_shards, arguments.rows) as design:
        # The plan says how large partials are; the tree does not look at them.
        design.placement.work = design.placement.work.__class__(partial_bytes=(2 << 20) * large)
        datafit = Datafit(design, Squared(), Problems.product(alpha=1.0))
        coef, intercept = np.zeros((COLUMNS, 1, 1)), np.zeros((1, 1))
        for _ in range(3):
            datafit.value_and_grad(coef, intercept)
        before, times = traffic(client), []
        for _ in range(arguments.passes):
            started = time.perf_counter()
            datafit.value_and_grad(coef, intercept)
            times.append(time.perf_counter() - started)
        time.sleep(0.2)
        after = traffic(client)
    each = [(new - old) / arguments.passes for new, old in zip(after, before, strict=True)]
    return round(each[0]), each[1], each[2], 1e3 * min(times)


def traffic(client: Any) -> tuple[int, int, int]:
    """Tasks submitted so far, bytes from the client to the scheduler, and on to the workers."""
    scheduler = client.cluster.scheduler
    to_workers = sum(comm.byte_count for comm in scheduler.stream_comms.values())
    made = sum(
        prefix.state_counts["released"] + prefix.state_counts["memory"]
        for prefix in scheduler.task_prefixes.values()
    )
    return made, client.scheduler_comm.byte_count, to_workers


def foresee(rows: list[tuple[int, int, float, float]], n_shards: int, large: bool) -> str:
    shards = [row[0] for row in rows]
    lines = [np.polyfit(shards, [row[at] for row in rows], 1) for at in (1, 2, 3)]
    tasks, to_scheduler, to_workers = (np.polyval(line, n_shards) for line in lines)
    depth = int(np.ceil(np.log(n_shards) / np.log(FAN_IN))) if large else 0
    kind = "added on the workers" if large else "small partials"
    return (
        f"{kind}: {n_shards:,} shards make {tasks:,.0f} tasks in a tree of depth {depth}, "
        f"{to_scheduler / 2**20:.1f} MiB to the scheduler ({lines[1][0]:.0f} B a shard) and "
        f"{to_workers / 2**20:.1f} MiB on to the workers"
    )


# ---------------------------------------------------------------------------- many passes


def long(arguments: argparse.Namespace) -> None:
    """Memory and books of the scheduler's process, which is this one, while passes go by."""
    print(f"{arguments.passes} passes, eight shards on 2 processes")
    print(f"{'passes':>8}{'resident MiB':>14}{'Python blocks':>15}{'tasks':>8}{'ms a pass':>11}")
    with tempfile.TemporaryDirectory() as folder, local(2, 1, "2GiB") as client:
        path, y = write(Path(folder), arguments)
        with design_of(path, y, 8, arguments.rows) as design:
            datafit = Datafit(design, Squared(), Problems.product(alpha=1.0))
            coef, intercept = np.zeros((COLUMNS, 1, 1)), np.zeros((1, 1))
            marks = [arguments.passes * share // 10 for share in (1, 2, 4, 7, 10)]
            started, before = time.perf_counter(), 0
            for number in range(1, arguments.passes + 1):
                datafit.value_and_grad(coef, intercept)
                if number in marks:
                    each = (time.perf_counter() - started) / (number - before)
                    gc.collect()
                    blocks = sys.getallocatedblocks()
                    tasks = len(client.cluster.scheduler.tasks)
                    print(
                        f"{number:>8}{process_memory() / 2**20:>14.1f}{blocks:>15,}{tasks:>8}"
                        f"{1e3 * each:>11.1f}",
                        flush=True,
                    )
                    started, before = time.perf_counter(), number


if __name__ == "__main__":
    main()
