"""Labelled variables in files whose chunks hold few columns of many rows."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.design import as_design
from daskreg.design.recognise import open_rows
from daskreg.design.sources import chunk_boxes, variables
from daskreg.design.sources.chunk_tiles import ChunkTiles
from daskreg.design.spool.scratch import Scratch
from tests.design.helpers import Correlate

from .readings import check_rows

xr = pytest.importorskip("xarray")

SIZES = {"time": 13, "level": 3, "lat": 5, "lon": 4}


def on_threads(function, arguments):
    return [function(*args) for args in arguments]


def stored(folder, kind, data, chunks):
    """The dataset in a file, opened without Dask."""
    if kind == "netcdf":
        pytest.importorskip("netCDF4")
        path = folder / "data.nc"
        lengths = {
            name: {"chunksizes": tuple(chunks[dim] for dim in data[name].dims), "zlib": True}
            for name in data.data_vars
        }
        data.to_netcdf(path, encoding=lengths)
        return xr.open_dataset(path, cache=False)
    path = folder / "data.zarr"
    lengths = {
        name: {"chunks": tuple(chunks[dim] for dim in data[name].dims)} for name in data.data_vars
    }
    data.to_zarr(path, encoding=lengths, consolidated=False, zarr_format=3)
    return xr.open_zarr(path, chunks=None, consolidated=False)


def field(random, dims=tuple(SIZES)):
    shape = [SIZES[dim] for dim in dims]
    return (dims, random.standard_normal(shape).astype("f4"))


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
@pytest.mark.parametrize(
    ("dims", "sample_dim", "chunks"),
    [
        (("time", "level", "lat", "lon"), "time", (13, 2, 3, 3)),
        (("time", "level", "lat", "lon"), "time", (5, 3, 2, 4)),
        (("lat", "time", "lon", "level"), "time", (2, 13, 4, 1)),
        (("time", "level", "lat", "lon"), ("time", "lat"), (4, 1, 2, 2)),
        (("level", "lat", "lon", "time"), ("lat", "time"), (2, 3, 2, 6)),
    ],
)
def test_turned_rows_are_the_rows(tmp_path, random, kind, dims, sample_dim, chunks):
    data = xr.Dataset({"X": field(random, dims)})
    opened = stored(tmp_path, kind, data, dict(zip(dims, chunks, strict=True)))
    rows = open_rows(opened["X"], sample_dim=sample_dim)
    samples = (sample_dim,) if isinstance(sample_dim, str) else sample_dim
    X = data["X"].transpose(*samples, ...).values.reshape(rows.n_rows, -1)
    check_rows(rows, X)
    tiles = rows.turned()
    assert isinstance(tiles, ChunkTiles)
    assert tiles.names == rows.names
    with Scratch(tmp_path) as scratch:
        known, read = tiles.turn(scratch, on_threads)
        assert read == X.nbytes
        check_rows(known, X)
        columns = np.array([0, 2, X.shape[1] - 1])
        check_rows(known.select(columns), X[:, columns])
        check_rows(known.select(columns).select(np.array([1])), X[:, [2]])
        assert known.labels is rows.labels


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
def test_several_variables_side_by_side(tmp_path, random, kind):
    data = xr.Dataset(
        {"a": field(random, ("time",)), "b": field(random, ("lat", "time")), "c": field(random)}
    )
    chunks = {"time": 6, "level": 2, "lat": 3, "lon": 4}
    opened = stored(tmp_path, kind, data, chunks)
    rows = open_rows(opened, sample_dim="time").rows(["c", "a", "b"])
    X = np.concatenate(
        [
            data["c"].values.reshape(13, -1),
            data["a"].values[:, None],
            data["b"].transpose("time", "lat").values,
        ],
        axis=1,
    )
    check_rows(rows, X)
    with Scratch(tmp_path) as scratch:
        check_rows(rows.turned().turn(scratch, on_threads)[0], X)


def test_each_chunk_is_decoded_once_where_no_library_keeps_them(tmp_path, random, monkeypatch):
    X = random.standard_normal((300, 40)).astype("f4")
    y = random.standard_normal(300)
    data = xr.Dataset({"X": (("time", "cell"), X)})
    opened = stored(tmp_path, "netcdf", data, {"time": 300, "cell": 4})
    boxes = []
    plain = chunk_boxes.VariableBoxes.read

    def counting(self, rows, at):
        boxes.append((rows, at))
        return plain(self, rows, at)

    monkeypatch.setattr(chunk_boxes.VariableBoxes, "read", counting)
    monkeypatch.setattr(variables, "CHUNK_CACHE", 300 * 40 * 4 - 1)
    (tmp_path / "scratch").mkdir()
    with as_design(opened["X"], y, block_size="8 KiB", scratch=tmp_path / "scratch") as design:
        result = [design.sum_over_rows(Correlate(), {"times": 1.0}) for _ in range(2)]
        # Decoded once, read from scratch once, and pinned in memory from then on.
        assert sorted(boxes) == [((0, 300), at) for at in range(10)]
        assert design.bytes_read == 2 * X.nbytes
    with as_design(X, y, block_size="8 KiB") as design:
        np.testing.assert_array_equal(design.sum_over_rows(Correlate(), {"times": 1.0}), result[0])
    np.testing.assert_array_equal(*result)


def test_what_a_library_keeps_is_read_as_it_is(tmp_path, random):
    data = xr.Dataset({"X": field(random)})
    chunks = {"time": 13, "level": 1, "lat": 2, "lon": 2}
    assert not isinstance(
        open_rows(stored(tmp_path, "netcdf", data, chunks)["X"], sample_dim="time"), ChunkTiles
    )


def test_blocks_respect_the_chunks_of_zarr(tmp_path, random):
    data = xr.Dataset({"X": field(random)})
    opened = stored(tmp_path, "zarr", data, {"time": 5, "level": 3, "lat": 5, "lon": 4})
    assert open_rows(opened["X"], sample_dim="time").row_chunks == (5, 5, 3)
    # A run of the outermost sample dimension, with all of the inner one.
    assert open_rows(opened["X"], sample_dim=("time", "lat")).row_chunks == (25, 25, 15)
    assert open_rows(data["X"], sample_dim="time").row_chunks is None
