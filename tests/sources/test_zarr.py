from __future__ import annotations

import pickle

import numpy as np
import pytest
import zarr
from numcodecs import Delta

from daskreg.design.recognise import open_rows
from daskreg.exceptions import DataError, MissingChunksError

from .readings import check_rows


def write(path, X, **settings):
    array = zarr.create_array(
        str(path), shape=X.shape, dtype=X.dtype, config={"write_empty_chunks": True}, **settings
    )
    array[:] = X
    return array


LAYOUTS = [
    {"chunks": (10, 3)},
    {"chunks": (10, 7), "zarr_format": 2},
    {"chunks": (5, 3), "shards": (20, 6)},
    {"chunks": (100, 100)},
    {"chunks": (10, 7), "compressors": None},
    {"chunks": (20, 7), "compressors": None, "zarr_format": 2},
    {"chunks": (10, 7), "compressors": None, "zarr_format": 2, "order": "F"},
    {"chunks": (10, 3), "compressors": None},
    {"chunks": (7, 2), "zarr_format": 2, "order": "F"},
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f4", "i2", ">f8"])
def test_array(tmp_path, random, layout, dtype):
    X = random.integers(0, 50, (53, 7)).astype(dtype)
    write(tmp_path / "X.zarr", X, **layout)
    for obj in (tmp_path / "X.zarr", zarr.open_array(tmp_path / "X.zarr", mode="r")):
        rows = open_rows(obj)
        check_rows(rows, X, small_pickle=True)
        assert sum(rows.row_chunks) == 53


def test_one_dimension(tmp_path, random):
    y = random.normal(size=53)
    write(tmp_path / "y.zarr", y, chunks=(10,))
    check_rows(open_rows(tmp_path / "y.zarr", role="y"), y[:, None])
    with pytest.raises(DataError, match="1 dimension"):
        open_rows(zarr.open_array(tmp_path / "y.zarr", mode="r"))


def test_in_memory(random):
    X = random.normal(size=(20, 3))
    array = zarr.create_array({}, data=X, chunks=(5, 2))
    with open_rows(array).open() as reader:
        np.testing.assert_array_equal(reader.read(3, 11), X[3:11])


def test_group(tmp_path, random):
    X, y = random.normal(size=(20, 3)), random.normal(size=20)
    write(tmp_path / "data.zarr/X", X, chunks=(5, 2))
    write(tmp_path / "data.zarr/y", y, chunks=(5,))
    zarr.open_group(tmp_path / "data.zarr", mode="a")
    check_rows(open_rows(tmp_path / "data.zarr"), X)
    check_rows(open_rows(tmp_path / "data.zarr", role="y"), y[:, None])
    check_rows(open_rows(f"{tmp_path}/data.zarr/X"), X)
    with pytest.raises(DataError, match="without an array 'offset'; it has X, y"):
        open_rows(tmp_path / "data.zarr", role="offset")


def hole(path, layout, random, where):
    X = random.normal(size=(40, 6))
    write(path, X, **layout)
    (path / where).unlink()


HOLES = [
    ({"chunks": (10, 3)}, "c/1/0", "of 8 chunks", "rows 10 to 19"),
    ({"chunks": (10, 3), "zarr_format": 2}, "3.1", "of 8 chunks", "rows 30 to 39"),
    ({"chunks": (5, 3), "shards": (20, 6)}, "c/1/0", "of 2 chunks", "rows 20 to 39"),
]


@pytest.mark.parametrize(("layout", "where", "total", "rows"), HOLES)
def test_absent_chunk(tmp_path, random, layout, where, total, rows):
    path = tmp_path / "X.zarr"
    hole(path, layout, random, where)
    message = f'lacks 1 {total}: {where} .{rows}.*write_empty_chunks=True.*missing_chunks="fill"'
    for obj in (path, zarr.open_array(path, mode="r")):
        with pytest.raises(MissingChunksError, match=message):
            open_rows(obj)
        with open_rows(obj, missing_chunks="fill").open() as reader:
            assert (reader.read(0, 40) == 0).any()


@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_goes_after_it_was_looked_for(tmp_path, random, version):
    values = random.standard_normal((40, 6))
    path = tmp_path / "X.zarr"
    array = zarr.create_array(
        path, shape=values.shape, chunks=(10, 6), dtype="f8", zarr_format=version
    )
    array[:] = values
    rows = pickle.loads(pickle.dumps(open_rows(str(path))))
    (path / ("2.0" if version == 2 else "c/2/0")).unlink()
    with rows.open() as reader:
        np.testing.assert_array_equal(reader.read(0, 20), values[:20])
        with pytest.raises(MissingChunksError, match=r"2[./]0 .*has gone"):
            reader.read(20, 30)
    with open_rows(str(path), missing_chunks="fill").open() as reader:
        np.testing.assert_array_equal(reader.read(20, 30), 0)


PLAIN = [
    ({"chunks": (10, 6), "compressors": None}, True),
    ({"chunks": (10, 6), "compressors": None, "zarr_format": 2}, True),
    ({"chunks": (10, 6), "compressors": None, "zarr_format": 2, "order": "F"}, False),
    ({"chunks": (10, 6), "compressors": None, "zarr_format": 2, "filters": [Delta("f8")]}, False),
    ({"chunks": (10, 3), "compressors": None}, False),
    ({"chunks": (10, 6), "compressors": None, "shards": (20, 6)}, False),
    ({"chunks": (10, 6)}, False),
]


@pytest.mark.parametrize(("layout", "plain"), PLAIN)
def test_plain_chunks_are_read_into_place(tmp_path, random, monkeypatch, layout, plain):
    values = random.integers(0, 99, (43, 6)).astype("f8")
    write(tmp_path / "X.zarr", values, **layout)
    rows = open_rows(tmp_path / "X.zarr")
    asked = []
    select = zarr.Array.get_basic_selection
    monkeypatch.setattr(
        zarr.Array,
        "get_basic_selection",
        lambda self, *args, **kwargs: asked.append(args) or select(self, *args, **kwargs),
    )
    with rows.open() as reader:
        np.testing.assert_array_equal(reader.read(3, 42), values[3:42])
    assert (not asked) == plain
    assert (rows.decode_factor == 1.0) == plain


@pytest.mark.parametrize("version", [2, 3])
def test_a_plain_chunk_that_was_cut_short_is_an_error(tmp_path, random, version):
    write(
        tmp_path / "X.zarr",
        random.standard_normal((40, 6)),
        chunks=(10, 6),
        compressors=None,
        zarr_format=version,
    )
    rows = open_rows(tmp_path / "X.zarr")
    chunk = tmp_path / "X.zarr" / ("2.0" if version == 2 else "c/2/0")
    chunk.write_bytes(chunk.read_bytes()[:-8])
    with rows.open() as reader, pytest.raises(ValueError, match=r"size|reshape"):
        reader.read(20, 21)


def test_many_absent_chunks(tmp_path):
    zarr.create_array(str(tmp_path / "X.zarr"), shape=(100, 2), chunks=(10, 1), dtype="f4")
    with pytest.raises(MissingChunksError, match=r"lacks 20 of 20 chunks.*and 17 more"):
        open_rows(tmp_path / "X.zarr")


def test_inner_chunks_of_a_shard(tmp_path, random):
    array = zarr.create_array(
        str(tmp_path / "X.zarr"), shape=(40, 6), chunks=(5, 3), shards=(20, 6), dtype="f8"
    )
    array[:] = 1.0
    array[5:10, :3] = 0.0
    with pytest.raises(MissingChunksError, match=r"c/0/0.*rows 5 to 9"):
        open_rows(tmp_path / "X.zarr")
    open_rows(tmp_path / "X.zarr", missing_chunks="fill")


def test_the_check_lists_once_and_reads_nothing(tmp_path, random, monkeypatch):
    array = write(tmp_path / "X.zarr", random.normal(size=(200, 4)), chunks=(2, 1))
    calls = []

    def count(name):
        plain = getattr(type(array.store), name)

        def counting(*args, **kwargs):
            calls.append(name)
            return plain(*args, **kwargs)

        monkeypatch.setattr(type(array.store), name, counting)

    for name in ("get", "exists", "list_prefix", "get_partial_values"):
        count(name)
    open_rows(array)
    assert calls == ["list_prefix"]


def test_group_written_by_xarray(tmp_path, random):
    xarray = pytest.importorskip("xarray")
    tas = random.normal(size=(12, 2, 3)).astype("f4")
    data = xarray.Dataset(
        {"tas": (("time", "lat", "lon"), tas), "y": ("time", np.arange(1.0, 13))},
        coords={"lat": [1.5, 2.5]},
    )
    data.to_zarr(tmp_path / "d.zarr", consolidated=False)
    table = open_rows(tmp_path / "d.zarr")
    assert set(table.columns) == {"tas", "y"}
    rows = table.rows(["tas", "y"])
    check_rows(rows, np.column_stack([tas.reshape(12, 6), np.arange(1.0, 13)]))
    assert rows.names[:2] == ("tas[lat=1.5,lon=0]", "tas[lat=1.5,lon=1]")
    assert rows.names[-1] == "y"
    check_rows(open_rows(tmp_path / "d.zarr" / "tas"), tas.reshape(12, 6))
    next(p for p in (tmp_path / "d.zarr/tas/c").rglob("*") if p.is_file()).unlink()
    table.rows(["y"])
    with pytest.raises(MissingChunksError, match="tas"):
        table.rows(["tas"])


def test_not_a_store(tmp_path):
    (tmp_path / "X.zarr").mkdir()
    with pytest.raises(DataError, match=r"X\.zarr is no zarr array or group"):
        open_rows(tmp_path / "X.zarr")
