"""Model files: what is saved comes back; what is damaged or hostile is refused by name."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskreg.exceptions import ModelFileError
from daskreg.model_io import StoredModel, load_model, restore_estimator, save_estimator, save_model
from daskreg.model_io.values import from_json, to_json


class Toy:
    def __init__(self, alpha=1.0, callbacks=None, class_weight=None):
        self.alpha = alpha
        self.callbacks = callbacks
        self.class_weight = class_weight

    def get_params(self, deep=True):
        return dict(vars_of(self))


def vars_of(toy):
    return {name: getattr(toy, name) for name in ("alpha", "callbacks", "class_weight")}


def fitted_toy():
    toy = Toy(alpha=0.25, callbacks=[print], class_weight={0: 1.0, 1: 2.5})
    toy.coef_ = np.array([1.5, 0.0, -2.0])
    toy.intercept_ = np.float64(0.5)
    toy.feature_names_in_ = np.array(["a", "b", "ü"], dtype=object)
    toy.classes_ = np.array(["no", "yes"])
    toy.dual_gap_ = float("nan")
    toy.n_iter_ = np.array([7], dtype=np.int32)
    toy.plan_ = object()
    return toy


@pytest.fixture
def path(tmp_path):
    return save_estimator(tmp_path / "model.zarr.zip", fitted_toy())


def test_round_trip(path):
    toy = restore_estimator(path, {"Toy": Toy})
    expected = fitted_toy()
    assert (toy.alpha, toy.callbacks, toy.class_weight) == (0.25, None, {0: 1.0, 1: 2.5})
    assert all(type(key) is int for key in toy.class_weight)
    np.testing.assert_array_equal(toy.coef_, expected.coef_)
    assert toy.coef_.dtype == np.float64
    assert toy.coef_.flags.writeable
    assert toy.intercept_ == 0.5
    assert toy.feature_names_in_.dtype == object
    assert toy.feature_names_in_.tolist() == ["a", "b", "ü"]
    assert toy.classes_.tolist() == ["no", "yes"]
    assert np.isnan(toy.dual_gap_)
    assert toy.n_iter_.dtype == np.int32
    assert not hasattr(toy, "plan_")


def test_xarray_reads_it(path):
    import xarray as xr
    from zarr.storage import ZipStore

    with ZipStore(path, mode="r") as store, xr.open_zarr(store, chunks=None) as data:
        assert data["coef"].dims == ("feature",)
        np.testing.assert_array_equal(data["coef"].to_numpy(), [1.5, 0.0, -2.0])
        assert data.attrs["class_name"] == "Toy"
        json.dumps(data.attrs)


def test_equal_models_make_equal_files(tmp_path):
    one = save_estimator(tmp_path / "one", fitted_toy()).read_bytes()
    assert save_estimator(str(tmp_path / "two"), fitted_toy()).read_bytes() == one


def test_a_failed_write_leaves_the_old_file_and_no_other(path, monkeypatch):
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    toy = fitted_toy()
    toy.coef_ = toy.coef_ + 1
    with pytest.raises(OSError, match="No space"):
        save_estimator(path, toy)
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_refuses_to_save(tmp_path):
    with pytest.raises(ModelFileError, match="does not exist"):
        save_estimator(tmp_path / "none" / "model", fitted_toy())
    with pytest.raises(ModelFileError, match="is a folder"):
        save_estimator(tmp_path, fitted_toy())
    with pytest.raises(ModelFileError, match="not fitted"):
        save_estimator(tmp_path / "model", Toy())
    with pytest.raises(ModelFileError, match="object"):
        save_model(tmp_path / "m", StoredModel("Toy", arrays={"a": np.array([{}])}))


def test_unknown_class_parameter_and_absent_file(path, tmp_path):
    with pytest.raises(ModelFileError, match="holds a 'Toy'"):
        restore_estimator(path, {"Lasso": Toy})
    with pytest.raises(ModelFileError, match="refuses the stored parameters"):
        restore_estimator(path, {"Toy": lambda alpha: None})
    with pytest.raises(ModelFileError, match="no model file"):
        load_model(tmp_path / "absent")


def rewrite(path, change, compression=zipfile.ZIP_STORED):
    """Write the members again after ``change(members)``."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def edit(key, change):
    def apply(members):
        content = json.loads(members[key])
        change(content)
        members[key] = json.dumps(content).encode()

    return apply


