"""A file that comes back as it was, and that no damage turns into anything else."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from daskreg.checkpoint.codec import DEEPEST, Classes, encode
from daskreg.checkpoint.container import FORMAT_VERSION, MAGIC, memory_order, pack, unpack
from daskreg.design.partials import Sums
from daskreg.exceptions import CheckpointError


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Point:
    place: object
    name: str = "here"

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise AssertionError("code of the class ran")


class Plain:
    def __init__(self, values: object) -> None:
        self.values = values


KNOWN = Classes((Colour, Point, Plain, Sums, sparse.csr_array))


def packed(value: object) -> bytes:
    return b"".join(bytes(part) for part in pack(value, KNOWN))


def again(value: object) -> object:
    return unpack(packed(value), KNOWN)


def same(a: object, b: object) -> bool:
    """Equal in type, value, bits and order in memory."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        if a.dtype == object:
            return all(same(x, y) for x, y in zip(a.ravel(), b.ravel(), strict=True))
        return a.tobytes() == b.tobytes() and memory_order(a) == memory_order(b)
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        pairs = zip(a.items(), b.items(), strict=True)
        return len(a) == len(b) and all(same(k, m) and same(v, w) for (k, v), (m, w) in pairs)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    return a == b


arrays = hnp.arrays(
    st.sampled_from([np.dtype(kind) for kind in ("?", "i1", "<i8", "u4", "f4", "f8", "c16", "U3")]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | arrays
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(trees)
def test_a_tree_comes_back_as_it_was(value: object) -> None:
    assert same(again(value), value)


@given(hnp.arrays("f8", hnp.array_shapes(min_dims=2, max_dims=4)), st.data())
def test_arrays_keep_their_order_in_memory(array: np.ndarray, data: st.DataObject) -> None:
    axes = data.draw(st.permutations(range(array.ndim)))
    turned = array.transpose(axes)
    back = again(turned)
    assert same(back, turned)
    step = turned[..., ::2]
    assert same(again(step), step)
    assert back.flags.writeable


def test_values_that_only_look_like_others() -> None:
    for value in (1, 1.0, True, "1", float("inf"), -0.0, 10**40, np.float64(0.1), np.int32(3)):
        assert same(again(value), value)
    assert np.isnan(again(float("nan")))


def test_instances_come_back_without_running_their_code() -> None:
    back = again([Point(np.arange(3)), Colour.RED])
    assert isinstance(back[0], Point)
    np.testing.assert_array_equal(back[0].place, [0, 1, 2])
    assert back[1] is Colour.RED
    made = object.__new__(Point)
    object.__setattr__(made, "place", 1)
    object.__setattr__(made, "name", "forbidden")
    assert again(made).name == "forbidden"  # __post_init__ would have raised
    assert again(Plain([1])).values == [1]
    assert type(again(Sums(a=1.0))) is Sums


def test_sparse_arrays_and_shared_ones() -> None:
    X = sparse.random_array((7, 5), density=0.4, format="csr", random_state=0)
    assert (again(X) != X).nnz == 0
    shared = np.ones(1000)
    assert len(packed([shared, shared])) < 1.5 * len(packed([shared]))
    one, other = again([shared, shared])
    assert one is other


def test_what_cannot_be_kept_is_named() -> None:
    for value, name in ((object(), "object"), ({1, 2}, "set"), (len, "builtin_function")):
        with pytest.raises(CheckpointError, match=name):
            packed(value)
    with pytest.raises(CheckpointError, match="datetime64"):
        packed(np.array(["2020-01-01"], dtype="M8[D]"))
    deep: list[object] = []
    for _ in range(DEEPEST + 2):
        deep = [deep]
    with pytest.raises(CheckpointError, match="levels"):
        packed(deep)


CONTENT = packed({"a": np.arange(40.0), "b": [Point(np.ones((3, 2)))], "c": "text"})


def test_truncation_anywhere_is_seen() -> None:
    for length in range(0, len(CONTENT), 7):
        with pytest.raises(CheckpointError):
            unpack(CONTENT[:length], KNOWN)


def test_a_flipped_bit_anywhere_is_seen() -> None:
    for place in range(len(CONTENT)):
        for bit in (0, 5):
            damaged = bytearray(CONTENT)
            damaged[place] ^= 1 << bit
            with pytest.raises(CheckpointError):
                unpack(damaged, KNOWN)


def test_bytes_that_follow_are_seen() -> None:
    with pytest.raises(CheckpointError):
        unpack(CONTENT + b"x", KNOWN)


def forged(header: object, arrays: bytes = b"", version: int = FORMAT_VERSION) -> bytes:
    """A file with a true checksum, written by somebody else."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = struct.pack("<8sIQ", MAGIC, version, len(text)) + text
    body += bytes(-len(body) % 64) + arrays if arrays else b""
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"[" * 100_000,
        b'{"tree": ' + b'{"list": [' * 5000 + b"]}" * 5000 + b', "arrays": []}',
        {"tree": None},
        {"tree": None, "arrays": 3},
        {"tree": {"array": 0}, "arrays": []},
        {"tree": {"array": -1}, "arrays": []},
        {"tree": {"array": True}, "arrays": []},
        {"tree": {"array": 0}, "arrays": [["<f8", [1 << 62], [0]]]},
        {"tree": {"array": 0}, "arrays": [["<f8", [1 << 200], [0]]]},
        {"tree": {"array": 0}, "arrays": [["<f8", [0, 1 << 62, 1 << 62], [0, 1, 2]]]},
        {"tree": {"array": 0}, "arrays": [["<f8", [-1], [0]]]},
        {"tree": {"array": 0}, "arrays": [["<f8", [1.5], [0]]]},
        {"tree": {"array": 0}, "arrays": [["<f8", [0], [3]]]},
        {"tree": {"array": 0}, "arrays": [["|O", [1], [0]]]},
        {"tree": {"array": 0}, "arrays": [["V8", [1], [0]]]},
        {"tree": {"array": 0}, "arrays": [["f8,f8", [0], [0]]]},
        {"tree": {"array": 0}, "arrays": [[{}, [0], [0]]]},
        {"tree": {"array": 0}, "arrays": [["<f8", [0] * 64, list(range(64))]]},
        {"tree": {"instance": ["os.system", {}]}, "arrays": []},
        {"tree": {"instance": ["builtins.eval", {}]}, "arrays": []},
        {"tree": {"mapping": ["collections.OrderedDict", []]}, "arrays": []},
        {"tree": {"enum": ["signal.Signals", 9]}, "arrays": []},
        {"tree": {"enum": [f"{__name__}.Colour", "blue"]}, "arrays": []},
        {"tree": {"instance": [f"{__name__}.Point", {"place": 1}]}, "arrays": []},
        {
            "tree": {"instance": [f"{__name__}.Point", {"place": 1, "name": "", "x": 2}]},
            "arrays": [],
        },
        {"tree": {"instance": [f"{__name__}.Colour", {}]}, "arrays": []},
        {"tree": {"csr": ["scipy.sparse._csr.csr_array", [2, 2], [0, 0, 0]]}, "arrays": []},
        {"tree": {"csr": [f"{__name__}.Point", [2, 2], []]}, "arrays": []},
        {"tree": {"objects": [[1 << 60], [1]]}, "arrays": []},
        {"tree": {"pickle": "gASV"}, "arrays": []},
        {"tree": {"__class__": 1}, "arrays": []},
        {"tree": {"dict": [[{"list": []}, 1]]}, "arrays": []},
        {"tree": {"dict": 3}, "arrays": []},
        {"tree": [1], "arrays": []},
    ],
)
def test_hostile_headers_are_refused(header: object) -> None:
    with pytest.raises(CheckpointError):
        unpack(forged(header), KNOWN)


def test_sparse_arrays_are_checked_before_they_are_used() -> None:
    tree, _ = encode(sparse.csr_array(np.eye(2)), KNOWN)
    listed = [["<f8", [2], [0]], ["<i4", [2], [0]], ["<i4", [3], [0]]]
    parts = [np.ones(2), np.array([0, 99], dtype="i4"), np.array([0, 1, 2], dtype="i4")]
    raw = b"".join(part.tobytes().ljust(64, b"\0") for part in parts[:2]) + parts[2].tobytes()
    with pytest.raises(CheckpointError, match="damaged csr"):
        unpack(forged({"tree": tree, "arrays": listed}, raw), KNOWN)


def test_another_version_is_refused_by_its_number() -> None:
    with pytest.raises(CheckpointError, match="version is 2"):
        unpack(forged({"tree": None, "arrays": []}, version=2), KNOWN)


def test_a_pickle_is_no_checkpoint() -> None:
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        unpack(pickle.dumps({"a": 1}) * 10, KNOWN)
