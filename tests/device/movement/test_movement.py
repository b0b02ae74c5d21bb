"""Blocks on their way to a card: all sums are those of processors, whatever stays where."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from daskreg.design.blocks import Block
from daskreg.design.columns import IN_FLIGHT
from daskreg.design.device import DeviceBlock, Kept, rest
from daskreg.design.device.need import SORTING
from daskreg.design.device.shelf import SHELF
from daskreg.design.passes.ledger import LEDGER
from daskreg.events import collecting
from daskreg.exceptions import MemoryPlanError
from tests.design.helpers import ArrayRows, make_design
from tests.device.conftest import BLOCK
from tests.device.kernels_by_hand import OnProcessors, Products, Targets
from tests.device.stand_in import StandInCard

LARGE = 1 << 26


def whole_numbers(dtype: str = "float32", n: int = 6000, p: int = 24) -> Any:
    """Sums of them are exact in any order."""
    rng = np.random.default_rng(0)
    low = 0 if np.dtype(dtype).kind in "ub" else -3
    X = rng.integers(low, 2 if dtype == "bool" else 4, size=(n, p)).astype(dtype)
    return X, rng.integers(-5, 6, size=(n, 1)).astype(float)


def check(sums: Any, X: Any, y: Any, times: float = 1.0) -> None:
    X = X.toarray() if hasattr(X, "toarray") else X
    np.testing.assert_array_equal(sums["products"], X.astype(float).T @ y[:, 0] * times)
    np.testing.assert_array_equal(sums["sums"], X.astype(float).sum(axis=0))
    assert sums["rows"] == len(y)
    assert all(type(value) is np.ndarray for value in sums.values())


def passes(design: Any, X: Any, y: Any, kernel: Any = None, n: int = 3) -> None:
    for times in range(1, n + 1):
        check(design.sum_over_rows(kernel or Products(), {"times": float(times)}), X, y, times)


def shards(design: Any) -> Any:
    return design.placement.scheduler._shards


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "float16", "float32", "float64"])
def test_blocks_that_fit_go_over_the_link_once_as_they_are_stored(card_with, dtype):
    card = card_with(LARGE)
    X, y = whole_numbers(dtype)
    with make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y)
        assert card.moved == X.nbytes
        assert SHELF.nbytes >= X.nbytes
        assert design.plan.device.bytes_kept == X.nbytes
        assert design.plan.bytes_pinned == design.bytes_pinned == LEDGER.nbytes == 0
        assert design.bytes_read == X.nbytes + y.nbytes


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_what_does_not_fit_passes_through_the_ring_every_time(
    card_with, share, resident, monkeypatch
):
    monkeypatch.setattr("daskreg.design.plan.SMALL", 0)
    X, y = whole_numbers(n=12_000)
    card = card_with(int(share * X.nbytes))
    with make_design(X, y, block_size=BLOCK, resident=resident) as design:
        kept = 0
        for _ in range(3):
            before, waits, puts = card.moved, card.waits, card.puts
            passes(design, X, y, n=1)
            # What lies there already does not move, all else does, and is waited for.
            assert card.moved - before == X.nbytes - kept
            assert card.waits - waits == card.puts - puts
            kept = sum(block.n_rows for s in shards(design) for block in on_card(s)) * 24 * 4
        planned = design.plan.device.bytes_kept
        assert planned - 4 * BLOCK <= kept <= planned < X.nbytes
        assert card.most <= card.limit
        # Streamed blocks are read from host memory, where they were pinned in the first pass.
        assert resident or design.bytes_read == X.nbytes + y.nbytes


def on_card(shard: Any) -> Any:
    return SHELF.blocks(shard._token).values()


def test_a_block_that_is_read_from_its_source_each_pass(card_with):
    card = card_with(0)
    X, y = whole_numbers(n=12_000)
    with make_design(X, y, block_size=BLOCK, cache=None) as design:
        passes(design, X, y)
        assert design.bytes_read == 3 * (X.nbytes + y.nbytes)
        assert card.moved == 3 * X.nbytes
        assert SHELF.nbytes == 0


@pytest.mark.parametrize("room", [0, LARGE])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
def test_sparse_rows_travel_as_three_arrays(card_with, dtype, room):
    card = card_with(room)
    X, y = whole_numbers(n=4000)
    X = scipy.sparse.csr_array(np.where(X > 1, X, 0).astype(dtype))

    class Sparse(ArrayRows):
        sparse = True
        row_nbytes = X.data.nbytes / X.shape[0] + 20

    design = make_design_of(Sparse(X), y)
    with design:
        passes(design, X, y)
    whole = X.data.nbytes + X.indices.nbytes
    assert card.moved >= whole
    assert (card.moved < 2 * whole) == (room == LARGE)
    assert card.moved <= 3 * (whole + 8 * (X.shape[0] + 100))


def make_design_of(rows: Any, y: Any, **settings: Any) -> Any:
    from daskreg.design.columns import Columns
    from daskreg.design.design import Design

    return Design(Columns(rows, ArrayRows(y)), block_size=BLOCK, **settings)


def test_the_arrays_of_a_standard_library_on_a_device_of_their_own(card_with):
    pytest.importorskip("array_api_strict")
    X, y = whole_numbers()
    for room in (0, LARGE):
        card_with(room, strict=True)
        with make_design(X, y, block_size=BLOCK) as design:
            passes(design, X, y)


# ---------------------------------------------------------------------- the order of things


class NoWait(StandInCard):
    """A card on which somebody forgot to wait: the tests' own card has to see it."""

    forgotten: Any = None

    def wait(self, stream: Any, event: Any) -> None:
        if stream is not getattr(self, self.forgotten):
            super().wait(stream, event)


