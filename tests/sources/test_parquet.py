from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

from daskreg.design.recognise import open_rows
from daskreg.design.sources import parquet as source
from daskreg.design.sources import parquet_reader
from daskreg.exceptions import DataError, MissingDependencyError

from .readings import check_rows

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def table(random, n=103):
    return pa.table(
        {
            "a": random.normal(size=n).astype("f4"),
            "b": random.integers(0, 9, n).astype("i2"),
            "c": random.integers(0, 2, n).astype(bool),
            "d": random.normal(size=n),
            "label": pa.array(random.choice(["no", "yes"], n)),
            "coded": pa.array(random.choice(["x", "yy"], n)).dictionary_encode(),
            "gaps": pa.array([None if i % 5 == 0 else float(i) for i in range(n)]),
            "holes": pa.array([None if i % 5 == 0 else i for i in range(n)]),
            "day": pa.array(range(n), pa.date32()),
        }
    )


CHOICES = [["a"], ["d", "a"], ["b"], ["c", "b"], ["c"], ["b", "gaps"], ["a", "b", "c", "d"]]


@pytest.mark.parametrize("columns", CHOICES)
@pytest.mark.parametrize("batch", [7, 16_384])
def test_file(tmp_path, random, columns, batch, monkeypatch):
    monkeypatch.setattr(parquet_reader, "BATCH_ROWS", batch)
    data = table(random)
    pq.write_table(data, tmp_path / "t.parquet", row_group_size=25)
    rows = open_rows(tmp_path / "t.parquet").rows(columns)
    check_rows(rows, data.select(columns).to_pandas().to_numpy(float), small_pickle=True)
    assert rows.row_chunks == (25, 25, 25, 25, 3)
    assert rows.names == tuple(columns)


def test_types(tmp_path, random):
    pq.write_table(table(random), tmp_path / "t.parquet")
    opened = open_rows(tmp_path / "t.parquet")
    choices = [["a"], ["b"], ["c"], ["c", "b"], ["a", "b"], ["a", "d"]]
    found = [opened.rows(columns).dtype.str[1:] for columns in choices]
    assert found == ["f4", "i2", "b1", "i2", "f4", "f8"]


@pytest.mark.parametrize("name", ["label", "coded"])
def test_labels(tmp_path, random, name):
    data = table(random)
    pq.write_table(data, tmp_path / "t.parquet", row_group_size=25)
    opened = open_rows(tmp_path / "t.parquet")
    expected = np.array(data[name].to_pylist())[:, None]
    check_rows(opened.rows([name]), expected, small_pickle=True)
    with pytest.raises(DataError, match=f"{name!r} hold strings or categories: encode them"):
        opened.rows(["a", name])


def test_columns_that_cannot_be_rows(tmp_path, random):
    pq.write_table(table(random), tmp_path / "t.parquet")
    opened = open_rows(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="no column 'lable'; did you mean 'label'"):
        opened.rows(["lable"])
    with pytest.raises(DataError, match=r"'day'.*dates into numbers"):
        opened.rows(["a", "day"])
    message = r"'holes' holds .* missing values.*no NaN"
    with opened.rows(["holes"]).open() as reader, pytest.raises(DataError, match=message):
        reader.read(0, 103)


def test_folder(tmp_path, random):
    data = table(random)
    folder = tmp_path / "t.parquet"
    (folder / "more").mkdir(parents=True)
    pq.write_table(data[:50], folder / "1.parquet", row_group_size=20)
    pq.write_table(data[50:80], folder / "2.parquet")
    pq.write_table(data[80:], folder / "more/3.parquet")
    (folder / "_metadata.parquet").write_bytes(b"")
    rows = open_rows(folder).rows(["d", "b"])
    check_rows(rows, data.select(["d", "b"]).to_pandas().to_numpy(float))
    assert rows.row_chunks == (20, 20, 10, 30, 23)
    pq.write_table(data.select(["a"]), folder / "4.parquet")
    with pytest.raises(DataError, match=r"4\.parquet has other columns or types"):
        open_rows(folder)


def test_large_row_groups_are_streamed(tmp_path, random, monkeypatch):
    monkeypatch.setattr(source, "SMALL_GROUP_NBYTES", 100)
    pq.write_table(table(random), tmp_path / "t.parquet")
    assert open_rows(tmp_path / "t.parquet").rows(["a"]).row_chunks is None


@pytest.mark.parametrize("columns_nbytes", [1, 400, 10**6])
def test_whole_row_groups_are_read_by_columns(tmp_path, random, monkeypatch, columns_nbytes):
    monkeypatch.setattr(parquet_reader, "COLUMNS_NBYTES", columns_nbytes)
    data = table(random)
    pq.write_table(data, tmp_path / "t.parquet", row_group_size=25)
    expected = data.select(["d", "b", "a"]).to_pandas().to_numpy(float)
    with open_rows(tmp_path / "t.parquet").rows(["d", "b", "a"]).open() as reader:
        monkeypatch.setattr(reader, "_walk", None)
        for start, stop in [(0, 25), (25, 75), (75, 103)]:
            np.testing.assert_array_equal(reader.read(start, stop), expected[start:stop])


def test_ascending_reads_decode_once(tmp_path, random, monkeypatch):
    pq.write_table(table(random), tmp_path / "t.parquet", row_group_size=25)
    decoded = []
    plain = parquet_reader.ParquetReader._decode

    def counting(self, group):
        decoded.append(group)
        return plain(self, group)

    monkeypatch.setattr(parquet_reader.ParquetReader, "_decode", counting)
    with open_rows(tmp_path / "t.parquet").rows(["a"]).open() as reader:
        for start in range(0, 100, 10):
            reader.read(start, start + 10)
    assert decoded == [0]


def test_only_footers_are_read(tmp_path, random, monkeypatch):
    pq.write_table(table(random), tmp_path / "t.parquet")

    def fail(*args, **kwargs):
        raise AssertionError("read too early")

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", fail)
    rows = open_rows(tmp_path / "t.parquet").rows(["a", "b"])
    assert pickle.loads(pickle.dumps(rows)).n_rows == 103


def test_index_of_pandas_is_no_feature(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0]}, index=[5, 9])
    frame.to_parquet(tmp_path / "t.parquet")
    assert open_rows(tmp_path / "t.parquet").columns == ("a",)


def test_damaged_and_empty(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        open_rows(tmp_path / "t.parquet")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(DataError, match=r"holds no \.parquet files"):
        open_rows(tmp_path / "folder.parquet")


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'daskreg\[parquet\]'"):
        open_rows(tmp_path / "t.parquet")


def test_real_file(sample_data):
    path = sample_data / "spam.parquet"
    opened = open_rows(path)
    features = [name for name in opened.columns if name != "spam"]
    data = pq.read_table(path)
    check_rows(opened.rows(features), data.select(features).to_pandas().to_numpy())
    assert opened.rows(["spam"]).n_rows == 4601
