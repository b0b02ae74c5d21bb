"""Groups: a column beside X of any type, read, kept and refused as the others are."""

from __future__ import annotations

import dask.array as da
import dask.dataframe
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

from daskreg.design import as_design
from daskreg.exceptions import DataError

from .helpers import CheckGroups, CountRows, GroupSums

N = 3000
OPTIONS = {"block_size": 4096}


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).standard_normal((N, 6))


GROUPS = {
    "int8": np.arange(N).astype(np.int8) % 7,
    "float32": (np.arange(N) % 7).astype(np.float32),
    "bool": np.arange(N) % 2 == 0,
    "str": np.array([f"site {i % 11}" for i in range(N)]),
}


def as_given(kind, groups, tmp_path):
    """The groups as users may have them."""
    if kind == "object":
        return groups.astype(object)
    if kind == "series":
        return pd.Series(groups, index=np.arange(N) + 5)
    if kind == "dask":
        return da.from_array(groups, chunks=700)
    if kind == "xarray":
        return xr.DataArray(groups, dims="sample")
    if kind == "npy":
        np.save(tmp_path / "groups.npy", groups)
        return str(tmp_path / "groups.npy")
    return groups


@pytest.mark.parametrize("kind", ["numpy", "series", "dask", "xarray", "npy"])
@pytest.mark.parametrize("name", GROUPS)
def test_blocks_hold_the_groups_of_their_rows_as_stored(X, tmp_path, kind, name):
    groups = GROUPS[name]
    with as_design(X, X[:, 0], groups=as_given(kind, groups, tmp_path), **OPTIONS) as design:
        assert design.has_groups
        kernel = CheckGroups(groups)
        # In a pass over X, from what it pinned, and in a pass that leaves X out.
        for reads_X in (False, True, True, False):
            wrong, n_rows = design.sum_over_rows(kernel.reading(reads_X))
            assert (wrong, n_rows) == (0, N)


def test_string_objects_are_groups(X, tmp_path):
    groups = GROUPS["str"]
    with as_design(X, groups=as_given("object", groups, tmp_path), **OPTIONS) as design:
        np.testing.assert_array_equal(design.sum_over_rows(CheckGroups(groups)), [0, N])


def test_no_groups(X):
    with as_design(X, X[:, 0]) as design:
        assert not design.has_groups
        assert design.sum_over_rows(CountRows())[0] == N


@pytest.mark.parametrize("suffix", ["csv", "parquet", "frame", "dask frame"])
def test_groups_may_be_a_column_of_the_table(tmp_path, suffix):
    frame = pd.DataFrame({"a": np.arange(9.0), "site": list("aabbbcccc"), "y": np.ones(9)})
    if suffix == "frame":
        source = frame
    elif suffix == "dask frame":
        source = dask.dataframe.from_pandas(frame, npartitions=3)
    else:
        source = str(tmp_path / f"data.{suffix}")
        getattr(frame, f"to_{suffix}")(source, index=False)
    with as_design(source, "y", groups="site") as design:
        assert design.feature_names == ("a",)
        wrong, n_rows = design.sum_over_rows(CheckGroups(frame["site"].to_numpy().astype(str)))
        assert (wrong, n_rows) == (0, 9)


def test_groups_beside_X_in_a_zarr_group(X, tmp_path):
    store = zarr.open_group(tmp_path / "data.zarr", mode="w")
    for name, values in {"X": X, "groups": GROUPS["int8"]}.items():
        array = store.create_array(
            name, shape=values.shape, chunks=values.shape, dtype=values.dtype
        )
        array[...] = values
    path = str(tmp_path / "data.zarr")
    with as_design(path, groups="groups", missing_chunks="fill", **OPTIONS) as design:
        assert design.sum_over_rows(CheckGroups(GROUPS["int8"]))[0] == 0


def test_sums_by_group_do_not_depend_on_blocks(X):
    groups = GROUPS["str"]
    names = np.unique(groups)
    expected = np.array([X[groups == name].sum() for name in names])
    for size in (1024, 4096, 1 << 20):
        with as_design(X, groups=groups, block_size=size) as design:
            np.testing.assert_allclose(design.sum_over_rows(GroupSums(names)), expected)


def test_lengths_and_widths_are_checked(X):
    with pytest.raises(DataError, match=r"X has 3000 rows .* groups has 2999"):
        as_design(X, groups=np.zeros(N - 1))
    with pytest.raises(DataError, match=r"groups has 2 columns .* one group a row"):
        as_design(X, groups=np.zeros((N, 2)))
    with pytest.raises(DataError, match="cannot be a feature"):
        as_design(pd.DataFrame({"a": [1.0], "g": [1]}), groups="g", feature_names=["a", "g"])


def missing(kind, tmp_path):
    names = [f"site {i % 11}" for i in range(N)]
    holes = [None if i == 1234 else name for i, name in enumerate(names)]
    if kind == "object":
        return np.array(holes, dtype=object)
    if kind == "float":
        return np.where(np.arange(N) == 1234, np.nan, 1.0)
    if kind == "series":
        return pd.Series(holes, index=np.arange(N) + 5)
    if kind == "dask series":
        return dask.dataframe.from_pandas(pd.Series(holes), npartitions=3)
    return da.from_array(np.array(holes, dtype=object), chunks=700)


@pytest.mark.parametrize("kind", ["object", "float", "series", "dask", "dask series"])
@pytest.mark.parametrize("reads_X", [True, False])
def test_a_missing_group_is_refused_with_its_row(X, tmp_path, kind, reads_X):
    kernel = CheckGroups(np.ones(N) if kind == "float" else np.full(N, "x")).reading(reads_X)
    with (
        pytest.raises(DataError, match="row 1234"),
        as_design(X, groups=missing(kind, tmp_path), **OPTIONS) as design,
    ):
        design.sum_over_rows(kernel)


def test_a_missing_group_of_a_parquet_file_is_refused_with_its_row(tmp_path):
    frame = pd.DataFrame(
        {"a": np.arange(99.0), "site": [None if i == 77 else "s" for i in range(99)]}
    )
    frame.to_parquet(tmp_path / "data.parquet", row_group_size=10)
    with (
        pytest.raises(
            DataError, match="'site' holds 1 or more missing values, the first in row 77"
        ),
        as_design(str(tmp_path / "data.parquet"), groups="site") as design,
    ):
        design.sum_over_rows(CheckGroups(np.full(99, "s")))
