"""Selected columns on worker processes: the bits of threads, taken where the whole rows are."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import ClassVar

import cloudpickle
import dask.array as da
import numpy as np
import pytest
import zarr

from daskreg.design import as_design

from . import helpers
from .helpers import CheckGroups, Correlate, StartsAndSums, make_data, make_design

COLUMNS = np.array([0, 3, 4, 17, 39])
TIMES = (1.0, 2.0, 3.0)


@pytest.fixture(scope="module", autouse=True)
def helpers_travel_by_value():
    for module in (helpers, sys.modules[__name__]):
        cloudpickle.register_pickle_by_value(module)
    yield
    for module in (helpers, sys.modules[__name__]):
        cloudpickle.unregister_pickle_by_value(module)


@dataclass(frozen=True)
class CountGroups:
    """Rows of each of three groups."""

    name: ClassVar[str] = "count-groups"

    def __call__(self, block, state):
        return np.bincount(block.groups, minlength=3)


def sums(design):
    return [design.sum_over_rows(Correlate(), {"times": t}) for t in TIMES]


def on_threads(X, y, **options):
    with make_design(X, y, **options) as design, design.select(COLUMNS) as some:
        return sums(some)


def pinned_by_worker():
    from daskreg.design.passes.ledger import LEDGER

    return LEDGER.nbytes


def test_bits_and_bytes_are_those_of_threads(client):
    X, y = make_data(n=20_000)
    expected = on_threads(X, y, block_size=1 << 15)
    with make_design(X, y, block_size=1 << 15) as design, design.select(COLUMNS) as some:
        for found, same in zip(sums(some), expected, strict=True):
            np.testing.assert_array_equal(found, same)
        assert (design.n_passes, some.n_passes) == (1, 3)
        assert (design.bytes_read, some.bytes_read) == (X.nbytes + y.nbytes, 0)
        kept = X[:, COLUMNS].nbytes + y.nbytes
        assert some.bytes_pinned == kept
        assert sum(client.run(pinned_by_worker).values()) == kept
        assert some.plan.peak <= some.plan.usable


def test_what_workers_pin_of_the_whole_is_lent_on_the_spot(client):
    X, y = make_data(n=20_000)
    expected = on_threads(X, y, block_size=1 << 15)
    with make_design(X, y, block_size=1 << 15) as design:
        whole = sums(design)
        with design.select(COLUMNS) as some:
            for found, same in zip(sums(some), expected, strict=True):
                np.testing.assert_array_equal(found, same)
            assert (design.n_passes, some.bytes_read) == (3, 0)
            assert [home for _, home in some.hands] == [home for _, home in design.hands]
        for found, same in zip(sums(design), whole, strict=True):
            np.testing.assert_array_equal(found, same)
        assert design.bytes_read == X.nbytes + y.nbytes


SOURCES = {
    "numpy, sent with its shards": lambda X, path: X,
    "recipes": lambda X, path: da.from_zarr(path) * 1,
    "recipes, column chunks": lambda X, path: da.from_array(X, chunks=(700, 16)) + 0,
    "persisted": lambda X, path: da.from_array(X, chunks=(700, -1)).persist(),
    "persisted, computed on": lambda X, path: da.from_array(X, chunks=(700, -1)).persist() * 1,
    "zarr": lambda X, path: path,
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source(client, tmp_path, name):
    rng = np.random.default_rng(0)
    X = rng.integers(-9, 10, (5000, 40)).astype(np.float32)
    store = zarr.create_array(tmp_path / "X.zarr", shape=X.shape, chunks=(700, 16), dtype="f4")
    store[...] = X
    numbers, groups = np.arange(5000.0), np.arange(5000) % 3
    source = SOURCES[name](X, str(tmp_path / "X.zarr"))
    in_memory = name in ("numpy, sent with its shards", "persisted")
    with as_design(source, numbers, groups=groups, block_size=1 << 15) as design:
        expected = X.T.astype(float) @ numbers
        np.testing.assert_array_equal(design.sum_over_rows(StartsAndSums()), [0, 5000])
        np.testing.assert_array_equal(design.sum_over_rows(CountGroups()), np.bincount(groups))
        passes, read = design.n_passes, design.bytes_read
        with design.select(COLUMNS) as some:
            for _ in range(2):
                np.testing.assert_array_equal(some.sum_over_rows(StartsAndSums()), [0, 5000])
                np.testing.assert_array_equal(
                    some.sum_over_rows(CountGroups()), np.bincount(groups)
                )
                found = some.sum_over_rows(Correlate(), {"times": 1.0})
                np.testing.assert_allclose(found, expected[COLUMNS], rtol=1e-5)
            # Pinned or persisted on the workers, or in memory: there is nothing to read.
            assert design.reads_columns
            assert (design.n_passes, design.bytes_read, some.bytes_read) == (passes, read, 0)
            assert in_memory or design.bytes_read > 0


@pytest.mark.parametrize("name", ["recipes", "persisted", "zarr"])
def test_without_a_pass_over_the_whole(client, tmp_path, name):
    rng = np.random.default_rng(0)
    X = rng.integers(-9, 10, (5000, 40)).astype(np.float32)
    store = zarr.create_array(tmp_path / "X.zarr", shape=X.shape, chunks=(700, 20), dtype="f4")
    store[...] = X
    y = rng.integers(-9, 10, 5000).astype(float)
    columns = COLUMNS[:4]
    with (
        as_design(SOURCES[name](X, str(tmp_path / "X.zarr")), y, block_size=1 << 15) as design,
        design.select(columns) as some,
    ):
        before = design.bytes_read
        for _ in range(2):
            found = some.sum_over_rows(Correlate(), {"times": 1.0})
            np.testing.assert_array_equal(found, X[:, columns].T @ y)
        whole, part = {"recipes": (X.nbytes, 0), "persisted": (0, 0), "zarr": (0, X.nbytes // 2)}[
            name
        ]
        assert design.bytes_read - before == whole
        assert design.n_passes == int(whole > 0)
        assert some.bytes_read == part


@pytest.mark.parametrize("persisted", [True, False])
def test_labels_of_groups_as_dask_arrays(client, persisted):
    X, y = make_data(n=3000)
    sites = np.array([f"site {i % 7}" for i in range(3000)])
    groups = da.from_array(sites, chunks=800)
    groups = (
        groups.persist()
        if persisted
        else groups.map_blocks(np.char.upper).map_blocks(np.char.lower)
    )
    with (
        as_design(
            da.from_array(X, chunks=(500, -1)), y, groups=groups, block_size=1 << 13
        ) as design,
        design.select(COLUMNS) as some,
    ):
        for reads_X in (False, True, True):
            kernel = CheckGroups(sites).reading(reads_X)
            for rows in (design, some):
                np.testing.assert_array_equal(rows.sum_over_rows(kernel), [0, 3000])


def test_a_selection_survives_the_worker_of_its_shards(client):
    X, y = make_data(n=20_000)
    expected = on_threads(X, y, block_size=1 << 15)
    with make_design(X, y, block_size=1 << 15) as design, design.select(COLUMNS) as some:
        np.testing.assert_array_equal(sums(some)[0], expected[0])
        read, passes = design.bytes_read, design.n_passes
        gone = some.hands[0][1]
        client.retire_workers([gone], close_workers=True)
        for found, same in zip(sums(some), expected, strict=True):
            np.testing.assert_array_equal(found, same)
        # What was lost is read once more, from whole rows; the selection's pass, its own bytes.
        assert (design.bytes_read, design.n_passes) == (read, passes)
        assert 0 < some.bytes_read < X.nbytes + y.nbytes
