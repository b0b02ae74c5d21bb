"""Where blocks and segments begin and end: fixed by the data and the block size alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

#: Segments are the leaves of the summation tree; some hundreds keep shards even and trees small.
MAX_SEGMENTS = 256

#: The segments of a shard, and the address of the worker that holds their blocks already.
Hand = tuple[Sequence[int], str | None]


@dataclass(frozen=True)
class Layout:
    """Borders of blocks (in rows) and of segments (in blocks).

    A segment is a run of whole blocks whose partial sums are added in sequence; segments meet in
    one dyadic tree.  Both depend on nothing but the data and the block size, so every way of
    dealing segments out to shards, threads and workers gives the same bits.

    Attributes
    ----------
    rows : tuple of int, length n_blocks + 1
        Block ``i`` holds rows ``rows[i]:rows[i + 1]``.
    segments : tuple of int, length n_segments + 1
        Segment ``j`` holds blocks ``segments[j]:segments[j + 1]``.
    """

    rows: tuple[int, ...]
    segments: tuple[int, ...]

    @property
    def n_rows(self) -> int:
        return self.rows[-1]

    @property
    def n_blocks(self) -> int:
        return len(self.rows) - 1

    @property
    def n_segments(self) -> int:
        return len(self.segments) - 1

    @property
    def largest_block(self) -> int:
        """Rows of the largest block."""
        return max(stop - start for start, stop in pairwise(self.rows))

    def segment_rows(self, segment: int) -> tuple[int, int]:
        """First row of a segment and the row after its last one."""
        return self.rows[self.segments[segment]], self.rows[self.segments[segment + 1]]

    def deal(self, n_shards: int) -> list[range]:
        """Cut the segments into at most ``n_shards`` runs of about equal rows.

        Examples
        --------
        >>> make_layout(1000, rows_per_block=100).deal(3)
        [range(0, 3), range(3, 7), range(7, 10)]
        """
        starts = [self.segment_rows(segment)[0] for segment in range(self.n_segments)]
        middles = [(a + b) / 2 for a, b in pairwise([*starts, self.n_rows])]
        cuts = [0]
        for shard in range(1, n_shards):
            cuts.append(max(cuts[-1], bisect_right(middles, self.n_rows * shard / n_shards)))
        cuts.append(self.n_segments)
        return [range(a, b) for a, b in pairwise(cuts) if b > a]


def by_home(homes: Sequence[str | None], n_shards: int) -> list[Hand]:
    """Segments grouped by the worker that holds their block, each group cut into shards.

    Parameters
    ----------
    homes : sequence of str or None
        The address of each segment's worker.
    n_shards : int
        Shards wanted in all.
    """
    by_worker: dict[str | None, list[int]] = {}
    for segment, home in enumerate(homes):
        by_worker.setdefault(home, []).append(segment)
    each = max(1, n_shards // max(1, len(by_worker)))
    groups: list[tuple[Sequence[int], str | None]] = []
    for home, segments in by_worker.items():
        pieces = min(each, len(segments))
        borders = [0, *accumulate(len(segments[i::pieces]) for i in range(pieces))]
        groups += [(segments[a:b], home) for a, b in pairwise(borders) if b > a]
    return groups


def make_layout(
    n_rows: int,
    *,
    rows_per_block: int,
    row_chunks: Sequence[int] | None = None,
    whole_chunks: bool = False,
    max_segments: int | None = MAX_SEGMENTS,
) -> Layout:
    """Lay blocks over the rows.

    Parameters
    ----------
    n_rows : int
    rows_per_block : int
        Most rows a block may hold.
    row_chunks : sequence of int, optional
        Natural runs of rows of the source: small ones are merged to blocks, large ones cut into
        equal parts, and no block straddles a border that it could respect.
    whole_chunks : bool
        One block a chunk, whatever its size (blocks that already lie in memory).
    max_segments : int or None
        None: every block is a segment.
    """
    most = max(1, rows_per_block)
    if row_chunks is None:
        rows = _even_borders(0, n_rows, most)
    elif whole_chunks:
        rows = _borders(row_chunks)
    else:
        rows = _merge_and_cut(row_chunks, most)
    n_blocks = len(rows) - 1
    n_segments = n_blocks if max_segments is None else min(n_blocks, max_segments)
    segments = tuple(n_blocks * j // n_segments for j in range(n_segments + 1))
    return Layout(tuple(rows), segments)


def _borders(lengths: Sequence[int]) -> list[int]:
    borders = [0]
    for length in lengths:
        if length:
            borders.append(borders[-1] + length)
    return borders


def _even_borders(start: int, stop: int, most: int) -> list[int]:
    pieces = max(1, -(-(stop - start) // most))
    return [start + (stop - start) * i // pieces for i in range(pieces + 1)]


def _merge_and_cut(lengths: Sequence[int], most: int) -> list[int]:
    borders = [0]
    pending = 0
    for length in lengths:
        if pending and pending + length > most:
            borders.append(borders[-1] + pending)
            pending = 0
        if length > most:
            borders += _even_borders(borders[-1], borders[-1] + length, most)[1:]
        else:
            pending += length
    if pending:
        borders.append(borders[-1] + pending)
    return borders
