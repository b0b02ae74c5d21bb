"""Recipes are small, cut fast and travel."""

from __future__ import annotations

import pickle
import time

import cloudpickle
import dask.array as da
import numpy as np

from daskreg.design.collections.graphs import take_graph
from daskreg.design.collections.opening import open_collection
from daskreg.design.collections.settle import settle
from daskreg.design.collections.sharing import find_shared

from .conftest import N, P


def test_cutting_ten_thousand_chunks(folder, scratch):
    x = da.concatenate([da.from_zarr(folder / "rows.zarr")] * 1000)
    began = time.perf_counter()
    (rows,), read = settle([open_collection(x)], scratch)
    settled = time.perf_counter() - began
    began = time.perf_counter()
    cuts = [rows.cut(i * 250_000, (i + 1) * 250_000) for i in range(8)]
    cut = time.perf_counter() - began
    assert (read, rows.n_rows) == (0, 1000 * N)
    # Some times what it takes on a quiet machine.
    assert settled < 5
    assert cut < 1
    assert all(len(cloudpickle.dumps(recipe)) < 300_000 for recipe in cuts)
    assert len(cloudpickle.dumps(rows.cut(0, 2000))) < 10_000


def test_recipes_travel(folder, scratch, values):
    x = da.from_zarr(folder / "rows.zarr")
    (rows,), _ = settle([open_collection((x - x.mean(0)).rechunk((300, -1)))], scratch)
    with pickle.loads(cloudpickle.dumps(rows.cut(500, 900))).open() as reader:
        found = reader.read(500, 900)
    np.testing.assert_array_equal(found, (values - x.mean(0).compute())[500:900])


def test_what_counts_as_shared(folder):
    x = da.from_zarr(folder / "rows.zarr")
    cases = {
        "plain": (x, 0, 0),
        "borders": (x.rechunk((300, -1)), 0, 3),
        "mean and std": ((x - x.mean(0)) / x.std(0), 2, 0),
        "column chunks": (da.from_zarr(folder / "columns.zarr").rechunk((200, -1)), P // 2, 0),
    }
    for name, (array, wide, borders) in cases.items():
        graph, (keys,) = take_graph([array])
        found = find_shared(graph.nodes, keys)
        assert (len(found.wide), found.borders) == (wide, borders), name
