from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from daskreg.design.recognise import open_rows
from daskreg.design.sources.npy import memmap_rows
from daskreg.design.sources.raw import RawRows
from daskreg.exceptions import DataError

from .readings import check_rows


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i8", "f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_file(tmp_path, random, dtype, order):
    X = np.asarray(random.integers(0, 100, (53, 17)), dtype=dtype, order=order)
    np.save(tmp_path / "X.npy", X)
    rows = open_rows(tmp_path / "X.npy")
    check_rows(rows, X, small_pickle=True)
    assert not rows.resident


def test_many_columns_in_column_order(tmp_path, random):
    X = np.asfortranarray(random.normal(size=(9, 700)))
    np.save(tmp_path / "X.npy", X)
    check_rows(open_rows(str(tmp_path / "X.npy")), X)


@pytest.mark.parametrize("y", [np.arange(31), np.array(["a", "bcd", "ef"] * 7)])
def test_one_dimension(tmp_path, y):
    np.save(tmp_path / "y.npy", y)
    check_rows(open_rows(tmp_path / "y.npy", role="y"), y[:, None])


def test_versions_of_the_format(tmp_path, random):
    X = random.normal(size=(5, 3))
    for version in [(1, 0), (2, 0), (3, 0)]:
        with (tmp_path / "X.npy").open("wb") as file:
            np.lib.format.write_array(file, X, version=version)
        check_rows(open_rows(tmp_path / "X.npy"), X)


@pytest.mark.parametrize("order", ["C", "F"])
def test_truncated(tmp_path, random, order):
    path = tmp_path / "X.npy"
    np.save(path, np.asarray(random.normal(size=(50, 4)), order=order))
    rows = open_rows(path)
    size = path.stat().st_size
    os.truncate(path, size - 10)
    with pytest.raises(
        DataError, match=rf"X\.npy is truncated: expected {size} bytes.*{size - 10}"
    ):
        open_rows(path)
    with rows.open() as reader, pytest.raises(DataError, match=r"X\.npy is truncated.*found"):
        reader.read(0, 50)


@pytest.mark.parametrize("content", [b"", b"\x93NUM", b"hello, world, this is no array"])
def test_not_an_array(tmp_path, content):
    (tmp_path / "X.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"X\.npy .* is not a readable"):
        open_rows(tmp_path / "X.npy")


def test_three_dimensions_and_objects(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((2, 2, 2)))
    with pytest.raises(DataError, match=r"shape \(2, 2, 2\)"):
        open_rows(tmp_path / "X.npy")
    np.save(tmp_path / "X.npy", np.array([[None]]))
    with pytest.raises(DataError, match="pickled objects"):
        open_rows(tmp_path / "X.npy")


VIEWS = [np.s_[:], np.s_[7:40], np.s_[3:]]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("plain", [False, True])
def test_memmap_is_opened_by_name(tmp_path, random, order, view, plain):
    X = np.asarray(random.normal(size=(53, 6)), order=order)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")[view][1:]
    rows = open_rows(np.asarray(mapped) if plain else mapped)
    assert isinstance(rows, RawRows)
    check_rows(rows, X[view][1:], small_pickle=True)


def test_memmap_with_an_offset(tmp_path, random):
    X = random.normal(size=(20, 3)).astype("f4")
    (tmp_path / "raw").write_bytes(b"12345678" + X.tobytes())
    mapped = np.memmap(tmp_path / "raw", "f4", "r+", offset=8, shape=(20, 3))
    check_rows(open_rows(mapped), X)
    mapped[3] = 7
    with open_rows(mapped[2:]).open() as reader:
        np.testing.assert_array_equal(reader.read(1, 2), [[7, 7, 7]])


def test_memmap_that_its_file_does_not_tell_is_an_array(tmp_path, random):
    X = random.normal(size=(20, 3))
    np.save(tmp_path / "X.npy", X)
    private = np.load(tmp_path / "X.npy", mmap_mode="c")
    private[0] = 5
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    for view in (private, mapped[:, 1:], mapped[::2], mapped[::-1]):
        assert memmap_rows(view) is None
        check_rows(open_rows(view), np.array(view))


def test_reading_never_maps(tmp_path, random):
    np.save(tmp_path / "never_mapped.npy", random.normal(size=(5000, 20)))
    rows = open_rows(tmp_path / "never_mapped.npy")
    with rows.open() as reader:
        block = reader.read(10, 4000)
        with open("/proc/self/maps") as maps:
            assert "never_mapped" not in maps.read()
    assert block.shape == (3990, 20)


def test_nothing_is_read_before_open(tmp_path, random, monkeypatch):
    np.save(tmp_path / "X.npy", random.normal(size=(50, 4)))

    def fail(*args):
        raise AssertionError("read too early")

    monkeypatch.setattr(os, "preadv", fail)
    rows = pickle.loads(pickle.dumps(open_rows(tmp_path / "X.npy").cut(3, 9)))
    assert rows.n_rows == 50


def test_readers_close_their_file(tmp_path, random):
    np.save(tmp_path / "X.npy", random.normal(size=(50, 4)))
    before = len(os.listdir("/proc/self/fd"))
    with open_rows(tmp_path / "X.npy").open() as reader:
        reader.read(0, 3)
    assert len(os.listdir("/proc/self/fd")) == before
