"""What reading costs: each format beside its own library, and passes over data larger than memory.

    python benchmarks/bench_tiers.py formats [--mib 128] [--repeat 5] [--formats npy zarr3 ...]
    python benchmarks/bench_tiers.py passes [--mib 1024] [--limit 512] [--problems 1 10 50]
    python benchmarks/bench_tiers.py cache [--mib 512] [--limit 384]

Pages of the files are dropped before each reading (``posix_fadvise``), rivals take turns, and the
least of several times counts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from daskreg.datafit import Datafit
from daskreg.design import as_design
from daskreg.design.columns import BlockSpec, Columns
from daskreg.design.passes.stream import BlockReader
from daskreg.design.recognise import open_rows
from daskreg.design.sources.base import Reader, Rows, Table
from daskreg.design.sources.raw import RawRows
from daskreg.losses import Logistic
from daskreg.problems import Problems

COLUMNS = 128
CHUNK_ROWS = 16_384
TEXT_SHARE = 1 / 4  # CSV is slow for everybody


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        {"formats": formats, "passes": passes, "cache": caches}[arguments.part](
            arguments, Path(folder)
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["formats", "passes", "cache"])
    parser.add_argument("--mib", type=int, default=128)
    parser.add_argument("--limit", type=int, default=512, help="MiB that the process may use")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--problems", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--formats", nargs="+", default=list(WRITE))
    parser.add_argument(
        "--rate", type=float, help="MB/s of a disk to pretend (npy), for all threads."
    )
    parser.add_argument("--ahead", type=int, help="Blocks in flight, for a trial.")
    parser.add_argument("--folder", help="Where the files go; default a temporary folder.")
    arguments = parser.parse_args()
    if arguments.ahead:
        from daskreg.design import terms
        from daskreg.design.passes import ahead

        terms.IN_FLIGHT = ahead.IN_FLIGHT = arguments.ahead
    return arguments


# ---------------------------------------------------------------------------- files


def values(nbytes: int) -> np.ndarray:
    """Numbers that compress as measured ones do: three digits of each."""
    rng = np.random.default_rng(0)
    tile = rng.standard_normal((CHUNK_ROWS, COLUMNS)).astype(np.float32).round(2)
    n_tiles = max(2, nbytes // tile.nbytes)
    return np.concatenate([np.roll(tile, i, axis=1) for i in range(n_tiles)])


def write_zarr(path: Path, X: np.ndarray, **settings: object) -> None:
    import zarr

    zarr.create_array(str(path), data=X, chunks=(CHUNK_ROWS, COLUMNS), **settings)


def write_sharded(path: Path, X: np.ndarray) -> None:
    import zarr

    chunks, shards = (CHUNK_ROWS // 8, COLUMNS), (CHUNK_ROWS, COLUMNS)
    zarr.create_array(str(path), data=X, chunks=chunks, shards=shards)


def write_parquet(path: Path, X: np.ndarray) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = pa.table({f"c{j}": X[:, j] for j in range(COLUMNS)})
    parquet.write_table(table, path, row_group_size=CHUNK_ROWS, use_dictionary=False)


def write_netcdf(path: Path, X: np.ndarray) -> None:
    import netCDF4

    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("row", len(X))
        file.createDimension("column", COLUMNS)
        variable = file.createVariable(
            "X", "f4", ("row", "column"), zlib=True, complevel=1, chunksizes=(CHUNK_ROWS, COLUMNS)
        )
        variable[:] = X


def write_csv(path: Path, X: np.ndarray) -> None:
    import pandas

    few = X[: int(len(X) * TEXT_SHARE)]
    pandas.DataFrame(few, columns=[f"c{j}" for j in range(COLUMNS)]).to_csv(path, index=False)


WRITE: dict[str, tuple[str, Callable[[Path, np.ndarray], None]]] = {
    "npy": ("X.npy", lambda path, X: np.save(path, X)),
    "zarr3": ("X3.zarr", write_zarr),
    "zarr3-raw": ("X0.zarr", lambda path, X: write_zarr(path, X, compressors=None)),
    "zarr2": ("X2.zarr", lambda path, X: write_zarr(path, X, zarr_format=2)),
    "zarr3-sharded": ("Xs.zarr", write_sharded),
    "parquet": ("X.parquet", write_parquet),
    "netcdf": ("X.nc", write_netcdf),
    "csv": ("X.csv", write_csv),
}


def write_apart(names: list[str], folder: Path, mib: int) -> np.ndarray:
    """Write files in a process of its own, whose memory is gone with it; returns a response."""
    for name in names:
        process = get_context("spawn").Process(target=write_one, args=(name, folder, mib))
        process.start()
        process.join()
        assert process.exitcode == 0
    n_rows = max(2, (mib << 20) // (CHUNK_ROWS * COLUMNS * 4)) * CHUNK_ROWS
    return np.random.default_rng(1).integers(0, 2, n_rows).astype(float)


def write_one(name: str, folder: Path, mib: int) -> None:
    file, write = WRITE[name]
    write(folder / file, values(mib << 20))


def drop_pages(path: Path) -> None:
    """Write what is dirty, and forget what the operating system keeps of the files."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    for file in files:
        number = os.open(file, os.O_RDONLY)
        os.fsync(number)
        os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(number)


