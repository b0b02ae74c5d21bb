"""Zarr arrays in chunks of columns: each decoded once, in the memory of one chunk a thread."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from daskreg.design import as_design
from daskreg.design.recognise import open_rows
from daskreg.design.sources.chunk_tiles import ChunkTiles
from daskreg.design.spool.scratch import Scratch
from daskreg.exceptions import DataError, MemoryPlanError
from tests.design.helpers import Correlate

from .readings import check_rows


def on_threads(function, arguments):
    return [function(*args) for args in arguments]


def write(path, X, chunks, **settings):
    return zarr.create_array(
        str(path), data=X, chunks=chunks, config={"write_empty_chunks": True}, **settings
    )


@pytest.mark.parametrize(
    "layout",
    [
        {"chunks": (53, 2)},
        {"chunks": (20, 3)},
        {"chunks": (53, 1), "zarr_format": 2},
        {"chunks": (10, 2), "shards": (60, 6)},
    ],
)
@pytest.mark.parametrize("dtype", ["f4", "i2", ">f8"])
def test_turned_rows_are_the_rows(tmp_path, random, layout, dtype):
    X = random.integers(0, 50, (53, 7)).astype(dtype)
    array = write(tmp_path / "X.zarr", X, **layout)
    rows = open_rows(array).turned()
    assert isinstance(rows, ChunkTiles)
    assert not rows.settled
    with Scratch(tmp_path) as scratch:
        known, read = rows.turn(scratch, on_threads)
        assert read == X.nbytes
        check_rows(known, X)
        columns = np.array([0, 3, 6])
        check_rows(known.select(columns), X[:, columns])
        check_rows(known.select(columns).select(np.array([1])), X[:, [3]])


def test_a_selection_reads_the_tiles_that_hold_it(tmp_path, random):
    X = random.normal(size=(30, 8))
    rows = open_rows(write(tmp_path / "X.zarr", X, (30, 2))).turned()
    with Scratch(tmp_path) as scratch:
        known, _ = rows.turn(scratch, on_threads)
        with known.select(np.array([2, 3, 7])).open() as reader:
            values = reader.read(0, 10)
            assert reader.nbytes_read(values) == 10 * 4 * 8


def test_only_arrays_of_several_columns_of_chunks_are_turned(tmp_path, random):
    X = random.normal(size=(30, 8))
    assert open_rows(write(tmp_path / "rows.zarr", X, (3, 8))).turned() is None
    columns = open_rows(write(tmp_path / "X.zarr", X, (30, 2)))
    assert columns.select(np.array([1])).turned() is None
    with pytest.raises(RuntimeError, match=r"turn\(\)"):
        columns.turned().open()


@pytest.fixture
def columnwise(tmp_path, random):
    X = random.standard_normal((4000, 60)).astype("f4")
    y = random.standard_normal(4000)
    write(tmp_path / "X.zarr", X, (4000, 4))
    return tmp_path, X, y


def test_wide_strips_are_turned_and_counted(columnwise, monkeypatch):
    folder, X, y = columnwise
    monkeypatch.setattr("daskreg.design.sources.zarrs.MAX_STRIP", 1 << 16)
    with as_design(str(folder / "X.zarr"), y, block_size="64 KiB", scratch=folder) as design:
        result = design.sum_over_rows(Correlate(), {"times": 1.0})
        # Each chunk was decoded once for scratch, and read once from there.
        assert design.bytes_read == 2 * X.nbytes
    with as_design(X, y, block_size="64 KiB") as design:
        np.testing.assert_array_equal(design.sum_over_rows(Correlate(), {"times": 1.0}), result)
    assert [path.name for path in folder.iterdir()] == ["X.zarr"]


def test_strips_that_do_not_fit_are_turned_instead_of_refused(tmp_path, random, monkeypatch):
    monkeypatch.setattr("daskreg.design.passes.threads.process_memory", lambda: 100 << 20)
    X = random.standard_normal((200_000, 60)).astype("f4")
    y = random.standard_normal(len(X))
    write(tmp_path / "X.zarr", X, (len(X), 4))
    options = {"block_size": "256 KiB", "scratch": tmp_path}
    with as_design(str(tmp_path / "X.zarr"), y, **options) as design:
        needs = design.plan.peak - design.plan.memory["blocks pinned between passes"]
        expected = design.sum_over_rows(Correlate(), {"times": 1.0})
    with as_design(
        str(tmp_path / "X.zarr"), y, memory_limit=int(0.7 * needs / 0.85), **options
    ) as design:
        assert design.plan.peak < 0.7 * needs
        np.testing.assert_array_equal(design.sum_over_rows(Correlate(), {"times": 1.0}), expected)
    with pytest.raises(MemoryPlanError):
        as_design(str(tmp_path / "X.zarr"), y, memory_limit=110 << 20, **options).plan  # noqa: B018


def test_too_little_scratch_is_told_with_numbers_before_anything_is_read(columnwise, monkeypatch):
    folder, _, y = columnwise
    monkeypatch.setattr("daskreg.design.sources.zarrs.MAX_STRIP", 1 << 16)
    usage = SimpleNamespace(total=1 << 30, free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    told = r"4 of 60 columns: that takes 937.5 KiB, and .* has 1000 B free"
    with (
        as_design(str(folder / "X.zarr"), y, scratch=folder) as design,
        pytest.raises(DataError, match=told),
    ):
        design.sum_over_rows(Correlate(), {"times": 1.0})
    assert design.bytes_read == 0
