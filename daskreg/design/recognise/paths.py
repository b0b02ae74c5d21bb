"""Paths: what lies there, by its name."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Any

from daskreg.design.sources.checks import existing
from daskreg.design.sources.npy import npy_rows
from daskreg.exceptions import DataError

from .request import ACCEPTED, Opened, Request


def of_path(obj: Any, request: Request) -> Opened | None:
    """Rows or a table in a file or a folder of files, by the suffix of its name."""
    if not isinstance(obj, (str, os.PathLike)):
        return None
    name = os.fspath(obj)
    parts = PurePath(name).parts
    if any(part.endswith(".zarr") for part in parts) or name.rstrip("/").endswith(".zarr"):
        from daskreg.design.sources.zarrs import open_zarr

        return open_zarr(
            name,
            missing_chunks=request.missing_chunks,
            sample_dim=request.sample_dim,
            role=request.role,
        )
    return _file(name, request)


def _file(path: str, request: Request) -> Opened:
    suffixes = PurePath(path).suffixes
    last = suffixes[-1].lower() if suffixes else ""
    if last == ".npy":
        rows = npy_rows(path, labels=request.labels)
        rows.describe = f"npy {PurePath(path).name}"
        return rows
    if last in (".nc", ".nc4", ".cdf"):
        from daskreg.design.sources.netcdf import netcdf_table

        return netcdf_table(path, sample_dim=request.sample_dim)
    if last in (".parquet", ".pq"):
        from daskreg.design.sources.parquet import ParquetTable

        return ParquetTable(path)
    if {".csv", ".tsv"} & {suffix.lower() for suffix in suffixes[-2:]}:
        from daskreg.design.sources.csv import CsvTable

        return CsvTable(path)
    file = existing(path)
    if file.is_dir() and any(file.glob("*.parquet")):
        from daskreg.design.sources.parquet import ParquetTable

        return ParquetTable(path)
    hint = ""
    if last == ".npz":
        hint = "; load it, numpy.load(path)['X'], or write its arrays with numpy.save"
    raise DataError(
        f"{request.role}: {file} has no suffix that is known; expected {ACCEPTED}{hint}"
    )