# ---------------------------------------------------------------------------- one format each


def formats(arguments: argparse.Namespace, folder: Path) -> None:
    X = values(arguments.mib << 20)
    print(f"{X.nbytes / 2**20:.0f} MiB of {COLUMNS} columns, float32; best of {arguments.repeat}")
    print(f"{'':<15}{'MiB/s, one reading thread':^28}{'MiB a CPU second':^28}")
    head = f"{'library':>10}{'daskreg':>10}{'ratio':>8}"
    print(f"{'format':<15}{head}{head}")
    for name in arguments.formats:
        file, write = WRITE[name]
        path = folder / file
        write(path, X)
        nbytes = X.nbytes * (TEXT_SHARE if name == "csv" else 1)
        theirs, ours = [], []
        for _ in range(arguments.repeat):
            theirs.append(timed(path, LIBRARY[name]))
            rows = rows_of(path)
            ours.append(timed(path, lambda _, rows=rows: read_rows(rows)))
        best = [np.min(times, axis=0) for times in (theirs, ours)]
        line = f"{name:<15}"
        for at in (0, 1):
            speed = [nbytes / 2**20 / times[at] for times in best]
            line += f"{speed[0]:>10.0f}{speed[1]:>10.0f}{speed[1] / speed[0]:>8.2f}"
        print(line)


def timed(path: Path, read: Callable[[Path], None]) -> tuple[float, float]:
    """Seconds on the clock and of the CPU: the latter where others use the machine too."""
    drop_pages(path)
    started, cpu = time.perf_counter(), time.process_time()
    read(path)
    return time.perf_counter() - started, time.process_time() - cpu


def rows_of(path: Path) -> Rows:
    opened = open_rows(path)
    return opened.rows(opened.columns) if isinstance(opened, Table) else opened


def read_rows(rows: Rows) -> None:
    """As a shard does it, into one buffer; CSV as the census that spools it does."""
    if rows.n_rows is None:
        for part in range(rows.n_parts):
            rows.read_part(part)
        return
    reader = BlockReader(Columns(rows))
    buffer = np.empty((CHUNK_ROWS, COLUMNS), rows.dtype)
    for index, (start, stop) in enumerate(runs(rows.n_rows)):
        reader.read(BlockSpec(index, start, stop, 0), buffer[: stop - start])
    reader.close()


def runs(n: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + CHUNK_ROWS, n)) for start in range(0, n, CHUNK_ROWS))


def library_npy(path: Path) -> None:
    header = np.load(path, mmap_mode="r")
    width, n, offset = header.shape[1], header.shape[0], header.offset
    for start, stop in runs(n):
        np.fromfile(
            path, np.float32, count=(stop - start) * width, offset=offset + 4 * start * width
        )


def library_zarr(path: Path) -> None:
    import zarr

    array = zarr.open_array(path, mode="r")
    for start, stop in runs(array.shape[0]):
        array[start:stop]


def library_parquet(path: Path) -> None:
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            file.read_row_group(group, use_threads=False).to_pandas().to_numpy()


def library_netcdf(path: Path) -> None:
    import netCDF4

    with netCDF4.Dataset(path) as file:
        variable = file.variables["X"]
        variable.set_auto_maskandscale(False)
        for start, stop in runs(variable.shape[0]):
            variable[start:stop]


def library_csv(path: Path) -> None:
    import pandas

    for chunk in pandas.read_csv(path, chunksize=4096):
        chunk.to_numpy()


LIBRARY = {
    "npy": library_npy,
    "zarr3": library_zarr,
    "zarr3-raw": library_zarr,
    "zarr2": library_zarr,
    "zarr3-sharded": library_zarr,
    "parquet": library_parquet,
    "netcdf": library_netcdf,
    "csv": library_csv,
}


# ---------------------------------------------------------------------------- passes


class Nothing:
    """Looks at no number: what is left is reading."""

    name = "nothing"

    def __call__(self, block: object, state: object) -> np.ndarray:
        return np.zeros(1)


class Disk:
    """Bytes of a disk of some speed: whoever asks waits for his turn."""

    def __init__(self, rate: float) -> None:
        self.rate, self.free = rate, 0.0
        self.lock = threading.Lock()

    def wait(self, nbytes: int) -> None:
        with self.lock:
            self.free = max(self.free, time.monotonic()) + nbytes / self.rate
            until = self.free
        time.sleep(max(0.0, until - time.monotonic()))


