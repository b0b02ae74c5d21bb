"""Data, and sources that count their loads."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest
import zarr

N, P = 2000, 8
RANGES = [(0, N), (0, 1), (13, 14), (0, 200), (199, 201), (151, 1013), (1500, N), (N - 1, N)]


class CountingArray:
    """An array-like that counts the rows each load asks for; threads only."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.ndim = values, values.shape, values.dtype, 2
        self.loads: Counter = Counter()
        self._lock = threading.Lock()

    def __getitem__(self, index):
        if index[0].stop is not None and index[0].stop > (index[0].start or 0):
            with self._lock:
                self.loads[index[0].start] += 1
        return self.values[index]


@pytest.fixture(scope="session")
def values():
    return np.random.default_rng(0).standard_normal((N, P)).astype(np.float32)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, values):
    """Stores chunked by rows, by both and by columns, and a .npy file."""
    path = tmp_path_factory.mktemp("stores")
    for name, chunks in (("rows", (200, P)), ("both", (200, 4)), ("columns", (N, 2))):
        store = zarr.create_array(path / f"{name}.zarr", shape=(N, P), chunks=chunks, dtype="f4")
        store[:] = values
    np.save(path / "a.npy", values)
    return path


@pytest.fixture
def scratch(tmp_path):
    from daskreg.design.spool.scratch import Scratch

    with Scratch(tmp_path) as scratch:
        yield scratch


def read_ranges(rows, expected, ranges=RANGES):
    """Each range from its own cut, and from an ascending run of blocks of one reader."""
    for start, stop in ranges:
        with rows.cut(start, stop).open(_values(rows.cut(start, stop))) as reader:
            np.testing.assert_array_equal(_dense(reader.read(start, stop)), expected[start:stop])
    with rows.cut(0, len(expected)).open(_values(rows)) as reader:
        for start in range(0, len(expected), 137):
            stop = min(start + 137, len(expected))
            found = reader.read(start, stop)
            if not rows.sparse:
                assert found.flags.c_contiguous
            np.testing.assert_array_equal(_dense(found), expected[start:stop])


def _values(rows):
    return [future.result() for future in rows.futures]


def _dense(matrix):
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
