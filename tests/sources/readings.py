"""One way to hold every source against the plain library's answer."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from daskreg.design.sources import Rows


def ranges(n: int, seed: int = 0) -> list[tuple[int, int]]:
    """Runs with odd borders, the whole, its ends and nothing."""
    random = np.random.default_rng(seed)
    some = [tuple(sorted(random.integers(0, n + 1, 2).tolist())) for _ in range(12)]
    return [(0, n), (0, 1), (n - 1, n), (n // 2, n // 2), *some]  # type: ignore[list-item]


def in_order(n: int, length: int) -> list[tuple[int, int]]:
    return [(start, min(start + length, n)) for start in range(0, n, length)]


def dense(values: Any) -> Any:
    return values.toarray() if hasattr(values, "toarray") else values


def check_rows(rows: Rows, expected: Any, *, small_pickle: bool = False) -> None:
    """Any range, with and without a buffer, pickled, and cut: the same values."""
    expected = np.asarray(expected)
    n, p = expected.shape
    assert (rows.n_rows, rows.n_columns) == (n, p)
    copy = pickle.loads(pickle.dumps(rows))
    if small_pickle:
        assert len(pickle.dumps(rows)) < 4096
    for reader_of in (rows, copy):
        with reader_of.open() as reader:
            for start, stop in [*in_order(n, max(1, n // 7)), *ranges(n)]:
                check_block(rows, reader.read(start, stop), expected[start:stop])
                check_buffer(rows, reader, start, stop, expected[start:stop])
    for start, stop in in_order(n, max(1, n // 3)):
        part = rows.cut(start, stop)
        travelled = pickle.loads(pickle.dumps(part))
        assert part.n_rows == travelled.n_rows == n
        for source in (part, travelled):
            with source.open() as reader:
                middle = (start + stop) // 2
                check_block(rows, reader.read(start, middle), expected[start:middle])
                check_block(rows, reader.read(middle, stop), expected[middle:stop])


def check_block(rows: Rows, values: Any, expected: Any) -> None:
    if rows.sparse:
        assert values.format == "csr"
        assert values.has_canonical_format
        assert values.indices.dtype == np.int32
    else:
        assert values.flags.c_contiguous
        assert values.dtype.isnative
    if rows.dtype.kind == "U":
        assert values.dtype.kind == "U"
    else:
        assert values.dtype == rows.dtype
    np.testing.assert_array_equal(dense(values), expected)


def check_buffer(rows: Rows, reader: Any, start: int, stop: int, expected: Any) -> None:
    if rows.sparse or rows.dtype.kind == "U":
        return
    out = np.full((stop - start, rows.n_columns), 77).astype(rows.dtype)
    values = reader.read(start, stop, out)
    np.testing.assert_array_equal(values, expected)
    assert values is out or rows.resident