class ForCopy(NoWait):
    forgotten = "copy"


class ForCompute(NoWait):
    forgotten = "compute"


class NotHere(StandInCard):
    def wait(self, stream: Any, event: Any) -> None:
        # The numbers are copied as late as a card may do it.
        stream.seen = max(stream.seen, event.time)

    def wait_here(self, event: Any) -> None:
        pass


@pytest.mark.parametrize("kind", [ForCopy, ForCompute, NotHere])
def test_a_forgotten_wait_is_seen(card_with, kind):
    card = card_with(0, kind)
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design, pytest.raises(AssertionError):
        passes(design, X, y)
    card.faults.clear()


def test_memory_that_is_let_go_of_while_it_is_copied_is_a_fault(card_with):
    card = card_with(LARGE)
    card.put(np.arange(3.0), card.empty(24))  # nobody has a name for either
    card.synchronize()
    assert card.faults == [
        "memory of the card was let go of while it was copied to",
        "memory of the host was let go of before it was copied",
    ]
    card.faults.clear()
    locked = card.page_locked((3,), np.dtype(float))
    card.send(locked[1:])
    assert card.faults.pop() == "memory that is read into again was sent without waiting"


def test_blocks_that_stay_are_not_waited_for(card_with):
    card = card_with(LARGE)
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y, n=1)
        before = card.waits, card.fetches
        passes(design, X, y, n=2)
        assert card.waits == before[0]
        # All sums of a shard come together.
        assert card.fetches - before[1] == 2 * design.plan.n_shards


def test_large_sums_are_fetched_by_themselves(card_with, monkeypatch):
    monkeypatch.setattr("daskreg.design.device.landing.APART", 100)
    card = card_with(LARGE)
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y, n=1)
        assert card.fetches > design.plan.n_shards


@pytest.mark.parametrize("cache", [None, "auto"])
@pytest.mark.parametrize("share", [0.0, 0.5, 2.0])
def test_what_is_copied_to_the_card_lies_in_memory_that_it_reads_by_itself(card_with, share, cache):
    locked, left = [], []

    class Watches(StandInCard):
        def page_locked(self, shape, dtype, stays=False):
            array = super().page_locked(shape, dtype, stays)
            locked.append((array.ctypes.data, array.ctypes.data + array.nbytes))
            left.append(array)  # its address is nobody else's
            return array

        def put(self, host, buffer, at=0):
            first = host.ctypes.data
            assert any(low <= first and first + host.nbytes <= high for low, high in locked)
            return super().put(host, buffer, at)

    X, y = whole_numbers(n=12_000)
    card = card_with(int(share * X.nbytes), Watches)
    with make_design(X, y, block_size=BLOCK, cache=cache) as design:
        passes(design, X, y)
        n_shards = design.plan.n_shards
        kept = LEDGER.nbytes // BLOCK + n_shards
    assert card.moved >= X.nbytes
    # Some buffers for each shard and pass, whatever stays on the card, and what stays beside it.
    assert len(left) <= 3 * IN_FLIGHT * n_shards + 2 * kept


