"""Each format beside its own library: the same blocks, read by one thread."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from process import drop_from_cache
from tier_files import CHUNK_ROWS, COLUMNS, TEXT, TEXT_SHARE, runs, values, write

from daskreg.design.columns import BlockSpec, Columns
from daskreg.design.passes.stream import BlockReader
from daskreg.design.recognise import open_rows
from daskreg.design.sources.base import Rows, Table


def formats(arguments: argparse.Namespace, folder: Path) -> None:
    """Print MiB a second, on the clock and of the CPU, of each library and of daskreg."""
    X = values(arguments.mib << 20)
    print(f"{X.nbytes / 2**20:.0f} MiB of {COLUMNS} columns, float32; best of {arguments.repeat}")
    print(f"{'':<15}{'MiB/s, one reading thread':^28}{'MiB a CPU second':^28}{'median':>8}")
    head = f"{'library':>10}{'daskreg':>10}{'ratio':>8}"
    print(f"{'format':<15}{head}{head}{'ratio':>8}")
    for name in arguments.formats:
        path = write(name, folder, X)
        nbytes = X.nbytes * (TEXT_SHARE if name in TEXT else 1)
        theirs, ours = [], []
        for _ in range(arguments.repeat):
            theirs.append(timed(path, lambda path=path, name=name: LIBRARY[name](path)))
            rows = rows_of(path)
            ours.append(timed(path, lambda rows=rows: read_rows(rows)))
        best = [np.min(times, axis=0) for times in (theirs, ours)]
        line = f"{name:<15}"
        for at in (0, 1):
            speed = [nbytes / 2**20 / times[at] for times in best]
            line += f"{speed[0]:>10.0f}{speed[1]:>10.0f}{speed[1] / speed[0]:>8.2f}"
        middle = [np.median(times, axis=0)[1] for times in (theirs, ours)]
        print(f"{line}{middle[0] / middle[1]:>8.2f}", flush=True)


def timed(path: Path, read: Callable[[], None]) -> tuple[float, float]:
    """Return seconds on the clock and of the CPU: the latter where others use the machine too."""
    drop_from_cache(path)
    started, cpu = time.perf_counter(), time.process_time()
    read()
    return time.perf_counter() - started, time.process_time() - cpu


def rows_of(path: Path) -> Rows:
    """Open a file as daskreg does."""
    opened = open_rows(path)
    return opened.rows(opened.columns) if isinstance(opened, Table) else opened


def read_rows(rows: Rows) -> None:
    """Read as a shard does it, into one buffer; CSV as the census that spools it does."""
    if rows.n_rows is None:
        for part in range(rows.n_parts):
            rows.read_part(part)
        return
    reader = BlockReader(Columns(rows))
    buffer = np.empty((CHUNK_ROWS, COLUMNS), rows.dtype)
    for index, (start, stop) in enumerate(runs(rows.n_rows)):
        reader.read(BlockSpec(index, start, stop, 0), buffer[: stop - start])
    reader.close()


def library_npy(path: Path) -> None:
    """Read by ``np.fromfile``."""
    header = np.load(path, mmap_mode="r")
    width, n, offset = header.shape[1], header.shape[0], header.offset
    for start, stop in runs(n):
        np.fromfile(
            path, np.float32, count=(stop - start) * width, offset=offset + 4 * start * width
        )


def library_zarr(path: Path) -> None:
    """Read by slices of a zarr array."""
    import zarr

    array = zarr.open_array(path, mode="r")
    for start, stop in runs(array.shape[0]):
        array[start:stop]


def library_parquet(path: Path) -> None:
    """Read row groups into rows, by way of pandas."""
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            file.read_row_group(group, use_threads=False).to_pandas().to_numpy()


def library_netcdf(path: Path) -> None:
    """Read by slices of a variable."""
    import netCDF4

    with netCDF4.Dataset(path) as file:
        variable = file.variables["X"]
        variable.set_auto_maskandscale(False)
        for start, stop in runs(variable.shape[0]):
            variable[start:stop]


def library_csv(path: Path) -> None:
    """Parse by pandas, some thousand rows at a time."""
    import pandas

    for chunk in pandas.read_csv(path, chunksize=4096):
        chunk.to_numpy()


def library_csv_rows(path: Path) -> None:
    """The same, each frame laid out by rows: what products of a tile need."""
    import pandas

    for chunk in pandas.read_csv(path, chunksize=4096):
        np.ascontiguousarray(chunk.to_numpy())


LIBRARY: dict[str, Callable[[Path], None]] = {
    "npy": library_npy,
    "zarr3": library_zarr,
    "zarr3-raw": library_zarr,
    "zarr2": library_zarr,
    "zarr3-sharded": library_zarr,
    "parquet": library_parquet,
    "netcdf": library_netcdf,
    "csv": library_csv,
    "csv-rows": library_csv_rows,
}
