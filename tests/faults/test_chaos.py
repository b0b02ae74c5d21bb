"""Workers are ended all the time, in four ways, while a path is cross-validated: the same bits."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.chaos import COMPARED, crew_of, model
from daskreg.datasets import make_sparse_classification

SEEN = {"worker_lost", "worker_joined", "shard_moved"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_path_under_fire_has_the_bits_of_a_calm_one(tmp_path: Path) -> None:
    files = make_sparse_classification(tmp_path, n_rows=300_000, n_columns=64, format="zarr")
    with crew_of(3) as crew:
        began = time.monotonic()
        calm = model().fit(files.X, files.y)
        # Where a pass takes long workers live longer, or none would end one.
        every = max(2.0, (time.monotonic() - began) / 5)
        kinds: set[str] = set()
        for seed in range(5):
            with crew.killing(every=every, seed=seed):
                found = model().fit(files.X, files.y)
            for name in COMPARED:
                np.testing.assert_array_equal(getattr(found, name), getattr(calm, name), name)
            kinds |= {event.kind for event in found.events_}
            if kinds >= SEEN:
                break  # a slow machine has seen all of it in one fit
    assert kinds >= SEEN