def test_a_kernel_that_looks_at_a_number_is_caught(card_with):
    card_with(LARGE)

    class Looks(Products):
        def on_device(self, block, state):
            assert bool(np.all(block.X < 10))
            return super().on_device(block, state)

    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design, pytest.raises(AssertionError):
        design.sum_over_rows(Looks(), {"times": 1.0})


# ---------------------------------------------------------------------- what is kept beside X


def test_what_kernels_keep_is_made_once_where_the_block_stays_and_counts_as_device_bytes(card_with):
    card = card_with(LARGE)
    sent = []
    send = card.send
    card.send = lambda host: sent.append(np.shape(host)) or send(host)
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y)
        n_blocks, n_shards = design.plan.n_blocks, design.plan.n_shards
        assert sum(len(shape) == 1 and shape[0] > 1 for shape in sent) == n_blocks
        # The state once for each shard and pass.
        assert sum(shape == () for shape in sent) == 3 * n_shards
        assert SHELF.nbytes >= X.nbytes + y.nbytes


def test_what_has_no_room_is_not_kept():
    kept, made = Kept(lambda nbytes: nbytes <= 80), []
    for _ in range(2):
        for n in (10, 11):
            kept.get(n, lambda n=n: made.append(n) or np.zeros(n))
    assert made == [10, 11, 11]


def test_what_lies_on_the_card_is_no_memory_of_the_process(card_with):
    card_with(LARGE)
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y, n=2)
        assert all(sys.getsizeof(shard) < 2048 for shard in shards(design))
        assert all(on_card(shard) for shard in shards(design))


# ---------------------------------------------------------------------- kernels without a form


def test_a_kernel_without_a_form_for_cards_gets_the_same_blocks(card_with):
    card = card_with(int(0.5 * 6000 * 24 * 4))
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y, OnProcessors(), n=1)
        assert card.moved == 0
        assert LEDGER.nbytes > 0
        passes(design, X, y)
        assert 0 < SHELF.nbytes < X.nbytes
        passes(design, X, y, OnProcessors())
        found = design.sum_over_rows(Targets())
        np.testing.assert_array_equal(found["y"], y.sum(axis=0))
        # Nothing is fetched for a kernel that does not read X, nor read twice from its source.
        assert design.bytes_read == X.nbytes + y.nbytes


def test_blocks_that_move_to_the_card_make_room_for_others(card_with):
    X, y = whole_numbers("float64", n=24_000)
    probe = make_design(X, y, block_size=BLOCK)
    probe.prepare()
    plan = probe.plan
    fixed = plan.peak - plan.memory["blocks pinned between passes"]
    probe.close()
    room = int(0.4 * X.nbytes)
    card_with(room)
    limit = int((fixed + 0.45 * X.nbytes) / 0.85)
    with make_design(X, y, block_size=BLOCK, memory_limit=limit, cache="memory") as design:
        passes(design, X, y, OnProcessors(), n=1)
        passes(design, X, y, n=1)
        passes(design, X, y, n=1)
        passes(design, X, y, n=1)
        before = design.bytes_read
        passes(design, X, y, n=1)
        total = X.nbytes + y.nbytes
        streamed = design.bytes_read - before
        assert streamed <= total - 0.7 * room - 0.3 * total


def test_selected_columns_come_from_blocks_on_the_card(card_with):
    card_with(LARGE)
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y, n=1)
        read = design.bytes_read
        with design.select([1, 5, 6]) as some:
            check(some.sum_over_rows(OnProcessors(), {"times": 1.0}), X[:, [1, 5, 6]], y)
            assert design.bytes_read + some.bytes_read - read <= y.nbytes


# ---------------------------------------------------------------------- memory that is full


@pytest.mark.parametrize("room", [0, LARGE])
@pytest.mark.parametrize(("most_rows", "on_host"), [(120, False), (1, True)])
def test_a_block_that_is_too_large_is_cut_then_left_to_the_processor(
    card_with, room, most_rows, on_host
):
    card = card_with(room)
    X, y = whole_numbers()
    kernel = Products(most_rows=most_rows)
    with collecting() as log, make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y, kernel)
        events = [event for event in log.events if event.kind == "device"]
        assert len(events) == 3
        assert all(event.details["n_halved"] > 0 for event in events)
        assert all((event.details["n_on_host"] > 0) == on_host for event in events)
        assert "more rows than there is room for" in events[0].message
        # The card goes on as if nothing had happened.
        passes(design, X, y)
        assert len([event for event in log.events if event.kind == "device"]) == 3
    assert card.used <= 3 * 2 * BLOCK


