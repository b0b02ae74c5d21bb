"""Predictions have the kind of X."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from daskreg.exceptions import DataError
from daskreg.linear_model import Lasso, LogisticRegression, Ridge


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 6))
    return X, X @ np.array([2.0, 0, 0, -1, 0, 0.5]) + rng.normal(size=60)


@pytest.fixture(scope="module")
def ridge(data):
    return Ridge().fit(*data)


@pytest.fixture(scope="module")
def logistic(data):
    X, y = data
    return LogisticRegression().fit(X, np.where(y > 0, "up", "down"))


def refuse(*args, **kwargs):
    raise AssertionError("something was computed")


def test_numpy_lists_and_sparse_give_numpy(ridge, data):
    X, _ = data
    expected = X @ ridge.coef_ + ridge.intercept_
    for kind in (X, X.tolist(), sparse.csr_array(X), sparse.csc_matrix(X), sparse.coo_array(X)):
        predicted = ridge.predict(kind)
        assert type(predicted) is np.ndarray
        assert_allclose(predicted, expected)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize("chunks", [(7, 6), (60, 6), (7, 2)])
def test_dask_is_lazy(logistic, data, method, chunks):
    X, _ = data
    with dask.config.set(scheduler=refuse):
        lazy = getattr(logistic, method)(da.from_array(X, chunks=chunks))
    assert isinstance(lazy, da.Array)
    expected = getattr(logistic, method)(X)
    assert lazy.shape == expected.shape
    assert lazy.dtype == expected.dtype
    assert lazy.chunks[0] == da.from_array(X, chunks=chunks).chunks[0]
    if expected.dtype.kind == "f":
        assert_allclose(lazy.compute(scheduler="sync"), expected)
    else:
        assert_array_equal(lazy.compute(scheduler="sync"), expected)


def test_dask_of_unknown_chunks(ridge, data):
    X, _ = data
    chunked = da.from_array(X, chunks=(9, 3))
    chosen = chunked[chunked[:, 0] > 0]
    with dask.config.set(scheduler=refuse):
        lazy = ridge.predict(chosen)
    assert_allclose(lazy.compute(scheduler="sync"), ridge.predict(X[X[:, 0] > 0]))


def test_dask_with_offset(ridge, data):
    X, _ = data
    offset = np.arange(60.0)
    with dask.config.set(scheduler=refuse):
        lazy = ridge.predict(da.from_array(X, chunks=(9, 6)), offset)
    assert_allclose(lazy.compute(scheduler="sync"), ridge.predict(X) + offset)
    with pytest.raises(DataError, match="offset"):
        ridge.predict(da.from_array(X, chunks=(9, 6)), offset[:-1])
    with pytest.raises(DataError, match="offset"):
        ridge.predict(X, offset[:-1])


def test_several_targets(data):
    X, y = data
    offset = np.stack([np.arange(60.0), -np.arange(60.0)], axis=1)
    model = Lasso(0.1).fit(X, np.stack([y, -y], axis=1))
    expected = model.predict(X, offset)
    assert expected.shape == (60, 2)
    assert_allclose(expected, model.predict(X) + offset)
    lazy = model.predict(da.from_array(X, chunks=(9, 4)), offset)
    assert lazy.shape == (60, 2)
    assert_allclose(lazy.compute(scheduler="sync"), expected)


def test_frames(ridge, data):
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    pl = pytest.importorskip("polars")
    X, y = data
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = Ridge().fit(frame, y)
    assert_allclose(model.predict(frame), ridge.predict(X))
    assert_allclose(model.predict(pl.from_pandas(frame)), ridge.predict(X))
    lazy = model.predict(dd.from_pandas(frame, npartitions=3))
    assert isinstance(lazy, da.Array)
    assert_allclose(lazy.compute(scheduler="sync"), ridge.predict(X))


def test_dataarray_keeps_its_sample_coordinates(logistic, data):
    xr = pytest.importorskip("xarray")
    X, _ = data
    array = xr.DataArray(
        X.T,
        dims=("band", "time"),
        coords={"time": np.arange(60) * 10, "band": list("abcdef"), "season": ("time", X[:, 0])},
    )
    predicted = logistic.predict(array, sample_dim="time")
    assert predicted.dims == ("time",)
    assert_array_equal(predicted["time"], array["time"])
    assert "season" in predicted.coords
    assert "band" not in predicted.coords
    assert_array_equal(predicted.values, logistic.predict(X))
    with dask.config.set(scheduler=refuse):
        proba = logistic.predict_proba(array.chunk({"time": 7, "band": 2}), sample_dim="time")
    assert proba.dims == ("time", "class")
    assert proba["class"].values.tolist() == ["down", "up"]
    assert proba.chunks is not None
    assert_allclose(proba.compute(scheduler="sync").values, logistic.predict_proba(X))


def test_stacked_sample_dimensions_come_back(ridge, data):
    xr = pytest.importorskip("xarray")
    X, _ = data
    cube = xr.DataArray(
        X.reshape(12, 5, 6).transpose(0, 2, 1),
        dims=("time", "band", "site"),
        coords={"site": list("abcde"), "time": np.arange(12)},
    )
    predicted = ridge.predict(cube, sample_dim=["time", "site"])
    assert predicted.dims == ("time", "site")
    assert predicted["site"].values.tolist() == list("abcde")
    assert_allclose(predicted.values.ravel(), ridge.predict(X))
    with dask.config.set(scheduler=refuse):
        lazy = ridge.predict(cube.chunk({"time": 5, "band": 3}), sample_dim=["time", "site"])
    assert_allclose(lazy.compute(scheduler="sync"), predicted)


@pytest.mark.parametrize("chunks", [None, {"time": 5, "band": 2}])
def test_fit_on_stacked_samples(data, chunks):
    xr = pytest.importorskip("xarray")
    X, y = data
    cube = xr.DataArray(X.reshape(12, 5, 6), dims=("time", "site", "band"))
    target = xr.DataArray(y.reshape(12, 5), dims=("time", "site"))
    if chunks:
        cube = cube.chunk(chunks)
    offset = xr.DataArray(np.arange(60.0).reshape(12, 5), dims=("time", "site"))
    model = Ridge().fit(cube, target, sample_dim=["time", "site"])
    assert_allclose(model.coef_, Ridge().fit(X, y).coef_)
    predicted = model.predict(cube.transpose("band", "site", "time"), offset)
    assert predicted.dims == ("time", "site")
    expected = model.predict(X) + offset.values.ravel()
    assert_allclose(predicted.values.ravel(), expected)
    assert_allclose(model.score(cube, target), Ridge().fit(X, y).score(X, y))


def test_fit_remembers_the_sample_dimension(data):
    xr = pytest.importorskip("xarray")
    X, y = data
    array = xr.DataArray(X, dims=("time", "band"), coords={"band": list("abcdef")})
    model = Ridge().fit(array, y, sample_dim="time")
    assert_allclose(model.predict(array).values, Ridge().fit(X, y).predict(X))
    assert model.solution_["coef"].dims[-1] == "band"
    assert model.solution_["band"].values.tolist() == list("abcdef")


def test_dataset_of_variables(data):
    xr = pytest.importorskip("xarray")
    X, y = data
    columns = {name: ("time", X[:, i]) for i, name in enumerate("abcdef")}
    model = Ridge().fit(xr.Dataset({**columns, "y": ("time", y)}), "y", sample_dim="time")
    assert model.feature_names_in_.tolist() == list("abcdef")
    predicted = model.predict(xr.Dataset(columns, coords={"time": np.arange(60)}))
    assert predicted.dims == ("time",)
    assert_allclose(predicted.values, Ridge().fit(X, y).predict(X))


@pytest.mark.parametrize("suffix", ["npy", "zarr", "parquet", "csv"])
def test_paths_are_streamed(ridge, data, tmp_path, suffix, monkeypatch):
    from daskreg.design.rowwise import call

    X, y = data
    path = tmp_path / f"X.{suffix}"
    if suffix == "npy":
        np.save(path, X)
    elif suffix == "zarr":
        zarr = pytest.importorskip("zarr")
        zarr.save(str(path), X)
    else:
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame(X, columns=list("abcdef")).assign(y=y)
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    monkeypatch.setattr(call, "RUN_NBYTES", 7 * 6 * 8)
    if suffix in ("npy", "zarr"):
        predicted = ridge.predict(str(path))
    else:
        model = Ridge().fit(path, "y")
        assert model.feature_names_in_.tolist() == list("abcdef")
        predicted = model.predict(path)
        assert_allclose(model.score(path, "y"), ridge.score(X, y))
    assert type(predicted) is np.ndarray
    assert_allclose(predicted, ridge.predict(X))


def test_netcdf_path(data, tmp_path):
    xr = pytest.importorskip("xarray")
    import daskreg

    X, y = data
    path = tmp_path / "cube.nc"
    cube = xr.Dataset(
        {"tas": (("time", "lat", "lon"), X.reshape(60, 2, 3)), "y": ("time", y)},
        coords={"lat": [1.0, 2.0], "lon": [10, 20, 30], "time": np.arange(60)},
    )
    cube.to_netcdf(path, engine="scipy")
    ridge = Ridge().fit(X, y)
    model = Ridge().fit(path, "y", sample_dim="time")
    assert_allclose(model.coef_, ridge.coef_)
    assert model.solution_["coef"].dims == ("target", "lat", "lon")
    model.save(tmp_path / "model.zip")
    for fitted in (model, daskreg.load(tmp_path / "model.zip")):
        assert_allclose(fitted.predict(path), ridge.predict(X))
        for labelled in (cube, cube["tas"], cube.chunk({"time": 7}), cube.transpose()):
            predicted = fitted.predict(labelled)
            assert predicted.dims == ("time",)
            assert_allclose(predicted.values, ridge.predict(X))
    with pytest.raises(DataError, match="tas"):
        model.predict(cube.rename(tas="pr"))


def test_wrong_features_are_told(ridge, data):
    X, _ = data
    for wrong in (X[:, :5], da.from_array(X[:, :5]), sparse.csr_array(X[:, :5])):
        with pytest.raises(ValueError, match="X has 5 features, but Ridge is expecting 6"):
            ridge.predict(wrong)
    with pytest.raises(ValueError, match="Reshape your data"):
        ridge.predict(X[0])


def test_nan_is_told(ridge, data):
    X, _ = data
    X = X.copy()
    X[3, 1] = np.nan
    with pytest.raises(DataError, match="NaN"):
        ridge.predict(X)
    lazy = ridge.predict(da.from_array(X))
    with pytest.raises(DataError, match="NaN"):
        lazy.compute(scheduler="sync")


def test_a_coordinate_may_be_called_as_a_variable_is():
    xr = pytest.importorskip("xarray")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    data = xr.Dataset({"f": (("time", "cell"), X)}, coords={"cell": ["e", "f", "g"]})
    model = Lasso(0.1).fit(data, X[:, 0], sample_dim="time")
    assert_allclose(model.predict(data), model.predict(X))
