"""xarray objects over Dask arrays: samples by name, several dimensions stacked."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg import Lasso
from daskreg.design.collections.opening import open_collection
from daskreg.design.collections.settle import settle
from daskreg.exceptions import DataError

from .conftest import read_ranges

xr = pytest.importorskip("xarray")

T, LAT, BAND = 50, 6, 4
RANGES = [(0, 1), (7, 41)]


@pytest.fixture
def cube():
    values = np.random.default_rng(0).standard_normal((BAND, T, LAT))
    array = xr.DataArray(
        values, dims=("band", "time", "lat"), coords={"band": ["r", "g", "b", "i"]}, name="cube"
    )
    return array.chunk({"band": 2, "time": 12, "lat": 4})


@pytest.mark.parametrize(
    ("sample", "features"),
    [
        ("time", ("band", "lat")),
        (["time", "lat"], ("band",)),
        (["lat", "time"], ("band",)),
        (None, ("time", "lat")),
    ],
)
def test_stacked_dimensions(cube, sample, features, scratch):
    rows = open_collection(cube, sample_dim=sample)
    dims = [sample or "band"] if not isinstance(sample, list) else sample
    ordered = cube.transpose(*dims, *features).values
    expected = ordered.reshape(int(np.prod(ordered.shape[: len(dims)])), -1)
    assert (rows.n_rows, rows.n_columns) == expected.shape
    (ready,), _ = settle([rows], scratch)
    ranges = RANGES if len(expected) > 41 else [(0, 1)]
    read_ranges(ready, expected, ranges=ranges)
    assert len(ready.names) == ready.n_columns
    assert ready.labels.dims == features


def test_dataset_variables_are_columns(scratch, cube):
    data = cube.transpose("time", "band", "lat").isel(lat=0, drop=True)
    dataset = xr.Dataset({"x": data, "y": data.sel(band="g", drop=True) * 2, "k": 1.0})
    table = open_collection(dataset, sample_dim="time")
    assert table.columns == ("x", "y")
    (X, y), _ = settle([table.rows(["y", "x"]), table.rows(["y"])], scratch)
    assert X.names[0] == "y"
    assert len(X.names) == 1 + BAND
    expected = np.column_stack([dataset.y.values, dataset.x.values])
    read_ranges(X, expected, ranges=RANGES)
    read_ranges(y, expected[:, :1], ranges=RANGES)


def test_variables_of_types_that_numpy_does_not_know_are_no_columns():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=50), "g": pd.Categorical(["x", "y"] * 25)})
    frame["when"] = pd.period_range("2001-01", periods=50, freq="M")
    frame["y"] = 2.0 * frame["a"]
    assert Lasso(0.01).fit(xr.Dataset.from_dataframe(frame), "y").feature_names_in_ == ["a"]


def test_unknown_dimension(cube):
    with pytest.raises(DataError, match="no dimension 'times'"):
        open_collection(cube, sample_dim="times")


def test_x_of_one_dimension(cube):
    with pytest.raises(DataError, match="2D array"):
        open_collection(cube[0, 0])