@pytest.mark.parametrize("left", [4 * BLOCK, 0])
def test_a_card_that_has_shrunk_since_the_plan_was_made(card_with, left):
    card = card_with(LARGE)
    X, y = whole_numbers()
    with collecting() as log, make_design(X, y, block_size=BLOCK) as design:
        design.prepare()
        card.limit = left
        passes(design, X, y)
        assert card.most <= left
    troubles = [event for event in log.events if event.kind == "device"]
    assert all(event.details["n_on_host"] > 0 for event in troubles)
    assert len(troubles) == (0 if left else 3)


def test_other_errors_are_not_taken_for_a_full_memory(card_with):
    card_with(LARGE)

    class Broken(Products):
        def on_device(self, block, state):
            raise ZeroDivisionError("no matter of memory")

    X, y = whole_numbers()
    with (
        make_design(X, y, block_size=BLOCK) as design,
        pytest.raises(ZeroDivisionError, match="no matter"),
    ):
        design.sum_over_rows(Broken(), {"times": 1.0})


@pytest.mark.parametrize("cache", [None, "auto"])
def test_host_memory_that_cannot_be_locked_is_read_into_as_it_is(card_with, cache):
    card = card_with(0)
    card.locks = False
    X, y = whole_numbers(n=12_000)
    with make_design(X, y, block_size=BLOCK, cache=cache) as design:
        passes(design, X, y)
        assert X.nbytes < card.moved <= 3 * X.nbytes


# ---------------------------------------------------------------------- what goes back, and when


def test_memory_goes_back_when_nothing_is_kept_any_more(card_with):
    card = card_with(int(0.5 * 6000 * 24 * 4))
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y)
        assert not rest.give_back()
        assert card.used > 0
        passes(design, X, y, n=1)
    assert SHELF.n_shards == 0
    assert rest.give_back()
    assert card.used == 0


def test_an_error_that_somebody_keeps_keeps_no_blocks(card_with, monkeypatch):
    monkeypatch.setattr("daskreg.design.passes.threads._n_threads", lambda: 1)
    card = card_with(LARGE)
    X, y = whole_numbers()

    class Fails(Products):
        def on_device(self, block, state):
            times = block.upload("times", np.asarray(state["times"]))
            raise ZeroDivisionError(f"with {block.n_rows} rows and {times.shape} at hand")

    with make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y, n=1)
        with pytest.raises(ZeroDivisionError) as kept:
            design.sum_over_rows(Fails(), {"times": 1.0})
    assert rest.give_back()
    assert card.used == 0
    assert "at hand" in str(kept.value)


def test_passes_over_a_card_are_made_by_the_same_threads(card_with, monkeypatch):
    monkeypatch.setattr("daskreg.design.passes.threads._n_threads", lambda: 2)
    card_with(LARGE)
    X, y = whole_numbers(n=12_000)
    seen = []

    class Notes(Products):
        def on_device(self, block, state):
            seen[-1].add(threading.get_ident())
            return super().on_device(block, state)

    with make_design(X, y, block_size=BLOCK) as design:
        for _ in range(3):
            seen.append(set())
            passes(design, X, y, Notes(), n=1)
        assert design.plan.n_shards > 1
    assert len(set.union(*seen)) <= 2


# ---------------------------------------------------------------------- the plan


def test_the_plan_names_what_a_card_holds(card_with):
    card_with(100_000)
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design:
        plan = design.prepare(partial_bytes=1000, temporaries=5000)
        assert plan.device.reserve == sum(plan.device.memory.values())
        on_cards = int(plan.total_bytes * plan.device.share)
        assert on_cards + plan.bytes_pinned + plan.bytes_streamed == plan.total_bytes
        assert plan.device.bytes_kept + plan.device.reserve <= plan.device.free
        for words in ("device", "stand-in", "ring of streamed blocks", "on cards"):
            assert words in str(plan)


