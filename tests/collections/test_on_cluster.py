"""The same rows on workers: futures used where they are, arrays sent through files."""

from __future__ import annotations

import cloudpickle
import dask.array as da
import numpy as np
import pytest

from daskreg.design.collections.opening import open_collection
from daskreg.design.collections.settle import settle
from daskreg.design.passes.roster import workers_of
from daskreg.design.spool.rows import SpooledRows
from daskreg.design.spool.scratch import Scratch
from daskreg.exceptions import DataError

from .conftest import N, P, read_ranges
from .test_arrays import COLLECTIONS

pytest.importorskip("distributed")
RANGES = [(0, 1), (151, 1013)]


def _read(recipe, start, stop, *futures):
    with cloudpickle.loads(recipe).open(futures) as reader:
        return reader.read(start, stop)


def on_workers(client, rows, start, stop):
    recipe = rows.cut(start, stop)
    pickled = cloudpickle.dumps(recipe)
    assert len(pickled) < 100_000
    return client.submit(_read, pickled, start, stop, *recipe.futures, pure=False).result()


@pytest.mark.parametrize(
    "name",
    ["zarr", "column chunks, row blocks", "standardised", "shuffled", "memmap", "numpy + 1"],
)
def test_rows_equal_compute(client, name, folder, scratch):
    x = COLLECTIONS[name](folder)
    expected = x.compute(scheduler="threads")
    (rows,), _ = settle([open_collection(x)], scratch)
    for start, stop in RANGES:
        np.testing.assert_array_equal(on_workers(client, rows, start, stop), expected[start:stop])


def test_persisted_blocks_are_used_where_they_are(client, values, scratch):
    x = da.from_array(values, chunks=(200, P)).persist()
    (rows,), read = settle([open_collection(x)], scratch)
    assert rows.persisted
    assert read == 0
    assert len(rows.chunk_futures) == N // 200
    assert [f.key for f in rows.cut(250, 650).futures] == [f.key for f in rows.chunk_futures[1:4]]
    np.testing.assert_array_equal(on_workers(client, rows, 250, 650), values[250:650])
    read_ranges(rows, values, ranges=RANGES)


def test_homes_of_persisted_blocks(client, values, scratch):
    class Scheduler:
        pass

    scheduler = Scheduler()
    scheduler.client = client
    x = client.persist(da.from_array(values, chunks=(500, P)))
    (rows,), _ = settle([open_collection(x)], scratch)
    rows.chunk_futures[0].result()
    assert set(rows.chunk_homes(scheduler)) <= set(workers_of(client)) | {None}
    assert len(rows.chunk_homes(scheduler)) == 4


def test_computed_from_persisted(client, values, scratch):
    x = da.from_array(values, chunks=(200, P)).persist()
    y = (x - x.mean(0)).rechunk((300, P))
    expected = values - x.mean(0).compute()
    (rows,), _ = settle([open_collection(y)], scratch)
    assert not rows.persisted
    np.testing.assert_array_equal(on_workers(client, rows, 151, 1013), expected[151:1013])


def test_shuffled_persisted_blocks_are_spooled(client, values, scratch):
    order = np.random.default_rng(2).permutation(N)
    x = da.from_array(values, chunks=(200, P)).persist()
    (rows,), _ = settle([open_collection(x[order])], scratch)
    assert isinstance(rows, SpooledRows)
    np.testing.assert_array_equal(on_workers(client, rows, 151, 1013), values[order][151:1013])


def test_small_shared_values_need_no_shared_folder(client, folder, monkeypatch):
    scratch = Scratch()
    monkeypatch.setattr(scratch, "_stranger", lambda _: ("tcp://1.2.3.4:5", "elsewhere"))
    x = da.from_zarr(folder / "rows.zarr")
    (rows,), _ = settle([open_collection(x - x.mean(0))], scratch)
    assert rows.extra_reads == 1
    with pytest.raises(DataError, match="pass scratch="):
        settle([open_collection(x[np.random.default_rng(2).permutation(N)])], scratch)


def test_unknown_lengths_of_persisted(client, values, scratch):
    x = da.from_array(values, chunks=(200, P)).persist()
    (rows,), _ = settle([open_collection(x[x[:, 0] > 0])], scratch)
    expected = values[values[:, 0] > 0]
    assert rows.n_rows == len(expected)
    np.testing.assert_array_equal(on_workers(client, rows, 151, 813), expected[151:813])


def test_large_arrays_in_a_graph_go_through_a_file(client, scratch):
    big = np.random.default_rng(0).standard_normal((20_000, 16))
    (rows,), _ = settle([open_collection(da.from_array(big, chunks=(500, 16)))], scratch)
    assert rows.bytes_spooled == big.nbytes
    np.testing.assert_array_equal(on_workers(client, rows, 400, 9000), big[400:9000])


def test_p2p_rechunk_is_spooled_by_dask(client, folder, scratch, values):
    x = da.from_zarr(folder / "columns.zarr").rechunk((200, -1), method="p2p")
    (rows,), _ = settle([open_collection(x)], scratch)
    assert isinstance(rows, SpooledRows)
    np.testing.assert_array_equal(on_workers(client, rows, 151, 1013), values[151:1013])


def test_persisted_frame(client, scratch):
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(np.arange(300.0).reshape(100, 3), columns=["a", "b", "c"])
    lazy = dd.from_pandas(frame, npartitions=4).persist()
    table = open_collection(lazy)
    (X, y), _ = settle([table.rows(["c", "a"]), table.rows(["b"])], scratch)
    np.testing.assert_array_equal(on_workers(client, X, 3, 77), frame[["c", "a"]].values[3:77])
    np.testing.assert_array_equal(on_workers(client, y, 3, 77), frame[["b"]].values[3:77])