HOSTILE = {
    "promises an enormous array": edit(
        "coef/zarr.json",
        lambda meta: (
            meta.update(shape=[10**12]),
            meta["chunk_grid"]["configuration"].update(chunk_shape=[10**12]),
        ),
    ),
    "negative shape": edit("coef/zarr.json", lambda meta: meta.update(shape=[-3])),
    "object dtype": edit("coef/zarr.json", lambda meta: meta.update(data_type="object")),
    "pickled codec": edit(
        "coef/zarr.json", lambda meta: meta.update(codecs=[{"name": "numcodecs.pickle"}])
    ),
    "missing chunk": lambda members: members.pop("coef/c/0"),
    "short chunk": lambda members: members.update({"coef/c/0": b"1234"}),
    "a pickle for metadata": lambda members: members.update({"zarr.json": pickle.dumps({})}),
    "deep JSON": lambda members: members.update({"zarr.json": b"[" * 200_000}),
    "no root": lambda members: members.pop("zarr.json"),
    "other format": edit("zarr.json", lambda meta: meta["attributes"].update(format="x")),
    "a list for attributes": edit("zarr.json", lambda meta: meta.update(attributes=[1])),
    "unknown version": edit("zarr.json", lambda m: m["attributes"].update(format_version=2)),
    "unknown tag": edit(
        "zarr.json", lambda m: m["attributes"]["params"].update(alpha={"pickle": "x"})
    ),
    "dunder attribute": edit(
        "zarr.json", lambda m: m["attributes"]["attributes"].update(__class__="x")
    ),
    "method for attribute": edit(
        "zarr.json", lambda m: m["attributes"]["attributes"].update(get_params="x")
    ),
    "a pickle beside the arrays": lambda members: members.update({"x.pkl": pickle.dumps({})}),
    "too few names": edit(
        "zarr.json", lambda m: m["attributes"]["attributes"].update(feature_names_in_="a")
    ),
    "one class": edit(
        "zarr.json", lambda m: m["attributes"]["attributes"].update(classes_={"strings": ["no"]})
    ),
    "another number of features": edit(
        "zarr.json", lambda m: m["attributes"]["attributes"].update(n_features_in_=10**9)
    ),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused(path, change):
    with pytest.raises(ModelFileError):
        restore_estimator(rewrite(path, change), {"Toy": Toy})


def test_a_zip_bomb_is_refused_before_it_is_unpacked(path):
    bomb = rewrite(
        path,
        lambda members: members.update({"coef/c/0": bytes(10**7)}),
        zipfile.ZIP_DEFLATED,
    )
    with pytest.raises(ModelFileError, match="compressed"):
        load_model(bomb)


def test_other_files_are_refused(tmp_path):
    for name, content in {"empty": b"", "text": b"hello", "pickle": pickle.dumps([1])}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelFileError, match="damaged or not a model file"):
            load_model(tmp_path / name)
    file = io.BytesIO()
    np.savez(file, coef=np.zeros(3))
    (tmp_path / "npz").write_bytes(file.getvalue())
    with pytest.raises(ModelFileError, match=r"zarr\.json"):
        load_model(tmp_path / "npz")


def same(one, other):
    assert one.params == other.params
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name])


def test_truncated_files_are_refused(path, tmp_path):
    content = path.read_bytes()
    for length in np.linspace(0, len(content) - 1, 60).astype(int):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            load_model(tmp_path / "cut")


def test_flipped_bits_are_refused_or_harmless(path, tmp_path):
    content = path.read_bytes()
    good = load_model(path)
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(content), 400):
        flipped = bytearray(content)
        flipped[position] ^= 1 << int(rng.integers(8))
        (tmp_path / "flipped").write_bytes(flipped)
        try:
            model = load_model(tmp_path / "flipped")
        except ModelFileError:
            continue
        same(model, good)  # a time stamp or a comment field of the zip


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(json_values)
def test_values_round_trip_through_json(value):
    again = from_json(json.loads(json.dumps(to_json(value), allow_nan=False)))
    assert repr(again) == repr(value)


@pytest.mark.parametrize(
    "array",
    [np.array([True, False]), np.arange(6).reshape(2, 3), np.array(["a", "bc"]), np.array([])],
    ids=["bool", "int", "str", "empty"],
)
def test_small_arrays_round_trip_through_json(array):
    again = from_json(json.loads(json.dumps(to_json(array))))
    np.testing.assert_array_equal(again, array)
    assert again.dtype.kind == array.dtype.kind


@pytest.mark.parametrize("value", [print, object(), np.array([{}]), {"a": [open]}, 1j])
def test_code_and_objects_are_not_data(value):
    with pytest.raises(TypeError, match="not data"):
        to_json(value)
