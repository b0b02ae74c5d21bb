from __future__ import annotations

import pickle

import numpy as np
import pytest

from daskreg.design.recognise import open_rows
from daskreg.exceptions import DataError

from .readings import check_rows

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

N = 37


def columns(random):
    return {
        "a": random.normal(size=N).astype("f4"),
        "b": random.integers(0, 9, N).astype("i2"),
        "c": random.integers(0, 2, N).astype(bool),
        "d": random.normal(size=N),
        "u": random.integers(0, 200, N).astype("u1"),
        "label": random.choice(["no", "yes"], N).tolist(),
    }


MAKERS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_frame(random, maker):
    data = columns(random)
    table = open_rows(maker(data))
    assert table.columns == tuple(data)
    for chosen, dtype in [("a", "f4"), ("bc", "i2"), ("dcba", "f8"), ("u", "u1"), ("ab", "f4")]:
        rows = table.rows(list(chosen))
        assert rows.resident
        assert rows.dtype == dtype
        assert rows.names == tuple(chosen)
        check_rows(rows, np.column_stack([data[name] for name in chosen]))
    check_rows(table.rows(["label"]), np.array(data["label"])[:, None])
    with pytest.raises(DataError, match="'label' hold strings or categories: encode them"):
        table.rows(["a", "label"])
    with pytest.raises(DataError, match="has no column 'lable'; did you mean 'label'"):
        table.rows(["lable"])


def test_extension_types():
    frame = pd.DataFrame(
        {
            "i": pd.array([1, 2, 3], dtype="Int8"),
            "f": pd.array([1.5, None, 3], dtype="Float32"),
            "b": pd.array([True, False, True], dtype="boolean"),
            "arrow": pd.array([1, 2, 3], dtype="int64[pyarrow]"),
            "half": np.array([1, 2, 3], dtype="f2"),
            "holes": pd.array([1, None, 3], dtype="Int64"),
            "category": pd.Categorical(["x", "y", "x"]),
            "digits": pd.Categorical([7, 9, 7]),
            "objects": pd.Series([1, {}, None], dtype=object),
        }
    )
    table = open_rows(frame)
    check_rows(table.rows(["i", "b"]), [[1, 1], [2, 0], [3, 1]])
    check_rows(table.rows(["i", "f", "arrow"]), [[1, 1.5, 1], [2, np.nan, 2], [3, 3, 3]])
    check_rows(table.rows(["half"]), [[1], [2], [3]])
    check_rows(table.rows(["category"]), [["x"], ["y"], ["x"]])
    check_rows(table.rows(["digits"]), [[7], [9], [7]])
    with table.rows(["holes"]).open() as reader:
        assert reader.read(0, 1).tolist() == [[1]]
        with pytest.raises(DataError, match="'holes' has missing values, the first in row 1"):
            reader.read(0, 3)
    with pytest.raises(DataError, match="'objects'"):
        table.rows(["i", "objects"])


def test_polars_types():
    frame = pl.DataFrame(
        {"f": [1.5, None], "i": [1, 2], "e": pl.Series(["x", "y"], dtype=pl.Enum(["x", "y"]))}
    )
    table = open_rows(frame)
    check_rows(table.rows(["f", "i"]), [[1.5, 1], [np.nan, 2]])
    check_rows(table.rows(["e"]), [["x"], ["y"]])
    with pytest.raises(DataError, match="lazy frames must be collected"):
        open_rows(frame.lazy())


def test_dates_are_refused():
    frame = pd.DataFrame({"a": [1.0], "when": pd.to_datetime(["2020-01-01"])})
    with pytest.raises(DataError, match=r"'when'.*dates into numbers"):
        open_rows(frame).rows(["a", "when"])


def test_numbered_columns():
    table = open_rows(pd.DataFrame(np.eye(3)))
    assert table.columns == ("0", "1", "2")
    check_rows(table.rows(["2", "0"]), np.eye(3)[:, [2, 0]])


@pytest.mark.parametrize("maker", [pd.Series, pl.Series, lambda v: pa.chunked_array([pa.array(v)])])
@pytest.mark.parametrize("values", [[1.5, 2.5, 3.5], [1, 0, 1], ["a", "bb", "a"], [True, False]])
def test_series(maker, values):
    series = maker(values)
    check_rows(open_rows(series, role="y"), np.array(values)[:, None])
    with pytest.raises(DataError, match=r"1 dimension.*X\.to_frame\(\)"):
        open_rows(series)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_pickle_of_a_cut_holds_its_rows_only(random, maker):
    table = open_rows(maker({"a": random.normal(size=50_000), "b": random.normal(size=50_000)}))
    assert len(pickle.dumps(table.rows(["a", "b"]).cut(100, 150))) < 4096
