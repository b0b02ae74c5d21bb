"""Data that are not the same in every pass have no sum: they are refused by block and rows."""

from __future__ import annotations

import os
import pickle
import signal
import warnings
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from distributed import Client
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

import daskreg
from daskreg.checkpoint.fingerprint import windows
from daskreg.design import as_design
from daskreg.design.columns import BlockSpec
from daskreg.design.passes.roster import workers_of
from daskreg.design.passes.seals import EVERY, SHORT_RUN, Seals, sample, seal
from daskreg.exceptions import DataError
from tests.design.helpers import ArrayRows, Correlate, make_data

from .common import pids, wait_until

N, P = 4000, 40


@pytest.fixture(params=["npy", "zarr"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The path of X and a function that writes other values into some of its rows."""
    X, _ = make_data(n=N, p=P)
    path = tmp_path / f"X.{request.param}"
    if request.param == "npy":
        np.save(path, X)
        return path, lambda rows: np.lib.format.open_memmap(path, "r+").__setitem__(rows, 7.0)
    zarr.create_array(str(path), data=X, chunks=(500, P))
    return path, lambda rows: zarr.open_array(str(path), mode="r+").__setitem__(rows, 7.0)


def opened(path: Path, **settings: Any) -> Any:
    y = np.arange(N, dtype=float)
    return as_design(str(path), y, block_size=500 * P * 4, cache=None, **settings)


def summed(design: Any) -> Any:
    return design.sum_over_rows(Correlate(), {"times": 1.0})


def test_rows_that_change_between_passes_are_refused(stored: Any) -> None:
    path, change = stored
    with opened(path) as design:
        first = summed(design)
        np.testing.assert_array_equal(summed(design), first)
        change(slice(1600, 1700))
        with pytest.raises(DataError, match=r"block 3 \(rows 1500 to 1999\) of X .*changed"):
            summed(design)


def test_rows_that_change_are_refused_on_a_cluster_too(client: Client, stored: Any) -> None:
    path, change = stored
    with opened(path) as design:
        summed(design)
        change(slice(1600, 1700))
        with pytest.raises(DataError, match=r"block 3 \(rows 1500 to 1999\) of X .*changed"):
            summed(design)


def test_what_was_known_of_a_lost_worker_is_still_known(client: Client, stored: Any) -> None:
    path, change = stored
    with opened(path) as design:
        summed(design)
        change(slice(0, N))
        before = pids(client)
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(workers_of(client).keys() - before.keys()) == 2)
        with pytest.raises(DataError, match="changed between two passes"):
            summed(design)


def test_what_is_pinned_is_not_looked_at_again(stored: Any) -> None:
    path, change = stored
    with as_design(str(path), np.arange(N, dtype=float), block_size=500 * P * 4) as design:
        first = summed(design)
        change(slice(1600, 1700))
        np.testing.assert_array_equal(summed(design), first)


@pytest.mark.parametrize("seed", [None, 3])
def test_random_blocks_without_a_seed_are_refused(seed: int | None) -> None:
    def random(block_info: Any = None) -> Any:
        number = block_info[None]["chunk-location"][0]
        rng = np.random.default_rng(None if seed is None else [seed, number])
        return rng.standard_normal((500, P))

    X = da.map_blocks(random, chunks=((500,) * 8, (P,)), dtype=float, meta=np.empty((0, 0)))
    with as_design(X, np.arange(N, dtype=float), cache=None) as design:
        first = summed(design)
        if seed is None:
            with pytest.raises(DataError, match="changed between two passes: give random arrays"):
                summed(design)
        else:
            np.testing.assert_array_equal(summed(design), first)


def test_a_fit_of_one_pass_needs_no_seals(stored: Any) -> None:
    path, _ = stored
    with opened(path) as design:
        design.prepare(passes=1)
        assert all(shard.seals is None for shard in design.placement.placed()._shards)


@pytest.mark.parametrize("kind", ["npy", "zarr"])
def test_a_number_that_changed_since_the_checkpoint_is_noticed(tmp_path: Path, kind: str) -> None:
    X, y = make_data(n=N, p=P, dtype="float64")
    y = y[:, 0] + X[:, 0]
    path, checkpoint = tmp_path / f"X.{kind}", tmp_path / "fit"
    stored: Any
    if kind == "npy":
        np.save(path, X)
        stored = np.lib.format.open_memmap(path, "r+")
    else:
        stored = zarr.create_array(str(path), data=X, chunks=(500, P))
    settings: dict[str, Any] = {"solver": "fista", "tol": 1e-12, "cache": None}

    def fit(**more: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = daskreg.Lasso(0.01, block_size=500 * P * 8, **settings, **more)
            return model.fit(str(path), y, checkpoint=checkpoint, resume="auto")

    fit(max_passes=4)
    looked_at = {row for run in windows(N, P * 8) for row in range(*run)}
    row = next(row for row in range(1600, N) if row not in looked_at)
    before = stored[row, 3]
    stored[row, 3] = 7.0
    with pytest.raises(DataError, match=rf"block {row // 500} \(rows .*changed"):
        fit()
    stored[row, 3] = before
    again = fit()
    checkpoint = tmp_path / "other"
    np.testing.assert_array_equal(again.coef_, fit().coef_)


# ------------------------------------------------------------------ the sum itself


def of(values: Any, **attributes: Any) -> Any:
    rows = ArrayRows(values)
    for name, value in attributes.items():
        setattr(rows, name, value)
    return seal(values, rows)


@given(
    st.integers(1, 3000),
    st.integers(1, 9),
    st.sampled_from(["u1", "i2", "f4", "f8"]),
    st.data(),
)
def test_any_change_of_a_decoded_block_changes_its_seal(
    n: int, p: int, dtype: str, draw: st.DataObject
) -> None:
    X = np.random.default_rng(n).integers(0, 100, (n, p)).astype(dtype)
    before = of(X)
    assert of(X.copy()) == before
    row, column = draw.draw(st.integers(0, n - 1)), draw.draw(st.integers(0, p - 1))
    X[row, column] += 1
    assert of(X) != before
    X[row, column] -= 1
    assert of(X) == before


def test_blocks_in_another_order_have_another_seal() -> None:
    X = np.random.default_rng(0).standard_normal((4096, 16))
    assert of(X) != of(X[::-1].copy())
    half = np.concatenate([X[2048:], X[:2048]])
    assert of(X) != of(half)
    assert sample(X) != sample(half)


def test_of_a_plain_file_every_byte_counts_and_then_a_run_in_sixteen() -> None:
    X = np.zeros((EVERY * SHORT_RUN // 8 * 4, 1))
    rows, spec = ArrayRows(X), BlockSpec(0, 0, len(X), 0)
    rows.plain_file = "X.npy"

    def is_seen(seals: Seals, row: int) -> bool:
        X[row] = 1.0
        try:
            seals.check(spec, "X", rows, X)
        except DataError:
            return True
        finally:
            X[row] = 0.0
        return False

    known = Seals()
    known.check(spec, "X", rows, X)
    places = range(0, len(X), SHORT_RUN // 8)
    again = pickle.dumps(known)
    assert all(is_seen(pickle.loads(again), row) for row in places)
    assert sum(is_seen(known, row) for row in places) == len(places) // EVERY


def test_computed_values_may_differ_by_rounding() -> None:
    X = np.random.default_rng(0).standard_normal((3000, 20))
    rows = ArrayRows(X)
    rows.computed = True
    seals, spec = Seals(), BlockSpec(0, 0, 3000, 0)
    seals.check(spec, "X", rows, X)
    seals.check(spec, "X", rows, X * (1 + 1e-13))
    with pytest.raises(DataError, match="changed"):
        seals.check(spec, "X", rows, np.random.default_rng(1).standard_normal((3000, 20)))


def test_seals_travel_with_the_recipe_and_are_told_once() -> None:
    seals, X = Seals(), np.ones((10, 2))
    rows = ArrayRows(X)
    for start in (0, 5):
        seals.check(BlockSpec(start // 5, start, start + 5, 0), "X", rows, X[start : start + 5])
    assert set(seals.new()) == {(0, "X"), (1, "X")}
    assert seals.new() == {}
    other = Seals()
    other.take(seals.known, [BlockSpec(1, 5, 10, 0)])
    assert set(other.known) == {(1, "X")}


def test_labels_have_seals() -> None:
    labels = np.array(["yes", "no", "perhaps"])[:, None]
    assert of(labels) == of(labels.astype("U20").astype(labels.dtype))
    assert of(labels) != of(labels[::-1].copy())
    assert of(labels.astype(object)) != of(labels[::-1].astype(object))
