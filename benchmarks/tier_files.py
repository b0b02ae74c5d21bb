"""Files of one matrix in every format, written for the benchmark of reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

COLUMNS = 128
CHUNK_ROWS = 16_384
TEXT_SHARE = 1 / 4  # CSV is slow for everybody


def values(nbytes: int) -> Array:
    """Return numbers that compress as measured ones do: three digits of each."""
    rng = np.random.default_rng(0)
    tile = rng.standard_normal((CHUNK_ROWS, COLUMNS)).astype(np.float32).round(2)
    return np.concatenate([np.roll(tile, i, axis=1) for i in range(n_chunks(nbytes))])


def n_chunks(nbytes: int) -> int:
    """Return the runs of ``CHUNK_ROWS`` rows in about so many bytes, at least two."""
    return max(2, nbytes // (4 * CHUNK_ROWS * COLUMNS))


def runs(n: int) -> Iterator[tuple[int, int]]:
    """Yield the first row of each run of ``CHUNK_ROWS`` and the row after its last."""
    return ((start, min(start + CHUNK_ROWS, n)) for start in range(0, n, CHUNK_ROWS))


def write_zarr(path: Path, X: Array, **settings: Any) -> None:
    """Write a zarr array of whole rows."""
    import zarr

    zarr.create_array(str(path), data=X, chunks=(CHUNK_ROWS, COLUMNS), **settings)


def write_sharded(path: Path, X: Array) -> None:
    """Write a zarr array of eight chunks a shard."""
    import zarr

    chunks, shards = (CHUNK_ROWS // 8, COLUMNS), (CHUNK_ROWS, COLUMNS)
    zarr.create_array(str(path), data=X, chunks=chunks, shards=shards)


def write_parquet(path: Path, X: Array) -> None:
    """Write row groups of one run each."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = pa.table({f"c{j}": X[:, j] for j in range(COLUMNS)})
    parquet.write_table(table, path, row_group_size=CHUNK_ROWS, use_dictionary=False)


def write_netcdf(path: Path, X: Array) -> None:
    """Write one variable, compressed as little as that goes."""
    import netCDF4

    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("row", len(X))
        file.createDimension("column", COLUMNS)
        variable = file.createVariable(
            "X", "f4", ("row", "column"), zlib=True, complevel=1, chunksizes=(CHUNK_ROWS, COLUMNS)
        )
        variable[:] = X


def write_csv(path: Path, X: Array) -> None:
    """Write ``TEXT_SHARE`` of the rows as text."""
    import pandas

    few = X[: int(len(X) * TEXT_SHARE)]
    pandas.DataFrame(few, columns=[f"c{j}" for j in range(COLUMNS)]).to_csv(path, index=False)


WRITE: dict[str, tuple[str, Callable[[Path, Array], None]]] = {
    "npy": ("X.npy", lambda path, X: np.save(path, X)),
    "zarr3": ("X3.zarr", write_zarr),
    "zarr3-raw": ("X0.zarr", lambda path, X: write_zarr(path, X, compressors=None)),
    "zarr2": ("X2.zarr", lambda path, X: write_zarr(path, X, zarr_format=2)),
    "zarr3-sharded": ("Xs.zarr", write_sharded),
    "parquet": ("X.parquet", write_parquet),
    "netcdf": ("X.nc", write_netcdf),
    "csv": ("X.csv", write_csv),
    "csv-rows": ("X.csv", write_csv),
}
#: Formats of which a share is written.
TEXT = ("csv", "csv-rows")


def write(name: str, folder: Path, X: Array) -> Path:
    """Write a matrix in one format, and return where it lies."""
    file, write_file = WRITE[name]
    write_file(folder / file, X)
    return folder / file


def write_apart(names: list[str], folder: Path, mib: int) -> tuple[dict[str, Path], Array]:
    """Write files in processes of their own, whose memory is gone with them.

    Returns
    -------
    tuple
        The files by format, and a response of 0 and 1, shape (n_rows,).
    """
    for name in names:
        process = get_context("spawn").Process(target=_write_values, args=(name, folder, mib))
        process.start()
        process.join()
        assert process.exitcode == 0
    n_rows = n_chunks(mib << 20) * CHUNK_ROWS
    y = np.random.default_rng(1).integers(0, 2, n_rows).astype(float)
    return {name: folder / WRITE[name][0] for name in names}, y


def _write_values(name: str, folder: Path, mib: int) -> None:
    write(name, folder, values(mib << 20))
