"""Fit on a matrix several times the memory limit; print what was planned and what was used.

Run in a process of its own, since ``ru_maxrss`` never goes down:

    python measure.py FOLDER FORMAT LIMIT_MIB FACTOR SCHEDULER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from daskreg.datafit import Datafit
from daskreg.design import as_design
from daskreg.design.host import peak_memory
from daskreg.losses import Logistic
from daskreg.problems import Problems

COLUMNS = 128
PASSES = 2


def write(folder: Path, kind: str, nbytes: int) -> None:
    """One random tile, shifted from block to block, so that writing costs little."""
    rng = np.random.default_rng(0)
    tile = rng.standard_normal((16384, COLUMNS), dtype=np.float32)
    n_tiles = -(-nbytes // tile.nbytes)
    shape = (n_tiles * len(tile), COLUMNS)
    path = folder / f"X.{kind}"
    y = rng.integers(0, 2, shape[0]).astype(np.float64)
    np.save(folder / "y.npy", y)
    if kind == "parquet":
        write_parquet(path, tile, n_tiles)
        return
    if kind == "columns.zarr":
        write_columns(path, tile, n_tiles)
        return
    if kind == "npy":
        out = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    else:
        import zarr

        out = zarr.create_array(path, shape=shape, chunks=(8192, COLUMNS), dtype="f4")
    for i in range(n_tiles):
        out[i * len(tile) : (i + 1) * len(tile)] = np.roll(tile, i, axis=1)
    del out


def write_columns(path: Path, tile: Any, n_tiles: int) -> None:
    import zarr

    shape = (n_tiles * len(tile), COLUMNS)
    chunks = (shape[0], 2)
    out = zarr.create_array(path, shape=shape, chunks=chunks, dtype="f4", compressors=None)
    for j in range(0, COLUMNS, 2):
        columns = [[(j - i) % COLUMNS, (j + 1 - i) % COLUMNS] for i in range(n_tiles)]
        out[:, j : j + 2] = np.concatenate([tile[:, own] for own in columns])


def write_parquet(path: Path, tile: Any, n_tiles: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"c{j}" for j in range(COLUMNS)]
    schema = pa.schema([(name, pa.float32()) for name in names])
    # Row groups of several tiles: a group is larger than a block.
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False) as writer:
        for i in range(0, n_tiles, 4):
            group = np.concatenate(
                [np.roll(tile, i + k, axis=1) for k in range(min(4, n_tiles - i))]
            )
            writer.write_table(pa.table(dict(zip(names, group.T, strict=True)), schema=schema))


def passes(X: str, y: str, limit: int) -> dict[str, Any]:
    with as_design(X, y, memory_limit=limit) as design:
        datafit = Datafit(design, Logistic(), Problems.product(alpha=1.0))
        need = datafit.footprint(2)
        plan = design.prepare(None, need.partial, need.temporaries, 8 * need.state)
        rng = np.random.default_rng(1)
        coef = rng.standard_normal((COLUMNS, 1, 1))
        values = [
            float(datafit.value_and_grad(coef * t, np.zeros((1, 1))).value[0])
            for t in np.linspace(0, 1, PASSES)
        ]
        return {
            "values": values,
            "planned": plan.peak,
            "limit": limit,
            "pinned": plan.bytes_pinned,
            "streamed": plan.bytes_streamed,
            "total": plan.total_bytes,
            "n_passes": design.n_passes,
            "bytes_read": design.bytes_read,
        }


def main() -> None:
    folder, kind, limit, factor, scheduler = sys.argv[1:]
    size = int(limit) << 20
    if scheduler == "write":
        write(Path(folder), kind, size * int(factor))
        return
    X, y = f"{folder}/X.{kind}", f"{folder}/y.npy"
    if scheduler == "threads":
        report = passes(X, y, size)
        report["peak"] = peak_memory()
    else:
        from daskreg.cluster import local

        with local(n_workers=2, threads_per_worker=1, memory_limit=size) as client:
            report = passes(X, y, size)
            report["peak"] = max(client.run(peak_memory).values())
    print(json.dumps(report))


if __name__ == "__main__":
    main()