class Throttled(Reader):
    """A reader whose bytes come from a disk of some speed."""

    def __init__(self, reader: Reader, disk: Disk) -> None:
        self.reader, self.disk = reader, disk

    def read(self, start: int, stop: int, out: np.ndarray | None = None) -> np.ndarray:
        values = self.reader.read(start, stop, out)
        self.disk.wait(values.nbytes)
        return values

    def close(self) -> None:
        self.reader.close()


class ThrottledRows(RawRows):
    """Raw rows on a disk of some speed; the pages may be in memory."""

    disk: Disk

    def open(self, values: object = ()) -> Reader:
        return Throttled(super().open(), self.disk)


def passes(arguments: argparse.Namespace, folder: Path) -> None:
    """Pass time over the time to read the streamed part, without arithmetic."""
    print(f"{arguments.mib} MiB, at most {arguments.limit} MiB of memory; seconds a pass")
    print(
        f"{'format':<12}{'K':>4}{'pinned':>8}{'blocks':>8}{'read':>9}{'pass':>9}{'kernel':>9}"
        f"{'pass/read':>11}{'pass/max':>10}"
    )
    usable = ("npy",) if arguments.rate else ("npy", "zarr3", "zarr3-raw", "parquet")
    names = [name for name in arguments.formats if name in usable]
    y = write_apart(names, folder, arguments.mib)
    for name in names:
        path = folder / WRITE[name][0]
        for n_problems in arguments.problems:
            print(f"{name:<12}{n_problems:>4}" + pass_row(arguments, path, y, n_problems))


def pass_row(arguments: argparse.Namespace, path: Path, y: np.ndarray, n_problems: int) -> str:
    limit = arguments.limit << 20
    with as_design(str(path), y, memory_limit=limit, cache="memory") as design:
        if arguments.rate:
            rows = design.placement.columns.X
            rows.__class__, rows.disk = ThrottledRows, Disk(arguments.rate * 1e6)
        alpha = np.full(n_problems, 0.1)
        datafit = Datafit(design, Logistic(), Problems.product(alpha=alpha))
        need = datafit.footprint(n_problems)
        plan = design.prepare(None, need.partial, need.temporaries, 8 * need.state)
        coef = np.zeros((COLUMNS, 1, n_problems))
        datafit.value_and_grad(coef, np.zeros((1, n_problems)))
        reads, whole, kernels = [], [], []
        for _ in range(arguments.repeat):
            drop_pages(path)
            started = time.perf_counter()
            design.sum_over_rows(Nothing())
            reads.append(time.perf_counter() - started)
            drop_pages(path)
            before, started = design.kernel_seconds, time.perf_counter()
            datafit.value_and_grad(coef, np.zeros((1, n_problems)))
            whole.append(time.perf_counter() - started)
            kernels.append((design.kernel_seconds - before) / plan.n_threads)
        pinned = plan.bytes_pinned / plan.total_bytes
    figures = min(reads), min(whole), min(kernels)
    times = "".join(f"{seconds:>9.3f}" for seconds in figures)
    ratios = figures[1] / figures[0], figures[1] / max(figures[0], figures[2])
    return f"{pinned:>8.0%}{plan.n_blocks:>8}{times}{ratios[0]:>11.2f}{ratios[1]:>10.2f}"


def caches(arguments: argparse.Namespace, folder: Path) -> None:
    """Passes from the source and from the spool, and what ``auto`` decides."""
    names = [name for name in arguments.formats if name != "csv"]
    y = write_apart(names, folder, arguments.mib)
    print(f"{arguments.mib} MiB, at most {arguments.limit} MiB of memory; seconds")
    print(f"{'format':<15}{'cache':<8}{'first pass':>11}{'later':>8}{'spooled':>10}  decision")
    for name in names:
        path = folder / WRITE[name][0]
        for cache in ("memory", "disk", "auto"):
            limit = arguments.limit << 20
            with as_design(str(path), y, memory_limit=limit, cache=cache) as design:
                datafit = Datafit(design, Logistic(), Problems.product(alpha=0.1))
                need = datafit.footprint(1)
                design.prepare(None, need.partial, need.temporaries, 8 * need.state)
                times = []
                for _ in range(1 + arguments.repeat):
                    drop_pages(path)
                    started = time.perf_counter()
                    datafit.value_and_grad(np.zeros((COLUMNS, 1, 1)), np.zeros((1, 1)))
                    times.append(time.perf_counter() - started)
                spooled = design.bytes_spooled / 2**20
                note = next((n for n in design.plan.notes if "spooled" in n), "")
            first, later = times[0], min(times[1:])
            print(f"{name:<15}{cache:<8}{first:>11.2f}{later:>8.2f}{spooled:>6.0f} MiB  {note}")


if __name__ == "__main__":
    main()
