"""Hashes of groups: equal values, equal hashes; other values, other hashes; for ever the same."""

import datetime

import numpy as np
import pytest

from daskreg.exceptions import DataError
from daskreg.splits.values import hash_values

NUMBERS = [0, 1, 5, 100]


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", ">i4", "int64", "uint64", "float16", "float32", ">f8", "O"]
)
def test_numbers_of_any_width_are_equal(dtype):
    expected = hash_values(np.array(NUMBERS))
    np.testing.assert_array_equal(hash_values(np.array(NUMBERS, dtype=dtype)), expected)


def test_booleans_and_zeros_are_numbers():
    expected = hash_values(np.array([0, 1]))
    for values in ([False, True], [-0.0, 1.0]):
        np.testing.assert_array_equal(hash_values(np.array(values)), expected)
        np.testing.assert_array_equal(hash_values(np.array(values, dtype=object)), expected)


def test_negative_and_large_numbers():
    negative = np.array([-1, -128], dtype="int8")
    np.testing.assert_array_equal(hash_values(negative), hash_values(negative.astype("f4")))
    large = np.array([2**63, 2**64 - 2048], dtype="uint64")
    np.testing.assert_array_equal(hash_values(large), hash_values(large.astype("f8")))
    mixed = np.array([-1, 2**63], dtype=object)
    assert hash_values(mixed)[0] == hash_values(negative)[0]
    assert hash_values(mixed)[1] == hash_values(large)[0]
    halves = np.array([0.5, 1e300, np.inf])
    np.testing.assert_array_equal(hash_values(halves), hash_values(halves.astype(object)))
    assert hash_values(np.array([0.5], "f4"))[0] == hash_values(halves)[0]


@pytest.mark.parametrize(
    "change", [lambda t: t.astype("U40"), lambda t: t.astype(">U3"), lambda t: t.astype(object)]
)
def test_texts_of_any_width_are_equal(change):
    texts = np.array(["", "a", "ab", "é", "ba"])
    np.testing.assert_array_equal(hash_values(change(texts)), hash_values(texts))
    np.testing.assert_array_equal(
        hash_values(texts.astype(np.dtypes.StringDType())), hash_values(texts)
    )


def test_texts_in_a_strided_column():
    table = np.array([["a", "x"], ["bb", "y"]])
    np.testing.assert_array_equal(hash_values(table[:, 0]), hash_values(np.array(["a", "bb"])))


def test_bytes_of_any_width_are_equal():
    given = np.array([b"", b"a", b"ab"])
    for dtype in ("S9", object):
        np.testing.assert_array_equal(hash_values(given.astype(dtype)), hash_values(given))


def test_times_of_any_unit_are_equal():
    days = np.array(["2020-01-01", "1950-06-07"], dtype="M8[D]")
    expected = hash_values(days)
    for dtype in ("M8[s]", "M8[ns]", ">M8[us]", object):
        np.testing.assert_array_equal(hash_values(days.astype(dtype)), expected)
    stamp = np.array([datetime.datetime(2020, 1, 1), datetime.date(1950, 6, 7)], dtype=object)
    np.testing.assert_array_equal(hash_values(stamp), expected)
    spans = np.array([1500, -7], dtype="m8[ms]")
    np.testing.assert_array_equal(hash_values(spans), hash_values(spans.astype("m8[ns]")))


def test_values_that_differ_have_hashes_that_differ():
    n = 20_000
    text = np.array([f"patient {i}" for i in range(n)])
    kinds = [
        np.arange(n),
        np.arange(n) + 0.5,
        text,
        text.astype("S"),
        np.arange(n).astype("M8[s]"),
        np.arange(n).astype("m8[s]"),
        np.array(["a", "a\0b", "b\0a", "\0a"]),
    ]
    hashes = np.concatenate([hash_values(values) for values in kinds])
    assert len(np.unique(hashes)) == len(hashes)


def test_hashes_are_pinned():
    pinned = [
        (np.array([1, 2]), [0x5E41AB087439611E, 0x64684C4F0FD784B4]),
        (np.array(["a", "bcd"]), [0x94811A9E62B6E5D6, 0x4CAD93DAF7CEF8AB]),
        (np.array([b"a", b"bcd"]), [0xD7FEE0A3DF15404C, 0x0F7ACB2A6D54AAA1]),
        (np.array([0.5, -1.0]), [0xBF14F2DB0D14DFE4, 0x5DC20AA7B2A27137]),
    ]
    for values, expected in pinned:
        assert hash_values(values).tolist() == expected


@pytest.mark.parametrize(
    "values",
    [
        np.array([1.0, np.nan]),
        np.array(["a", None], dtype=object),
        np.array(["a", np.nan], dtype=object),
        np.array(["2020", "NaT"], dtype="M8[D]"),
        np.array([1j]),
        np.array([2**70, 1], dtype=object),
        np.array([(1, 2), None], dtype=object)[:1],
        np.array([datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)]),
    ],
)
def test_missing_and_odd_values_are_refused(values):
    with pytest.raises(DataError, match="groups hold"):
        hash_values(values)
