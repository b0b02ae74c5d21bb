"""How many blocks of a stream are alive, and which are read into the memory of an earlier one."""

from __future__ import annotations

import sys
import time
import weakref
from dataclasses import dataclass
from typing import ClassVar

import dask
import numpy as np
import pytest

from daskreg._pages import mapped
from daskreg.design.columns import (
    IN_FLIGHT,
    Columns,
    blocks_in_flight,
    nbytes_in_flight,
)
from daskreg.design.design import Design
from daskreg.design.host import process_memory
from daskreg.design.spool.rawarray import RawArray
from daskreg.design.spool.tiles import TiledRows

from .helpers import ArrayRows, Correlate, CountingReader, make_data


class Watching(CountingReader):
    """Notes which blocks are alive when one is read, and whether it is read into given memory."""

    def read(self, start, stop, out=None):
        values = self.rows.array[start - self.rows.start : stop - self.rows.start]
        self.rows.seen.append((start, sum(ref() is not None for ref in self.rows.made), out))
        if out is None or not self.rows.obeys:
            # A view would outlive its block: what lies behind it is what counts.
            values = values.copy()
            self.rows.made.append(weakref.ref(values))
            return values
        out[...] = values
        return out


class WatchedRows(ArrayRows):
    """Rows read by one thread; ``seen`` has a line for each block that was read."""

    def __init__(self, array, obeys, start=0, seen=None, made=None):
        super().__init__(array, start=start)
        self.obeys = obeys
        self.seen = [] if seen is None else seen
        self.made = [] if made is None else made

    def cut(self, start, stop):
        piece = self.array[start - self.start : stop - self.start]
        return WatchedRows(piece, self.obeys, start, self.seen, self.made)

    def open(self, values=()):
        return Watching(self)


class WatchedChunks(WatchedRows):
    """The same in chunks of 500 rows."""

    def __init__(self, *args):
        super().__init__(*args)
        self.row_chunks = (500,) * 4  # of all rows, in a piece as well

    def cut(self, start, stop):
        piece = self.array[start - self.start : stop - self.start]
        return WatchedChunks(piece, self.obeys, start, self.seen, self.made)


@dataclass(frozen=True)
class Proving(Correlate):
    """Sums that show whether all values are finite."""

    name: ClassVar[str] = "proving"

    def proves_finite(self, share, block):
        return bool(np.isfinite(share).all())


def watched(obeys, n_pins, kind=WatchedRows):
    """A design of two shards with 10 blocks each, ``n_pins`` of which are to be kept."""
    X, y = make_data(n=2000, p=64)
    rows = kind(X, obeys)
    design = Design(Columns(rows, ArrayRows(y)), block_size=100 * 64 * 4)
    with dask.config.set(num_workers=1):
        design.prepare()
    for shard in design.scheduler._shards:
        own = [spec.index for spec in shard.specs if spec.index < n_pins]
        shard.keeper.wanted = frozenset(own)
    return design, rows, X.T @ y[:, 0].astype(np.float32)


@pytest.mark.parametrize("kernel", [Correlate(), Proving()])
def test_no_more_blocks_are_alive_than_are_in_flight(kernel):
    design, rows, expected = watched(obeys=False, n_pins=0)
    with design, dask.config.set(num_workers=1):
        found = design.sum_over_rows(kernel, {"times": 1.0})
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
        # Beside the one that is being read; all of these are small.
        assert max(alive for _, alive, _ in rows.seen) <= IN_FLIGHT - 1


def test_a_chunk_that_was_cut_is_gone_when_the_next_one_is_decoded():
    design, rows, _ = watched(True, 0, WatchedChunks)

    def waits(block, state):
        """At the fourth block of five: the fifth and those of the next chunk are read ahead."""
        patience = time.monotonic() + 60.0
        while block.index % 10 == 3 and len(rows.seen) % 4 not in (0, 2):
            assert time.monotonic() < patience
            time.sleep(0.001)
        return np.array([block.X[0, 0]])

    waits.name = "waits"
    with design, dask.config.set(num_workers=1):
        assert design.layout.largest_block == 100
        for _ in range(2):
            design.sum_over_rows(waits)
        assert [start for start, _, _ in rows.seen] == [0, 500, 1000, 1500] * 2
        assert all(alive == 0 for _, alive, _ in rows.seen)


