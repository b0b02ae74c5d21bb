"""Scratch files: read back as written, removed at the end, and errors that say what to do."""

from __future__ import annotations

import errno
import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.design.collections.census import census
from daskreg.design.sources.base import Rows
from daskreg.design.spool.leftovers import LOCK
from daskreg.design.spool.rawarray import RawArray
from daskreg.design.spool.rows import SpooledRows, write_part
from daskreg.design.spool.scratch import Scratch
from daskreg.exceptions import DataError


class Parts(Rows):
    """Parts of unknown lengths, as a CSV file has them."""

    n_rows = None

    def __init__(self, parts):
        self.parts, self.n_parts = parts, len(parts)
        self.n_columns, self.dtype = parts[0].shape[1], parts[0].dtype

    def open(self, values=()):
        raise NotImplementedError

    def read_part(self, part):
        return self.parts[part]


def test_census_counts_and_promotes(scratch):
    X = Parts([np.ones((3, 2), "f4"), np.ones((0, 2)), np.full((5, 2), 2, "i8")])
    y = Parts([np.array([["a"]] * 3), np.empty((0, 1), "U1"), np.array([["bcd"]] * 5)])
    z = Parts([np.ones((8, 1))])
    (X2, z2, y2), read = census([X, z, y], scratch)
    assert (X2.n_rows, y2.n_rows, z2.n_rows) == (8, 8, 8)
    assert (X2.dtype, y2.dtype) == (np.float64, np.dtype("U3"))
    assert read == sum(part.nbytes for rows in (X, y, z) for part in rows.parts)
    np.testing.assert_array_equal(X2.cut(2, 5).open().read(2, 5)[:, 0], [1, 2, 2])
    assert y2.open().read(2, 4).tolist() == [["a"], ["bcd"]]


def test_reading_into_a_buffer(scratch):
    values = np.arange(40.0).reshape(10, 4)
    rows = SpooledRows([write_part(values[a:b], scratch.new("p")) for a, b in ((0, 4), (4, 10))], 4)
    out = np.empty((6, 4))
    assert rows.open().read(2, 8, out) is out
    np.testing.assert_array_equal(out, values[2:8])


def test_csr_parts(scratch):
    matrix = sp.random_array((50, 7), density=0.3, format="csr", rng=np.random.default_rng(0))
    rows = SpooledRows(
        [write_part(matrix[a:b], scratch.new("p")) for a, b in ((0, 20), (20, 50))], 7
    )
    assert rows.sparse
    assert rows.row_nbytes < 7 * 16
    with pickle.loads(pickle.dumps(rows.cut(15, 33))).open() as reader:
        np.testing.assert_array_equal(reader.read(15, 33).toarray(), matrix[15:33].toarray())
        # Indices keep their type: wider ones would be a copy, half as large again.
        assert reader.read(20, 33).indices.dtype == matrix.indices.dtype


@pytest.mark.parametrize(
    "view",
    [
        lambda m: m,
        lambda m: m[3:8],
        lambda m: m[:, 2:4],
        lambda m: m[2:9:3, 1],
        lambda m: m.T,
        lambda m: m[0],
    ],
)
def test_memory_maps_are_reopened(view, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(60.0).reshape(10, 6))
    mapped = view(np.load(tmp_path / "a.npy", mmap_mode="r"))
    raw = pickle.loads(pickle.dumps(RawArray.of_memmap(mapped)))
    np.testing.assert_array_equal(np.asarray(raw), mapped)
    np.testing.assert_array_equal(raw[1:3], mapped[1:3])
    np.testing.assert_array_equal(raw + 1, mapped + 1)
    np.testing.assert_array_equal(raw[[0, 2]], mapped[[0, 2]])
    assert raw.sum() == mapped.sum()


def test_private_maps_stay(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert RawArray.of_memmap(np.load(tmp_path / "a.npy", mmap_mode="c")) is None


def test_full_disk_leaves_nothing(scratch, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("daskreg.design.spool.rawarray.os.replace", full)
    with pytest.raises(DataError, match=r"scratch folder .* is full: \d+ bytes"):
        write_part(np.zeros(100).reshape(10, 10), scratch.new("p"))
    assert [file.name for file in scratch.folder().iterdir()] == [LOCK]


def test_truncated_file_is_an_error(scratch):
    raw = RawArray.write(np.zeros((10, 2)), scratch.new("p"))
    with open(raw.path, "r+b") as file:
        file.truncate(100)
    with pytest.raises(DataError, match="ends 60 bytes early"):
        raw[:]


def test_scratch_is_made_late_and_removed(tmp_path):
    scratch = Scratch(tmp_path)
    assert not list(tmp_path.iterdir())
    scratch.new("x")
    assert len(list(tmp_path.iterdir())) == 1
    scratch.close()
    assert not list(tmp_path.iterdir())
    scratch.new("x")
    del scratch
    assert not list(tmp_path.iterdir())


def test_scratch_is_removed_at_exit(tmp_path):
    code = (
        "import sys; from daskreg.design.spool.scratch import Scratch; "
        "keep = Scratch(sys.argv[1]); "
        "open(keep.new('x'), 'w').close()"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert not list(tmp_path.iterdir())


def test_scratch_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="can be written"):
        Scratch(tmp_path / "file").folder()


class _Client:
    def __init__(self, host):
        self.host = host

    def run(self, _):
        return {"tcp://1.2.3.4:5": self.host}


def test_other_hosts_need_a_shared_folder(tmp_path):
    with pytest.raises(DataError, match="pass scratch="):
        Scratch().check_shared(_Client("elsewhere"))
    Scratch(tmp_path).check_shared(_Client("elsewhere"))