def test_two_fits_do_not_count_on_the_same_bytes(card_with):
    X, y = whole_numbers()
    card = card_with(int(1.5 * X.nbytes))
    with make_design(X, y, block_size=BLOCK) as first, make_design(X, y, block_size=BLOCK) as other:
        one = first.prepare().device
        two = other.prepare().device  # nothing lies there yet
        assert one.bytes_kept == X.nbytes
        assert 0 < two.bytes_kept < 0.6 * X.nbytes
        assert one.bytes_kept + two.bytes_kept + max(one.reserve, two.reserve) <= card.limit
        for _ in range(2):
            passes(first, X, y, n=1)
            passes(other, X, y, n=1)
        assert card.most <= card.limit
    with make_design(X, y, block_size=BLOCK) as third:
        assert third.prepare().device.bytes_kept == X.nbytes


def test_passes_of_two_fits_may_come_at_once(card_with):
    X, y = whole_numbers()
    card_with(2 * LARGE)
    with make_design(X, y, block_size=BLOCK) as first, make_design(X, y, block_size=BLOCK) as other:
        one = first.prepare(temporaries=1 << 20, partial_bytes=1 << 16).device
        two = other.prepare().device
        assert two.memory["passes of other fits"] == one.passing > 1 << 20
        with first.select([0, 1]) as some:  # its passes come in turn with those of all columns
            assert some.prepare().device.memory.get("passes of other fits") is None


def test_sorting_sparse_rows_is_part_of_the_plan(card_with, monkeypatch):
    card_with(1 << 28)
    monkeypatch.setattr("daskreg.design.device.need.SORTING", SORTING)
    X, y = whole_numbers()
    X = scipy.sparse.csr_array(np.where(X > 1, X, 0))

    class Sparse(ArrayRows):
        sparse = True
        row_nbytes = X.data.nbytes / X.shape[0] + 20

    with make_design_of(Sparse(X), y) as design:
        plan = design.prepare()
        assert SORTING > 0
        assert plan.device.memory["kernel temporaries"] >= SORTING * plan.block_bytes // 16


@pytest.mark.parametrize("wanted", ["auto", "gpu"])
def test_passes_that_cannot_fit_a_card_are_refused_or_left_to_processors(
    card_with, monkeypatch, wanted
):
    card = card_with(0)
    monkeypatch.setenv("DASKREG_DEVICE", wanted)
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design:
        if wanted == "gpu":
            with pytest.raises(MemoryPlanError, match=r"stand-in has .* need .*ring"):
                design.prepare(partial_bytes=1 << 30)
        else:
            plan = design.prepare(partial_bytes=1 << 24)
            assert plan.device is None
            assert any("passes run on processors" in note for note in plan.notes)
            passes(design, X, y)
    assert card.moved == 0


def test_a_process_can_be_told_to_leave_its_card_alone(card_with, monkeypatch):
    card = card_with(LARGE)
    monkeypatch.setenv("DASKREG_DEVICE", "cpu")
    X, y = whole_numbers()
    with make_design(X, y, block_size=BLOCK) as design:
        passes(design, X, y)
        assert design.plan.device is None
    assert card.moved == 0


# ---------------------------------------------------------------------- blocks by themselves


@pytest.mark.parametrize("sparse", [False, True])
def test_halves_of_a_block_hold_its_rows(card_with, sparse):
    from daskreg.design.device import Csr

    card = card_with(LARGE)
    X, y = whole_numbers(n=7, p=3)
    if sparse:
        X = scipy.sparse.csr_array(np.where(X > 0, X, 0))
        on_device = Csr(card.send(X.data), card.send(X.indices), card.send(X.indptr), X.shape)
    else:
        on_device = card.send(X)
    from daskreg.design.device import Absent

    host = Block(Absent(X.shape, X.dtype), y, np.arange(7.0), None, start=10, index=3)
    block = DeviceBlock(host, on_device, Kept(), np, card.send, card.fetch)
    with card.computing():
        halves = [half.on_host() for half in block.halves()]
    dense = [half.X.toarray() if sparse else half.X for half in halves]
    np.testing.assert_array_equal(np.vstack(dense), X.toarray() if sparse else X)
    np.testing.assert_array_equal(np.vstack([half.y for half in halves]), y)
    assert [half.start for half in halves] == [10, 13]
    assert [len(half.sample_weight) for half in halves] == [3, 4]
