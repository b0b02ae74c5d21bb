from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
import xarray as xr

from daskreg.design.recognise import open_rows
from daskreg.design.sources.variables import boxes_of_rows
from daskreg.exceptions import DataError, MissingDependencyError

from .readings import check_rows

SIZES = {"time": 12, "lat": 2, "lon": 5, "level": 3}


@pytest.fixture
def cube(random):
    return xr.DataArray(
        random.normal(size=tuple(SIZES.values())).astype("f4"),
        dims=tuple(SIZES),
        coords={"lat": [10.5, 11.5], "level": ["low", "mid", "top"]},
        name="tas",
        attrs={"history": "x" * 10_000},
    )


@pytest.fixture
def file(tmp_path, cube):
    data = cube.to_dataset()
    data["y"] = ("time", np.arange(12.0))
    data["flag"] = ("time", np.arange(12, dtype="i1"))
    data["when"] = ("time", np.arange(12).astype("M8[s]").astype("M8[ns]"))
    data.to_netcdf(tmp_path / "cube.nc", engine="netcdf4")
    return tmp_path / "cube.nc"


STACKS = [None, "lon", ("time", "lon"), ("lon", "time"), ("level", "lat", "time"), tuple(SIZES)]


def expected(cube, sample_dim):
    dims = sample_dim or cube.dims[0]
    dims = (dims,) if isinstance(dims, str) else dims
    n = int(np.prod([cube.sizes[dim] for dim in dims]))
    return cube.transpose(*dims, ...).values.reshape(n, -1)


@pytest.mark.parametrize("sample_dim", STACKS)
def test_data_array_in_memory(cube, sample_dim):
    rows = open_rows(cube, sample_dim=sample_dim)
    assert rows.resident
    check_rows(rows, expected(cube, sample_dim))


@pytest.mark.parametrize("sample_dim", STACKS)
def test_lazily_backed(file, cube, sample_dim):
    with xr.open_dataset(file) as data:
        rows = open_rows(data["tas"], sample_dim=sample_dim)
        assert not rows.resident
        check_rows(rows, expected(cube, sample_dim), small_pickle=True)
        assert not data["tas"].variable._in_memory
    table = open_rows(file, sample_dim=sample_dim)
    check_rows(table.rows(["tas"]), expected(cube, sample_dim), small_pickle=True)


def test_views_of_memory(cube):
    with open_rows(cube).open() as reader:
        assert np.shares_memory(reader.read(2, 7), cube.values)


def test_several_variables(file, cube):
    table = open_rows(file)
    assert table.columns == ("tas", "y", "flag")
    rows = table.rows(["flag", "tas", "y"])
    together = np.column_stack([np.arange(12), cube.values.reshape(12, -1), np.arange(12)])
    check_rows(rows, together, small_pickle=True)
    assert rows.names[:2] == ("flag", "tas[lat=10.5,lon=0,level=low]")
    assert rows.names[-1] == "y"
    with pytest.raises(DataError, match="no column 'when'"):
        table.rows(["when"])


def test_labels(cube):
    rows = open_rows(cube, sample_dim=("time", "lon"))
    assert rows.labels.dims == ("lat", "level")
    assert rows.labels.shape == (2, 3)
    assert rows.labels.coords["lat"].tolist() == [10.5, 11.5]
    assert rows.names == rows.labels.feature_names
    assert rows.names[4] == "tas[lat=11.5,level=mid]"
    travelled = pickle.loads(pickle.dumps(rows))
    assert travelled.labels is None


def test_names_of_columns(cube):
    features = xr.DataArray(np.eye(3), dims=("i", "name"), coords={"name": ["a", "b", "c"]})
    assert open_rows(features).names == ("a", "b", "c")
    stacked = cube.isel(level=0, drop=True).stack(cell=("lat", "lon"))
    assert open_rows(stacked).names[6] == "tas[lat=11.5,lon=1]"


def test_one_dimension(cube):
    y = cube.isel(lat=0, lon=0, level=0)
    check_rows(open_rows(y, role="y"), y.values[:, None])
    with pytest.raises(DataError, match="1 dimension"):
        open_rows(y)


def test_dimension_that_is_not_there(cube, file):
    for obj in (cube, cube.to_dataset(), file):
        with pytest.raises(DataError, match=r"no dimension 'tme'; sample_dim must be among .*time"):
            open_rows(obj, sample_dim="tme")
    with pytest.raises(DataError, match="different dimensions"):
        open_rows(cube, sample_dim=("time", "time"))


@pytest.mark.parametrize("sizes", [(7,), (3, 4), (2, 3, 4), (1, 5, 1, 2)])
def test_boxes_cover_rows_once_in_order(sizes):
    numbers = np.arange(np.prod(sizes)).reshape(sizes)
    for start in range(numbers.size):
        for stop in range(start, numbers.size + 1):
            boxes = list(boxes_of_rows(start, stop, sizes))
            found = [i for box in boxes for i in numbers[box].ravel().tolist()]
            assert found == list(range(start, stop))
            assert len(boxes) < 2 * len(sizes)


def test_two_threads_read_one_file(file, cube):
    rows = open_rows(file).rows(["tas"])
    failures = []

    def read():
        with rows.open() as reader:
            for start in range(12):
                if not np.array_equal(reader.read(start, start + 1)[0], cube.values[start].ravel()):
                    failures.append(start)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_no_engine(tmp_path):
    (tmp_path / "x.nc").write_bytes(b"this is no file that any library reads")
    with pytest.raises((DataError, MissingDependencyError), match=r"x\.nc"):
        open_rows(tmp_path / "x.nc")


def test_real_file(sample_data):
    path = sample_data / "A1B_north_america.nc"
    table = open_rows(path)
    assert table.columns == ("air_temperature",)
    rows = table.rows(table.columns)
    assert rows.names[0] == "air_temperature[latitude=15.0,longitude=225.0]"
    with xr.open_dataset(path) as data:
        check_rows(rows, data["air_temperature"].values.reshape(240, -1), small_pickle=True)
