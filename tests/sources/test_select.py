"""Columns selected from every kind of source: their values, and the bytes read for them."""

from __future__ import annotations

import dask.array as da
import dask.dataframe
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import xarray as xr
import zarr

from daskreg.design import as_design
from daskreg.design.blocks import Block
from daskreg.design.recognise import open_rows
from daskreg.design.sources.selected import select_columns

from .readings import check_rows

N, P = 700, 12
COLUMNS = np.array([0, 3, 4, 11])
NAMES = [f"x{j}" for j in range(P)]


class Sums:
    """Sums of every column, and rows whose y is not their number."""

    name = "sums"

    def __call__(self, block: Block, state):
        wrong = np.sum(block.y[:, 0] != block.start + np.arange(block.n_rows))
        return np.append(np.asarray(block.X.sum(axis=0), float).ravel(), wrong)


@pytest.fixture(scope="module")
def X():
    values = np.random.default_rng(0).integers(-5, 6, (N, P)).astype("float32")
    values[np.random.default_rng(1).random((N, P)) < 0.3] = 0
    return values


def _store(path, X, **options):
    array = zarr.create_array(path, shape=X.shape, dtype=X.dtype, **options)
    array[...] = X
    return str(path)


def _npy(path, X):
    np.save(path, X)
    return str(path)


def _frame(X):
    return pd.DataFrame(X, columns=NAMES)


def _parquet(path, X, **options):
    _frame(X).to_parquet(path, **options)
    return str(path)


def _csv(path, X):
    _frame(X).to_csv(path, index=False)
    return str(path)


def _dataset(X, n_wide=6):
    wide = (("time", "place"), X[:, P - n_wide :])
    narrow = {f"v{j}": ("time", X[:, j]) for j in range(P - n_wide)}
    return xr.Dataset({**narrow, "wide": wide})


def _netcdf(path, X):
    _dataset(X).to_netcdf(path, engine="netcdf4")
    return str(path)


def _memmap(path, X):
    np.save(path, X)
    return np.load(path, mmap_mode="r")


#: Makes X of a folder and an array; whether columns are read alone; decoded columns for COLUMNS.
SOURCES = {
    "numpy": (lambda t, X: X, True, 0),
    "Fortran": (lambda t, X: np.asfortranarray(X), True, 0),
    "big-endian": (lambda t, X: X.astype(">f4"), True, 0),
    "csr": (lambda t, X: sp.csr_array(X), True, 0),
    "csc": (lambda t, X: sp.csc_array(X), True, 0),
    "pandas": (lambda t, X: _frame(X), True, 0),
    "npy": (lambda t, X: _npy(t / "X.npy", X), False, P),
    "npy Fortran": (lambda t, X: _npy(t / "X.npy", np.asfortranarray(X)), True, 4),
    "memmap": (lambda t, X: _memmap(t / "X.npy", X), False, P),
    "memmap Fortran": (lambda t, X: _memmap(t / "X.npy", np.asfortranarray(X)), True, 4),
    "zarr rows": (lambda t, X: _store(t / "X.zarr", X, chunks=(100, P)), False, P),
    "zarr columns": (lambda t, X: _store(t / "X.zarr", X, chunks=(100, 5)), True, 7),
    "zarr narrow": (lambda t, X: _store(t / "X.zarr", X, chunks=(350, 1)), True, 4),
    "zarr shards": (
        lambda t, X: _store(t / "X.zarr", X, chunks=(50, 3), shards=(100, 6)),
        True,
        9,
    ),
    "parquet": (lambda t, X: _parquet(t / "X.parquet", X, row_group_size=90), True, 4),
    "parquet folder": (lambda t, X: _parquet(t / "X.parquet", X), True, 4),
    "csv": (lambda t, X: _csv(t / "X.csv", X), False, P),
    "netcdf": (lambda t, X: _netcdf(t / "X.nc", X), True, 9),
    "dataset": (lambda t, X: _dataset(X), True, 0),
    "dataarray": (lambda t, X: xr.DataArray(X, dims=("time", "place")), True, 0),
    "dask": (lambda t, X: da.from_array(X, chunks=(150, 5)) + 0, False, P),
    "dask unknown": (
        lambda t, X: da.from_array(X, chunks=(150, P))[da.ones(N, chunks=150) > 0],
        False,
        P,
    ),
    "dask frame": (lambda t, X: dask.dataframe.from_pandas(_frame(X), npartitions=3), False, P),
    "xarray over dask": (
        lambda t, X: xr.DataArray(da.from_array(X, chunks=(150, P)) * 1, dims=("time", "place")),
        False,
        P,
    ),
}
#: Made ready by reading them once, and held in another type since.
SPOOLED = {"csv": 8, "dask unknown": 4}


