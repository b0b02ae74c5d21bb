"""``as_design``: columns by name, members of a store, files beside; nothing is read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import zarr

from daskreg.design import as_design
from daskreg.exceptions import DataError, MissingChunksError


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.standard_normal((50, 4)), columns=["a", "b", "t", "w"]).abs()


def test_columns_named_for_y_and_weights_are_no_features(frame):
    design = as_design(frame, "t", "w")
    assert design.feature_names == ("a", "b")
    assert (design.n_features, design.n_targets, design.has_weights) == (2, 1, True)


def test_feature_names_choose_columns_of_a_table_and_name_those_of_a_matrix(frame):
    assert as_design(frame, "t", feature_names=["b"]).feature_names == ("b",)
    named = as_design(np.eye(3), np.ones(3), feature_names=["p", "q", "r"])
    assert named.feature_names == ("p", "q", "r")
    with pytest.raises(DataError, match="2 names but X has 3 columns"):
        as_design(np.eye(3), feature_names=["p", "q"])


def test_a_typo_names_the_nearest_column(frame):
    frame = frame.rename(columns={"t": "target"})
    with pytest.raises(DataError, match=r"no column 'tagret'; did you mean 'target'"):
        as_design(frame, "tagret")


def test_a_column_cannot_be_feature_and_target(frame):
    with pytest.raises(DataError, match="'t' cannot be a feature"):
        as_design(frame, "t", feature_names=["a", "t"])


def test_a_column_name_needs_a_table():
    with pytest.raises(DataError, match="no named columns"):
        as_design(np.eye(3), "t")


def test_y_may_be_a_file_of_its_own(tmp_path, frame):
    np.save(tmp_path / "y.npy", np.arange(50.0))
    design = as_design(frame, str(tmp_path / "y.npy"))
    assert (design.n_features, design.n_targets) == (4, 1)


def test_y_may_be_a_member_of_the_group_that_X_lies_in(tmp_path):
    group = zarr.create_group(tmp_path / "data.zarr")
    for name, values in (("X", np.ones((20, 3))), ("y", np.arange(20.0))):
        group.create_array(name, data=values, chunks=(7, *values.shape[1:]))
    design = as_design(str(tmp_path / "data.zarr"), "y")
    assert (design.n_samples, design.n_features, design.n_targets) == (20, 3, 1)
    with pytest.raises(DataError, match="no named columns"):
        as_design(str(tmp_path / "data.zarr"), "z")


def test_a_member_with_absent_chunks_is_treated_as_asked(tmp_path):
    group = zarr.create_group(tmp_path / "data.zarr")
    group.create_array("X", data=np.ones((20, 3)), chunks=(7, 3))
    group.create_array("y", shape=(20,), chunks=(7,), dtype="f8")
    path = str(tmp_path / "data.zarr")
    with pytest.raises(MissingChunksError):
        as_design(path, "y")
    assert as_design(path, "y", missing_chunks="fill").n_targets == 1


def test_unknown_rows_are_said_to_be_unknown_until_the_census(tmp_path, frame):
    frame.to_csv(tmp_path / "data.csv", index=False)
    with as_design(str(tmp_path / "data.csv"), "t") as design:
        assert design.n_samples is None
        assert "rows unknown" in str(design.plan)
        design.prepare()
        assert design.n_samples == 50
        assert design.bytes_read == frame.to_numpy().nbytes
        assert design.n_passes == 0
