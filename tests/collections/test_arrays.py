"""Whatever the graph, its rows are those that compute() gives, and sources are not read twice."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.design.collections.opening import open_collection
from daskreg.design.collections.settle import settle
from daskreg.design.sources.selected import select_columns
from daskreg.design.spool.rows import SpooledRows
from daskreg.exceptions import DataError

from .conftest import CountingArray, N, P, read_ranges


def zarr_rows(folder):
    return da.from_zarr(folder / "rows.zarr")


COLLECTIONS = {
    "zarr": zarr_rows,
    "rows rechunked": lambda f: zarr_rows(f).rechunk((300, -1)),
    "rows split": lambda f: zarr_rows(f).rechunk((30, -1)),
    "irregular": lambda f: zarr_rows(f).rechunk(((7, 0, 993, 1000), (P,))),
    "two chunks": lambda f: zarr_rows(f).rechunk((1100, -1)),
    "chunked both ways": lambda f: da.from_zarr(f / "both.zarr"),
    "column chunks": lambda f: da.from_zarr(f / "columns.zarr"),
    "column chunks, row blocks": lambda f: da.from_zarr(f / "columns.zarr").rechunk((200, -1)),
    "shuffled": lambda f: zarr_rows(f)[np.random.default_rng(1).permutation(N)],
    "reversed": lambda f: zarr_rows(f)[::-1],
    "standardised": lambda f: (zarr_rows(f) - zarr_rows(f).mean(0)) / zarr_rows(f).std(0),
    "sliced": lambda f: da.concatenate([zarr_rows(f)[5:], zarr_rows(f)[:5]])[:, ::-1],
    "centred twice": lambda f: (
        (zarr_rows(f) - zarr_rows(f).mean(0)) / da.fabs(zarr_rows(f) - zarr_rows(f).mean(0)).max(0)
    ),
    "numpy": lambda f: da.from_array(np.load(f / "a.npy"), chunks=(200, P)),
    "numpy, one chunk": lambda f: da.from_array(np.load(f / "a.npy"), chunks=-1),
    "numpy + 1": lambda f: da.from_array(np.load(f / "a.npy"), chunks=(200, P)) + 1,
    "memmap": lambda f: da.from_array(np.load(f / "a.npy", mmap_mode="r"), chunks=(200, P)),
    "memmap columns": lambda f: da.from_array(
        np.load(f / "a.npy", mmap_mode="r")[:, 2:5], chunks=(200, 3)
    ),
    "memmap inside a function": lambda f: da.map_blocks(
        np.subtract, zarr_rows(f), np.load(f / "a.npy", mmap_mode="r")[3], dtype="f4"
    ),
}


@pytest.mark.parametrize("name", COLLECTIONS)
def test_rows_equal_compute(name, folder, scratch):
    x = COLLECTIONS[name](folder)
    expected = x.compute(scheduler="threads")
    rows = open_collection(x)
    assert (rows.n_rows, rows.n_columns, rows.dtype) == (*expected.shape, x.dtype)
    (ready,), _ = settle([rows], scratch)
    assert ready.n_rows == N
    read_ranges(ready, expected)


@pytest.mark.parametrize("limit", [0, 1 << 30])
def test_column_chunks_are_put_together_or_written_once(
    limit, folder, scratch, values, monkeypatch
):
    monkeypatch.setattr("daskreg.design.collections.rows.MAX_CHUNK", limit)
    (ready,), read = settle([open_collection(da.from_zarr(folder / "columns.zarr"))], scratch)
    read_ranges(ready, values)
    if not limit:
        assert ready.bytes_spooled == read == values.nbytes


@pytest.mark.parametrize("chunks", [(N, 3), (250, 4), ((N - 7, 7), (1, 2, P - 3))])
def test_each_chunk_of_some_columns_is_read_once_whatever_the_passes(
    chunks, values, scratch, monkeypatch
):
    monkeypatch.setattr("daskreg.design.collections.rows.MAX_CHUNK", 0)
    source, x = counted(values, chunks)
    (ready,), _ = settle([open_collection(x)], scratch)
    read_ranges(ready, values)
    read_ranges(ready, values)
    assert sum(source.loads.values()) == x.npartitions
    chosen = np.array([0, 2, P - 1])
    with select_columns(ready, chosen).open() as reader:
        np.testing.assert_array_equal(reader.read(3, 260), values[3:260, chosen])


def counted(values, chunks=(100, P)):
    source = CountingArray(values)
    return source, da.from_array(source, chunks=chunks, asarray=False, name=False)


def test_standardising_lazily_reads_each_chunk_twice_in_all(values, scratch):
    source, x = counted(values)
    (ready,), read = settle([open_collection((x - x.mean(0)) / x.std(0))], scratch)
    assert set(source.loads.values()) == {1}
    assert ready.extra_reads == 1
    assert read > 0
    with ready.open() as reader:
        for start in range(0, N, 60):
            reader.read(start, min(start + 60, N))
    assert set(source.loads.values()) == {2}


def test_standardising_two_chunks(values, scratch):
    source, x = counted(values, (N // 2, P))
    y = x - x.mean(0)
    expected = y.compute(scheduler="threads")
    source.loads.clear()
    (ready,), _ = settle([open_collection(y)], scratch)
    read_ranges(ready, expected, ranges=[])
    assert set(source.loads.values()) == {2}


@pytest.mark.parametrize("rows", [30, 130, 300])
def test_borders_are_read_once_within_a_reader(rows, values, scratch):
    source, x = counted(values)
    (ready,), read = settle([open_collection(x.rechunk((rows, P)))], scratch)
    assert read == 0
    assert not source.loads
    read_ranges(ready, values, ranges=[])
    assert set(source.loads.values()) == {1}


def test_shuffle_is_spooled_once(values, scratch):
    source, x = counted(values)
    (ready,), read = settle([open_collection(x[np.random.default_rng(0).permutation(N)])], scratch)
    assert isinstance(ready, SpooledRows)
    assert read == values.nbytes
    before = source.loads.total()
    with ready.open() as reader:
        reader.read(0, N)
    assert source.loads.total() == before


def test_nothing_is_computed_when_opened(values):
    source, x = counted(values)
    open_collection((x - x.mean(0)).rechunk((77, P)))
    assert not source.loads


def test_numpy_chunks_are_not_copied(values, scratch):
    x = da.from_array(values, chunks=(200, P))
    (ready,), _ = settle([open_collection(x)], scratch)
    assert ready.resident
    with ready.open() as reader:
        assert np.shares_memory(reader.read(200, 300), reader.read(250, 400))


def test_persisted_here_is_resident(folder, scratch, values):
    with dask.config.set(scheduler="threads"):
        (ready,), _ = settle([open_collection(zarr_rows(folder).persist())], scratch)
    assert ready.resident
    read_ranges(ready, values)


def test_csr_blocks(folder, scratch, values):
    x = zarr_rows(folder)
    x = da.where(x > 1, x, 0).map_blocks(sp.csr_array)
    rows = open_collection(x)
    assert rows.sparse
    (ready,), _ = settle([rows], scratch)
    read_ranges(ready, np.where(values > 1, values, 0))


def test_csr_blocks_are_made_canonical(scratch):
    def repeat(block):
        n = len(block)
        indices = np.tile(np.array([3, 1, 3], np.int64), n)
        return sp.csr_array((np.ones(3 * n), indices, np.arange(0, 3 * n + 1, 3)), shape=(n, 5))

    meta = sp.csr_array((0, 5))
    x = da.ones((40, 5), chunks=(10, 5)).map_blocks(repeat, dtype=float, meta=meta)
    (ready,), read = settle([open_collection(x)], scratch)
    # One chunk is made before the first pass, to learn how dense they are.
    assert read == 10 * (2 * (8 + 4)) + 11 * 4
    assert ready.row_nbytes == read / 10
    with ready.open() as reader:
        block = reader.read(5, 25)
    assert block.has_canonical_format
    assert block.indices.dtype == block.indptr.dtype == np.int32
    np.testing.assert_array_equal(block.toarray(), np.tile([0.0, 1, 0, 2, 0], (20, 1)))


def test_unknown_chunks_of_x_and_y_are_counted_together(values, scratch):
    source, x = counted(values)
    keep = x[:, 0] > 0
    unknown = [open_collection(x[keep]), open_collection(x[keep][:, 1], role="y")]
    assert all(rows.n_rows is None for rows in unknown)
    (X, y), read = settle(unknown, scratch)
    expected = values[values[:, 0] > 0]
    assert X.n_rows == y.n_rows == len(expected)
    assert read == expected.nbytes + expected[:, 1].nbytes
    assert max(source.loads.values()) <= 3
    read_ranges(X, expected, ranges=[(0, 5), (3, 700)])
    read_ranges(y, expected[:, [1]], ranges=[(0, 5), (3, 700)])


def test_sparse_unknown_chunks(values, scratch):
    _, x = counted(values)
    x = x[x[:, 0] > 0].map_blocks(lambda b: sp.csr_array(np.where(b > 1, b, 0)))
    (X,), _ = settle([open_collection(x)], scratch)
    expected = values[values[:, 0] > 0]
    read_ranges(X, np.where(expected > 1, expected, 0), ranges=[(0, 5), (3, 700)])


@pytest.mark.parametrize("dtype", ["f8", "i1", "bool", "U3"])
def test_y_of_one_dimension(dtype, scratch):
    y = np.arange(100).astype(dtype)
    (ready,), _ = settle([open_collection(da.from_array(y, chunks=30), role="y")], scratch)
    read_ranges(ready, y[:, None], ranges=[(29, 61)])


def test_object_labels(scratch):
    y = np.array(["no", "yes"] * 50, dtype=object)
    (ready,), _ = settle([open_collection(da.from_array(y, chunks=30), role="y")], scratch)
    read_ranges(ready, y[:, None].astype(str), ranges=[(29, 61)])


def test_missing_label_is_an_error(scratch):
    y = da.from_array(np.array(["no", None, "yes"], dtype=object), chunks=3)
    (ready,), _ = settle([open_collection(y, role="y")], scratch)
    with pytest.raises(DataError, match="missing label at row 1"):
        ready.open().read(0, 3)


@pytest.mark.parametrize("shape", [(10,), (2, 3, 4)])
def test_wrong_dimensions(shape):
    with pytest.raises(DataError, match=r"2D array|two dimensions"):
        open_collection(da.ones(shape))


def test_chunk_of_another_length_is_an_error(scratch):
    x = da.ones((10, 2), chunks=(5, 2)).map_blocks(lambda b: b[:-1], chunks=((5, 5), (2,)))
    (ready,), _ = settle([open_collection(x)], scratch)
    with pytest.raises(DataError, match="4 rows"):
        ready.open().read(0, 10)


def test_no_dask_collection():
    with pytest.raises(TypeError, match="no Dask collection"):
        open_collection([1, 2])