@pytest.mark.parametrize("name", SOURCES)
def test_sums_and_bytes(name, X, tmp_path):
    make, reads_columns, n_read = SOURCES[name]
    expected = X[:, COLUMNS].sum(axis=0, dtype=float)
    source = make(tmp_path, X)
    with as_design(source, np.arange(float(N)), block_size=2048) as design:
        design.prepare()
        ready = design.bytes_read
        assert design.reads_columns == reads_columns
        with design.select(COLUMNS) as some:
            for _ in range(3):
                np.testing.assert_array_equal(some.sum_over_rows(Sums()), [*expected, 0])
            whole = n_read == P
            read = N * n_read * SPOOLED.get(name, 4)
            assert design.n_passes == int(whole)
            assert design.bytes_read - ready == (read if whole else 0)
            assert some.bytes_read == (0 if whole else read)
            if design.feature_names is not None:
                assert some.feature_names == tuple(design.feature_names[j] for j in COLUMNS)
        np.testing.assert_array_equal(
            design.sum_over_rows(Sums()), [*X.sum(axis=0, dtype=float), 0]
        )


KNOWN = [name for name in SOURCES if "dask" not in name and name != "csv"]


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("columns", [COLUMNS, np.array([7]), np.arange(P)])
def test_any_range_buffered_pickled_or_cut(name, columns, X, tmp_path):
    opened = open_rows(SOURCES[name][0](tmp_path, X))
    rows = opened.rows(opened.columns) if hasattr(opened, "columns") else opened
    chosen = select_columns(rows, columns)
    again = select_columns(select_columns(rows, np.arange(P)), columns)
    for some in (chosen, again):
        assert not some.resident
        # They may be views of memory, as the rows that they are of; pinning copies them.
        some.resident = rows.resident
        check_rows(some, X[:, columns])


def test_all_chunks_of_columns_are_whole_rows(X, tmp_path):
    path = _store(tmp_path / "X.zarr", X, chunks=(100, 6))
    with (
        as_design(path, np.arange(float(N)), block_size=2048) as design,
        design.select([5]) as left,
        design.select([5, 6]) as both,
    ):
        left.sum_over_rows(Sums())
        assert (design.n_passes, left.bytes_read) == (0, X.nbytes // 2)
        both.sum_over_rows(Sums())
        assert (design.n_passes, design.bytes_read) == (1, X.nbytes)


def test_only_the_chunks_of_chosen_columns_are_touched(X, tmp_path):
    path = _store(tmp_path / "X.zarr", X, chunks=(100, 4))
    with as_design(path, np.arange(float(N)), block_size=2048) as design:
        some = design.select([0, 9])
        for number in range(7):
            (tmp_path / "X.zarr" / "c" / str(number) / "1").unlink()
        with some:
            np.testing.assert_array_equal(
                some.sum_over_rows(Sums()), [*X[:, [0, 9]].sum(axis=0, dtype=float), 0]
            )


def test_a_column_of_labelled_data_is_labelled(X):
    places = xr.DataArray(X, dims=("time", "place"), coords={"place": np.arange(P) * 10})
    with (
        as_design(places.rename("t"), np.arange(float(N))) as design,
        design.select([1, 5]) as some,
    ):
        assert some.feature_names == ("t[place=10]", "t[place=50]")
        assert some.labels.feature_names == some.feature_names
        assert some.labels.dims == ()


def test_types_of_the_whole_are_kept():
    frame = pd.DataFrame({"a": np.arange(5), "b": np.arange(5) / 2})
    with as_design(frame, np.arange(5.0)) as design, design.select([0]) as some:
        assert some.dtype == design.dtype == np.float64


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "bool", "int64"])
@pytest.mark.parametrize("columns", [[], [0], [5, 17, 18, 299], range(300)])
def test_columns_of_compressed_rows_are_the_same_by_compiled_loops(dtype, columns, monkeypatch):
    from daskreg.design.sources import csr

    X = sp.random_array((400, 300), density=0.1, rng=np.random.default_rng(3), format="csr")
    X.data = np.ceil(9 * X.data).astype(dtype)
    X.sum_duplicates()
    X.data.flags.writeable = False
    columns = np.array(columns, dtype=np.intp)
    calls = []
    gather = csr.gather
    monkeypatch.setattr(csr, "gather", lambda *parts: calls.append(gather(*parts)))
    monkeypatch.setattr(csr, "in_use", lambda: True)
    plain = csr.columns_of(X, columns)
    assert not calls
    monkeypatch.setattr(csr, "MANY", 0)
    found = csr.columns_of(X, columns)
    assert len(calls) == 1
    for one in (plain, found):
        assert one.dtype == X.dtype
        assert one.has_canonical_format
        np.testing.assert_array_equal(one.toarray(), X.toarray()[:, columns])
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(found, name), getattr(plain, name))
        assert getattr(found, name).dtype == getattr(plain, name).dtype
