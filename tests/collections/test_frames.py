"""Data frames: chosen columns, known and unknown lengths, labels; each part parsed once."""

from __future__ import annotations

import threading
from collections import Counter

import dask
import numpy as np
import pytest

from daskreg.design.collections.opening import open_collection
from daskreg.design.collections.settle import settle
from daskreg.exceptions import DataError

from .conftest import read_ranges

pd = pytest.importorskip("pandas")
dd = pytest.importorskip("dask.dataframe")

# What Dask and pandas say to each other.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

N = 1000
RANGES = [(0, 3), (240, 260), (100, N)]


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((N, 3)), columns=["a", "b", "c"])
    frame["n"] = np.arange(N)
    frame["label"] = np.where(frame.a > 0, "yes", "no")
    frame["nullable"] = pd.array([1, None] * (N // 2), dtype="Int64")
    return frame


@pytest.fixture(params=["csv", "parquet", "pandas", "filtered"])
def lazy(request, frame, tmp_path):
    if request.param == "csv":
        frame.to_csv(tmp_path / "d.csv", index=False)
        return dd.read_csv(tmp_path / "d.csv", blocksize=20000)
    if request.param == "parquet":
        dd.from_pandas(frame, npartitions=4).to_parquet(tmp_path / "pq")
        return dd.read_parquet(tmp_path / "pq")
    made = dd.from_pandas(frame, npartitions=4)
    return made if request.param == "pandas" else made[made.n >= 0]


def test_columns_of_a_frame(lazy, frame, scratch):
    table = open_collection(lazy)
    assert table.columns == tuple(frame.columns)
    chosen = [table.rows(["c", "n", "a"]), table.rows(["label"])]
    assert chosen[0].names == ("c", "n", "a")
    (X, y), _ = settle(chosen, scratch)
    assert X.n_rows == y.n_rows == N
    read_ranges(X, frame[["c", "n", "a"]].to_numpy(), ranges=RANGES)
    read_ranges(y, frame[["label"]].to_numpy().astype("U3"), ranges=RANGES)


def test_series_and_frame_given_apart(lazy, frame, scratch):
    X, y = open_collection(lazy[["a", "b"]]), open_collection(lazy["n"], role="y")
    (X, y), _ = settle([X.rows(X.columns), y], scratch)
    read_ranges(X, frame[["a", "b"]].to_numpy(), ranges=RANGES)
    read_ranges(y, frame[["n"]].to_numpy(), ranges=RANGES)


def test_frame_as_array_of_unknown_chunks(lazy, frame, scratch):
    x = lazy[["a", "b"]].to_dask_array()
    (X,), _ = settle([open_collection(x)], scratch)
    read_ranges(X, frame[["a", "b"]].to_numpy(), ranges=RANGES)


def test_nullable_columns_are_nan(frame, scratch):
    table = open_collection(dd.from_pandas(frame, npartitions=3))
    (X,), _ = settle([table.rows(["nullable", "a"])], scratch)
    expected = frame[["nullable", "a"]].to_numpy(dtype=float, na_value=np.nan)
    read_ranges(X, expected, ranges=RANGES)


def test_lengths_are_taken_from_the_source(frame):
    table = open_collection(dd.from_pandas(frame, npartitions=3))
    assert table.rows(["a"]).n_rows == N


def test_unknown_parts_are_made_once_for_x_and_y(frame, scratch):
    made: Counter = Counter()
    lock = threading.Lock()

    def part(i):
        with lock:
            made[i] += 1
        return frame.iloc[i * 100 : i * 100 + 10 * i]

    lazy = dd.from_delayed(
        [dask.delayed(part, name=f"part-{i}", pure=False)(i) for i in range(10)],
        meta=frame.iloc[:0],
    )
    table = open_collection(lazy)
    (X, y), read = settle([table.rows(["a", "b"]), table.rows(["n"])], scratch)
    assert X.n_rows == y.n_rows == sum(10 * i for i in range(10))
    assert read == X.n_rows * 3 * 8
    assert set(made.values()) == {1}
    expected = pd.concat([frame.iloc[i * 100 : i * 100 + 10 * i] for i in range(10)])
    read_ranges(X, expected[["a", "b"]].to_numpy(), ranges=[(0, 450), (5, 33)])
    read_ranges(y, expected[["n"]].to_numpy(), ranges=[(0, 450), (5, 33)])


def test_shuffled_frame_is_spooled(frame, scratch):
    lazy = dd.from_pandas(frame, npartitions=4).shuffle("n", shuffle_method="tasks")
    (X,), _ = settle([open_collection(lazy).rows(["n", "a"])], scratch)
    expected = lazy[["n", "a"]].compute(scheduler="sync").to_numpy()
    found = X.open().read(0, N)
    np.testing.assert_array_equal(
        found[np.argsort(found[:, 0])], expected[expected[:, 0].argsort()]
    )


def test_wrong_columns(frame):
    table = open_collection(dd.from_pandas(frame, npartitions=3))
    with pytest.raises(DataError, match="did you mean 'label'"):
        table.rows(["lable"])
    with pytest.raises(DataError, match="not numbers"):
        table.rows(["a", "label"])
    with pytest.raises(DataError, match="twice"):
        table.rows(["a", "a"])
