from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

from daskreg.design.recognise import open_rows
from daskreg.design.sources import csv_parts
from daskreg.design.sources.csv import CsvTable
from daskreg.exceptions import DataError

pd = pytest.importorskip("pandas")


@pytest.fixture(params=[4096, 7], autouse=True)
def rows_parsed(request, monkeypatch):
    """Types are inferred from some rows at a time: nothing may depend on how many."""
    monkeypatch.setattr(csv_parts, "ROWS_PARSED", request.param)


def frame(random, n=211):
    return pd.DataFrame(
        {
            "a": random.normal(size=n),
            "n": random.integers(0, 99, n),
            "flag": random.integers(0, 2, n).astype(bool),
            "label": random.choice(["no", "yes, sir", 'a "quoted" one'], n),
        }
    )


def whole(rows):
    parts = [rows.read_part(part) for part in range(rows.n_parts)]
    assert all(part.flags.c_contiguous for part in parts)
    return np.concatenate(parts)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".tsv"])
@pytest.mark.parametrize("part_nbytes", [10**6, 300, 37])
def test_parts_are_what_pandas_reads(tmp_path, random, suffix, part_nbytes):
    data = frame(random)
    path = tmp_path / f"t{suffix}"
    data.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    table = CsvTable(path, part_nbytes=part_nbytes)
    assert table.columns == tuple(data.columns)
    X = table.rows(["flag", "a", "n"])
    assert X.n_rows is None
    assert (X.n_parts == 1) == (path.suffix in (".gz", ".bz2", ".xz") or part_nbytes == 10**6)
    np.testing.assert_array_equal(whole(X), data[["flag", "a", "n"]].to_numpy(float))
    np.testing.assert_array_equal(whole(table.rows(["label"]))[:, 0], data["label"].to_numpy(str))
    for name, kind in {"a": "f", "n": "i", "flag": "b"}.items():
        rows = pickle.loads(pickle.dumps(table.rows([name])))
        assert rows.dtype.kind == kind
        np.testing.assert_array_equal(whole(rows)[:, 0], data[name])


WORDS = (
    "",
    "NA",
    "N/A",
    "nan",
    "NaN",
    "-nan",
    "null",
    "None",
    "<NA>",
    "#N/A",
    "-1.#IND",
    "1.#QNAN",
)


@pytest.mark.parametrize("word", [*WORDS, "inf", "-inf", " 7", "1e400", "-0.0"])
@pytest.mark.parametrize("part_nbytes", [10**6, 60])
def test_any_number_and_any_word_for_none(tmp_path, word, part_nbytes):
    """Whether missing values are looked for from the start or after the first was met."""
    lines = ["a,b,c", *["1.5,2,3"] * 20, f"{word},4,5", *["2.5,6,7"] * 20, "8,9", "1.5,2,3"]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    rows = CsvTable(path, part_nbytes=part_nbytes).rows(["c", "a"])
    expected = pd.read_csv(path)[["c", "a"]].to_numpy(float)
    for _ in range(2):
        np.testing.assert_array_equal(whole(rows), expected)


def settings_of_readers(monkeypatch):
    """Return a list that fills with whether each reader of pandas looks for missing values."""
    asked, read_csv = [], pd.read_csv

    def ask(*given, **settings):
        asked.append(settings.get("na_filter", True))
        return read_csv(*given, **settings)

    monkeypatch.setattr(pd, "read_csv", ask)
    return asked