def test_all_but_one_of_the_blocks_in_flight_are_read_while_a_kernel_works_on_that():
    design, rows, _ = watched(obeys=True, n_pins=0)
    seen = []

    def waits(block, state):
        ahead = min(block.index % 10 + IN_FLIGHT, 10) + block.index // 10 * 10  # of two shards
        patience = time.monotonic() + 60.0
        while len(rows.seen) < ahead and time.monotonic() < patience:
            time.sleep(0.001)
        seen.append((block.index, len(rows.seen) - ahead))
        return np.zeros(1)

    waits.name = "waits"
    with design, dask.config.set(num_workers=1):
        design.sum_over_rows(waits)
    assert seen == [(index, 0) for index in range(20)]


@pytest.mark.parametrize("mib", [0.1, 1, 20, 32, 40, 50, 64, 100])
def test_blocks_in_flight_take_what_the_plan_says(mib):
    nbytes = int(mib * 2**20)
    for share in (1.0, 0.9, 0.7, 0.5, 0.1):  # of the largest block of all in that of one shard
        own = int(share * nbytes)
        assert 2 <= blocks_in_flight(own) <= IN_FLIGHT
        assert blocks_in_flight(own) * own <= nbytes_in_flight(nbytes)
    assert nbytes_in_flight(nbytes) <= max(2 * nbytes, min(4 * nbytes, 2**27))


@pytest.mark.parametrize(
    ("plain", "chunk_mib", "block_mib"), [(True, 40, 20), (False, 40, 40), (False, 10, 30)]
)
def test_chunks_that_are_decoded_whole_are_not_cut_for_the_sake_of_blocks_ahead(
    plain, chunk_mib, block_mib
):
    chunk = (chunk_mib << 20) // 4096
    X = np.broadcast_to(np.float32(1), (36 * chunk * 10, 1024))
    rows = ArrayRows(X, row_chunks=(chunk,) * 360)
    rows.plain_file = "a file" if plain else None
    with Design(Columns(rows, ArrayRows(X[:, :1])), memory_limit=8 << 30) as design:
        design.prepare()
        assert design.layout.largest_block == (block_mib << 20) // 4096


def test_only_blocks_that_are_kept_have_memory_of_their_own():
    design, rows, expected = watched(obeys=True, n_pins=7)
    with design, dask.config.set(num_workers=1):
        for _ in range(2):
            found = design.sum_over_rows(Correlate(), {"times": 1.0})
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
        first, later = rows.seen[:20], rows.seen[20:]
        assert len(later) == 13
        for some, n_kept in ((first[:10], 7), (first[10:], 0), (later[:3], 0), (later[3:], 0)):
            # The blocks of one shard, all of which are still referred to.
            own = {out.__array_interface__["data"][0] for _, _, out in some}
            assert n_kept < len(own) <= n_kept + IN_FLIGHT


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_of_a_block_goes_back_to_the_system_with_it():
    each = 4 << 20
    blocks = [mapped((1 << 10, 1 << 9), np.dtype(np.float64)) for _ in range(16)]
    for block in blocks:
        block.fill(1.0)
    before = process_memory()
    last = blocks.pop()  # malloc would keep all that lies before it
    del block, blocks
    assert before - process_memory() > 14 * each
    assert last.flags.writeable
    assert last.sum() == last.size
    assert mapped((0, 3), np.dtype(np.float32)).shape == (0, 3)


def test_pieces_of_tiles_are_read_into_the_same_memory(tmp_path, monkeypatch):
    X = np.random.default_rng(0).standard_normal((1000, 12))
    tiles = [
        [RawArray.write(np.ascontiguousarray(X[a:b, c:d]), str(tmp_path / f"{a}-{c}"))
         for c, d in ((0, 5), (5, 6), (6, 12))]
        for a, b in ((0, 600), (600, 1000))
    ]  # fmt: skip
    places = set()
    read_into = RawArray.read_into

    def noting(self, start, out):
        places.add(out.base.__array_interface__["data"][0])
        read_into(self, start, out)

    monkeypatch.setattr(RawArray, "read_into", noting)
    out = np.empty((300, 12))
    with TiledRows(tiles).open() as reader:
        for start in (0, 300, 500, 700):
            np.testing.assert_array_equal(
                reader.read(start, start + 300, out), X[start : start + 300]
            )
            assert reader.nbytes_read(out) == out.nbytes
        assert reader.read(600, 600, out[:0]).shape == (0, 12)
    assert len(places) == 1
