"""``plan``, ``predict`` and ``show``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import daskreg


@pytest.fixture
def model(run, data, tmp_path):
    out = tmp_path / "model.zarr.zip"
    run("fit", data / "table.parquet", "--target", "outcome", "--alpha", 0.1, "--out", out)
    return out


@pytest.fixture
def classifier(run, data, tmp_path):
    out = tmp_path / "classifier.zarr.zip"
    run(
        *("fit", data / "labels.parquet", "--target", "label"),
        *("--loss", "logistic", "--out", out),
    )
    return out


def test_plan_reads_nothing(run, data, tmp_path):
    rows, columns = 100_000_000, 1000
    sparse = tmp_path / "X.npy"  # 400 GB that are not there
    with open(sparse, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)}
        np.lib.format.write_array_header_2_0(file, header)
        file.truncate(file.tell() + rows * columns * 4)
    np.lib.format.open_memmap(tmp_path / "y.npy", "w+", np.float32, (rows,))
    result = run("plan", sparse, "--y", tmp_path / "y.npy", "--memory", "2GiB")
    assert result.exit_code == 0, result.output
    assert "100,000,000 rows" in result.stdout
    assert "2.0 GiB" in result.stdout or "2 GiB" in result.stdout


def test_plan_is_that_of_the_fit(run, data, tmp_path):
    what = data / "X.npy", "--y", data / "y.npy", "--alpha", 0.1
    for solver, passes in (("gram", "1"), ("fista", "until converged")):
        plan = run("plan", *what, "--solver", solver)
        assert plan.exit_code == 0, plan.output
        fitted = run("fit", *what, "--solver", solver)
        line = f"passes     {passes}\n"
        assert line in plan.stdout
        assert line in fitted.stderr
    counted = run("plan", data / "table.csv", "--target", "outcome")
    assert "rows unknown" in counted.stdout


def test_plan_refuses_what_cannot_fit(run, data):
    result = run("plan", data / "X.npy", "--y", data / "y.npy", "--memory", "10MiB")
    assert result.exit_code == 2
    assert "memory_limit" in result.stderr
    assert "Traceback" not in result.output


def test_show(run, model):
    result = run("show", model, "--most", 2)
    assert result.exit_code == 0, result.output
    assert "Lasso(alpha=0.1" in result.stdout
    assert "3 of 5; the 2 largest are:" in result.stdout
    assert "meets tol=1e-06" in result.stdout
    assert "age" in result.stdout
    assert "ldl" not in result.stdout


def test_show_takes_names_as_they_are(run, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(50, 2)), columns=["t[latitude=40.0]", "[red]b"])
    model = daskreg.Lasso(0.01).fit(table, table.sum(axis=1).to_numpy())
    result = run("show", model.save(tmp_path / "model"))
    assert "t[latitude=40.0]" in result.stdout
    assert "[red]b" in result.stdout


def test_variables_of_netcdf(run, tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 2, 3))
    dims = ("time", "latitude", "longitude")
    xarray.Dataset({"t": (dims, values), "u": (dims, values)}).to_netcdf(tmp_path / "grid.nc")
    np.save(tmp_path / "y.npy", values[:, 1, 2])
    out, data = tmp_path / "model", tmp_path / "grid.nc"
    result = run(
        *("fit", data, "--y", tmp_path / "y.npy", "--columns", "t", "--sample-dim", "time"),
        *("--alpha", 0.1, "--out", out),
    )
    assert result.exit_code == 0, result.output
    model = daskreg.load(out)
    assert len(model.feature_names_in_) == 6
    assert np.flatnonzero(model.coef_).tolist() == [5]
    result = run("predict", out, data, "--out", tmp_path / "p.npy")
    assert result.exit_code == 0, result.output
    expected = model.predict(values.reshape(40, 6))
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), expected, rtol=1e-6)


def test_no_column_left_for_X(run, data):
    table = pd.read_parquet(data / "table.parquet")[["age"]]
    table.to_parquet(data / "lone.parquet")
    result = run("fit", data / "lone.parquet", "--target", "age")
    assert result.exit_code == 2
    assert "no column that can be X beside 'age'" in result.stderr


def test_predict_npy_and_csv(run, data, model, tmp_path):
    table = pd.read_parquet(data / "table.parquet")
    expected = daskreg.load(model).predict(table.drop(columns="outcome"))
    for name in ("p.npy", "p.csv", "p.zarr"):
        result = run("predict", model, data / "table.parquet", "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), expected, rtol=1e-12)
    frame = pd.read_csv(tmp_path / "p.csv")
    assert frame.columns.tolist() == ["prediction"]
    np.testing.assert_allclose(frame["prediction"], expected, rtol=1e-12)
    import zarr

    np.testing.assert_allclose(zarr.open_array(tmp_path / "p.zarr", mode="r")[:], expected)
    assert not list(tmp_path.glob(".*"))


def test_predict_labels_and_probabilities(run, data, classifier, tmp_path):
    out = tmp_path / "p.csv"
    result = run("predict", classifier, data / "labels.parquet", "--out", out)
    assert result.exit_code == 0, result.output
    assert set(pd.read_csv(out)["prediction"]) == {"no", "yes"}
    result = run("predict", classifier, data / "labels.parquet", "--out", out, "--probability")
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(out)
    assert frame.columns.tolist() == ["probability_no", "probability_yes"]
    np.testing.assert_allclose(frame.sum(axis=1), 1)


def test_predict_refuses(run, data, model, classifier, tmp_path):
    for arguments, message in [
        ((model, data / "X.npy", "--out", tmp_path / "p.txt"), "expected a name that ends in"),
        ((model, data / "none.npy", "--out", tmp_path / "p.npy"), "there is no"),
        ((model, data / "X.npy", "--out", tmp_path / "no" / "p.npy"), "does not exist"),
        ((data / "X.npy", data / "X.npy", "--out", tmp_path / "p.npy"), "not a model file"),
        ((model, data / "X.npy", "--out", tmp_path / "p.npy", "--probability"), "no classes"),
        ((classifier, data / "labels.parquet", "--out", tmp_path / "p.zarr"), "text labels"),
    ]:
        result = run("predict", *arguments)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