def test_values_are_looked_up_among_words_for_missing_ones_after_the_first(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b", *["1,2"] * 30, "3,NA", *["4,5"] * 30]))
    monkeypatch.setattr("daskreg.design.sources.csv.ROWS_INFERRED", 30)
    rows = CsvTable(path, part_nbytes=40).rows(["a", "b"])
    asked = settings_of_readers(monkeypatch)
    whole(rows)
    before = asked.index(True)
    assert asked == [False] * before + [True] * (rows.n_parts - before + 1)
    assert 1 < before < rows.n_parts


def test_a_file_whose_first_rows_have_gaps_is_parsed_once(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b", "3,", *["1,2"] * 30]))
    rows = CsvTable(path, part_nbytes=40).rows(["a", "b"])
    asked = settings_of_readers(monkeypatch)
    whole(pickle.loads(pickle.dumps(rows)))
    assert asked == [True] * rows.n_parts


def test_a_late_gap_among_many_columns_warns_of_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_parts, "ROWS_PARSED", 8192)
    path = tmp_path / "t.csv"
    line = ",".join(["1"] * 2000)
    lines = [",".join(f"c{i}" for i in range(2000)), *[line] * 700, line[:-1], *[line] * 9]
    path.write_text("\n".join(lines))
    table = CsvTable(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = table.rows(["c0", "c1999"]).read_part(0)
        whole(table.rows(table.columns))
    assert np.flatnonzero(np.isnan(values[:, 1])).tolist() == [700]


@pytest.mark.parametrize(
    "text", ["a,b\r\n1,2\r\n3,4\r\n", "a,b\n1,2\n3,4", "\ufeffa,b\n1,2\n3,4\n"]
)
@pytest.mark.parametrize("part_nbytes", [1, 5, 8, 100])
def test_line_ends(tmp_path, text, part_nbytes):
    (tmp_path / "t.csv").write_bytes(text.encode())
    table = CsvTable(tmp_path / "t.csv", part_nbytes=part_nbytes)
    np.testing.assert_array_equal(whole(table.rows(["b", "a"])), [[2, 1], [4, 3]])


def test_a_part_is_parsed_once_for_X_and_y(tmp_path, random, monkeypatch):
    frame(random).to_csv(tmp_path / "t.csv", index=False)
    table = CsvTable(tmp_path / "t.csv", part_nbytes=2000)
    X, y = pickle.loads(pickle.dumps((table.rows(["a", "n"]), table.rows(["flag"]))))
    parsed = []
    plain = csv_parts.CsvFile._read

    def counting(self, part, columns):
        parsed.append(part)
        return plain(self, part, columns)

    monkeypatch.setattr(csv_parts.CsvFile, "_read", counting)
    for part in range(X.n_parts):
        assert len(X.read_part(part)) == len(y.read_part(part))
    assert parsed == list(range(X.n_parts))
    assert csv_parts._parsed.last is None


def test_missing_values_are_nan(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n,4\n")
    rows = open_rows(tmp_path / "t.csv").rows(["a", "b"])
    np.testing.assert_array_equal(whole(rows), [[1, 2], [np.nan, 4]])


BAD = [
    ("a,b\n" + "1,2\n" * 20 + "1,oops\n" + "1,2\n" * 9, ["a", "b"], r"line 22: column 'b'.*'oops'"),
    ("a,b\n" + "1,2\n" * 20 + "1,2.5\n", ["b"], r"line 22: column 'b'.*2\.5.*int64"),
    ("a,b\n" + "1,2\n" * 20 + "1,\n", ["b"], r"line 22: column 'b' is empty.*int64"),
    ("a,b\n" + "1,x\n" * 20 + "1,\n", ["b"], r"line 22: column 'b' is empty; expected a label"),
]


@pytest.mark.parametrize(("text", "columns", "message"), BAD)
@pytest.mark.parametrize("part_nbytes", [16, 10**6])
def test_values_that_do_not_fit(tmp_path, monkeypatch, text, columns, message, part_nbytes):
    monkeypatch.setattr("daskreg.design.sources.csv.ROWS_INFERRED", 10)
    (tmp_path / "t.csv").write_text(text)
    rows = CsvTable(tmp_path / "t.csv", part_nbytes=part_nbytes).rows(columns)
    with pytest.raises(DataError, match=rf"t\.csv, {message}"):
        whole(rows)


def test_line_breaks_inside_quotes(tmp_path):
    text = "a,b\n" + '1,"one\ntwo"\n' * 8
    (tmp_path / "t.csv").write_text(text)
    rows = CsvTable(tmp_path / "t.csv").rows(["b"])
    assert whole(rows).tolist() == [["one\ntwo"]] * 8
    with pytest.raises(DataError, match="quoted value runs over a line end"):
        whole(CsvTable(tmp_path / "t.csv", part_nbytes=10).rows(["b"]))


def test_strings_among_features(tmp_path, random):
    frame(random).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="'label' hold strings or categories: encode them"):
        open_rows(tmp_path / "t.csv").rows(["a", "label"])


def test_no_header_and_empty(tmp_path):
    (tmp_path / "t.csv").write_text("1.5,2.5\n3.0,4.0\n")
    with pytest.raises(DataError, match=r"no header line: the first one reads 1\.5, 2\.5"):
        open_rows(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(DataError, match="cannot be read as a table"):
        open_rows(tmp_path / "t.csv")


def test_rows_are_unknown_until_counted(tmp_path, random):
    frame(random).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="number of rows is unknown"):
        open_rows(tmp_path / "t.csv").rows(["a"]).open()


def test_real_file(sample_data):
    path = sample_data / "bikeshare.csv.gz"
    table = open_rows(path)
    names = [name for name in table.columns if name not in ("mnth", "weathersit", "bikers")]
    data = pd.read_csv(path)
    np.testing.assert_array_equal(whole(table.rows(names)), data[names].to_numpy(float))
