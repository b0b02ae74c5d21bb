"""What a checkpoint does not belong to is refused by name; what changes no answer is not."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import pytest

import daskreg
from daskreg import CheckpointError, ElasticNet, Lasso
from daskreg.checkpoint import fingerprint
from daskreg.checkpoint.digest import digest
from daskreg.checkpoint.store import PREVIOUS, Store

from .cases import N, P, assert_equal, data

RNG = np.random.default_rng(3)
X = RNG.normal(size=(N, P))
Y = X[:, 0] - X[:, 1] + RNG.normal(size=N)
W = RNG.uniform(0.5, 1.5, size=N)


def fitted(path: Path, X: Any = X, y: Any = Y, resume: Any = False, **changed: Any) -> Any:
    rows = {name: changed.pop(name) for name in ("sample_weight", "offset") if name in changed}
    rows = {"sample_weight": W, **rows}
    settings = {"alpha": 0.1, "solver": "fista", "max_iter": 7, "block_size": "16KiB", **changed}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Lasso|ElasticNet|Objective", UserWarning)
        model = settings.pop("cls", Lasso)(**settings)
        return model.fit(X, y, checkpoint=path, resume=resume, **rows)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    fitted(tmp_path / "fit")
    return tmp_path / "fit"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"alpha": 0.2}, "alpha was 0.1 and is 0.2"),
        ({"tol": 1e-3}, "tol was 1e-06 and is 0.001"),
        ({"fit_intercept": False}, "fit_intercept was True and is False"),
        ({"penalty_weight": np.ones(P)}, "penalty_weight was None and is an array of shape"),
        ({"cls": ElasticNet}, "estimator was 'Lasso' and is 'ElasticNet'"),
    ],
)
def test_other_parameters(path: Path, changed: dict[str, Any], named: str) -> None:
    before = path.read_bytes()
    for resume in (True, "must", "auto"):
        with pytest.raises(CheckpointError, match=named):
            fitted(path, resume=resume, **changed)
    assert path.read_bytes() == before


def changed_row(row: int) -> Any:
    other = X.copy()
    other[row, P - 1] += 1e-12
    return other


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (
            {"X": X[:-1], "y": Y[:-1], "sample_weight": W[:-1]},
            "number of rows was 2000 and is 1999",
        ),
        ({"X": X[:, :-1]}, "number of columns was 12 and is 11"),
        ({"X": X.astype(np.float32)}, "type of X was 'float64' and is 'float32'"),
        ({"X": changed_row(0)}, "rows of X differ .for example rows 0 to 63"),
        ({"X": changed_row(N - 1)}, "rows of X differ .for example rows 1936 to 1999"),
        ({"X": pd.DataFrame(X, columns=list("abcdefghijkl"))}, "names of the columns was None"),
        ({"y": np.r_[Y[:870], Y[870] + 1e-12, Y[871:]]}, "values of y differ"),
        ({"y": np.r_[Y[1], Y[0], Y[2:]]}, "of y differ"),
        ({"sample_weight": W + 1e-9}, "of sample_weight differ"),
        ({"sample_weight": None}, "sample_weight was 'given' and is 'not given'"),
        ({"offset": W}, "offset was 'not given' and is 'given'"),
    ],
)
def test_other_data(path: Path, given: dict[str, Any], named: str) -> None:
    with pytest.raises(CheckpointError, match=named):
        fitted(path, resume=True, **given)


def test_another_solver_chosen_by_less_memory(tmp_path: Path) -> None:
    path = tmp_path / "fit"
    with pytest.warns(match="max_passes"):
        Lasso(alpha=0.1, tol=1e-9, max_passes=1, solver="fista").fit(X, Y, checkpoint=path)
    # What a plan with less memory would choose instead.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daskreg.solvers.fista.Fista.name", "gram")
        with pytest.raises(CheckpointError, match=r"solver was 'fista' and is 'gram'.*memory"):
            Lasso(alpha=0.1, tol=1e-9, solver="fista").fit(X, Y, checkpoint=path, resume=True)


def test_another_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daskreg.checkpoint.opening.__version__", "9.9")
    with pytest.raises(CheckpointError, match=r"written by daskreg 0.1.0, this is 9.9"):
        fitted(path, resume=True)


def test_what_changes_no_answer_may_change(path: Path) -> None:
    plain = fitted(path, resume=True)
    for changed in ({"memory_limit": "1GiB"}, {"verbose": False}, {"max_passes": 500}):
        assert_equal(fitted(path, resume=True, **changed), plain)


def test_other_blocks_agree_to_rounding(tmp_path: Path) -> None:
    path = tmp_path / "fit"
    with pytest.warns(match="max_passes"):
        Lasso(alpha=0.1, solver="fista", max_passes=4, block_size="16KiB").fit(
            X, Y, checkpoint=path
        )
    plain = Lasso(alpha=0.1, solver="fista").fit(X, Y)
    chunked = da.from_array(X, chunks=(300, -1))
    again = Lasso(alpha=0.1, solver="fista").fit(chunked, Y, checkpoint=path, resume=True)
    np.testing.assert_allclose(again.coef_, plain.coef_, rtol=0, atol=1e-12)
    assert again.n_passes_ == plain.n_passes_


def test_a_fit_does_not_write_over_a_checkpoint_of_its_own_accord(path: Path) -> None:
    with pytest.raises(CheckpointError, match="already: resume=True goes on"):
        fitted(path)


def test_nothing_to_go_on_from(tmp_path: Path) -> None:
    for resume in (True, "must"):
        with pytest.raises(CheckpointError, match="there is no checkpoint at"):
            fitted(tmp_path / "none", resume=resume)
    assert_equal(fitted(tmp_path / "none", resume="auto"), fitted(tmp_path / "other"))


@pytest.mark.parametrize("resume", [1, 0, "yes", None])
def test_other_words(path: Path, resume: Any) -> None:
    with pytest.raises(ValueError, match="resume must be False, True, 'must' or 'auto'"):
        fitted(path, resume=resume)


def test_arguments_that_do_nothing_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs checkpoint="):
        Lasso().fit(X, Y, resume=True)
    with pytest.raises(ValueError, match="checkpoint_every must be seconds"):
        Lasso().fit(X, Y, checkpoint=tmp_path / "fit", checkpoint_every=-1)


def test_data_that_no_model_can_use_leave_no_file(tmp_path: Path) -> None:
    wrong = X.copy()
    wrong[-1, 0] = np.nan
    with pytest.raises(daskreg.DataError, match="NaN"):
        fitted(tmp_path / "fit", X=wrong)
    assert not list(tmp_path.iterdir())


# -- damage ----------------------------------------------------------------------------------------


def damage(content: bytes) -> list[bytes]:
    """What is left of a file, and files of which one bit is another."""
    cut = [content[:length] for length in range(0, len(content), 97)]
    flipped = []
    for place in range(0, len(content), len(content) // 30):
        other = bytearray(content)
        other[place] ^= 1 << place % 8
        flipped.append(bytes(other))
    return cut + flipped


def test_damage_falls_back_to_the_generation_before(path: Path, tmp_path: Path) -> None:
    plain = fitted(path, resume=True)  # now there are two generations
    whole, before = path.read_bytes(), Path(f"{path}{PREVIOUS}").read_bytes()
    for content in damage(whole)[::7]:
        path.write_bytes(content)
        Path(f"{path}{PREVIOUS}").write_bytes(before)
        with pytest.warns(UserWarning, match=f"going on from .*{PREVIOUS}, an older checkpoint"):
            again = fitted(path, resume=True)
        assert_equal(again, plain)
        assert Path(f"{path}{PREVIOUS}").read_bytes() == before


def test_damage_to_both_is_an_error_or_a_warning(path: Path) -> None:
    plain = fitted(path, resume=True)
    whole = path.read_bytes()
    for content in damage(whole)[::31]:
        path.write_bytes(content)
        Path(f"{path}{PREVIOUS}").write_bytes(content)
        with pytest.raises(CheckpointError, match="no checkpoint is whole"):
            fitted(path, resume=True)
        with pytest.warns(UserWarning, match="the fit begins anew"):
            again = fitted(path, resume="auto")
        assert_equal(again, plain)


def test_all_damage_is_seen_without_a_fit(path: Path) -> None:
    from daskreg.checkpoint.container import unpack
    from daskreg.linear_model._checkpoint import KEPT

    for content in damage(path.read_bytes()):
        with pytest.raises(CheckpointError):
            unpack(content, KEPT)


def set_to(*path: Any, to: Any) -> Any:
    """Change one part of what a file holds."""

    def change(held: dict[str, Any]) -> None:
        part: Any = held
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held.pop("stages"),
        lambda held: held.update(more=1),
        set_to("parameters", to={"alpha": 1}),
        set_to("data", to={"number of rows": ("a",)}),
        set_to("sums", to={"rows of X": "text"}),
        set_to("layout", "rows", to=np.array([0, 5, 3])),
        set_to("layout", "segments", to=np.array([0, 1 << 40])),
        set_to("layout", "rows", to=None),
        set_to("passes", to=[1]),
        set_to("running", to=("key", {(1 << 40, 1): 0.0})),
        set_to("running", to=("key", {(-1, 0): 0.0})),
        set_to("running", to=("key",)),
        set_to("stages", 0, to={"content": 1}),
        set_to("stages", 0, "n_passes", to="many"),
        set_to("bytes_read", to=None),
    ],
)
def test_other_contents_are_no_checkpoint(path: Path, change: Any) -> None:
    from daskreg.checkpoint.container import pack, unpack
    from daskreg.linear_model._checkpoint import KEPT

    held = unpack(path.read_bytes(), KEPT)
    change(held)
    path.write_bytes(b"".join(bytes(part) for part in pack(held, KEPT)))
    with pytest.raises(CheckpointError, match="no checkpoint is whole"):
        fitted(path, resume=True)


def test_a_missing_file_beside_the_one_before_is_told(path: Path) -> None:
    plain = fitted(path, resume=True)
    path.unlink()
    with pytest.warns(UserWarning, match="is not there"):
        assert_equal(fitted(path, resume="auto"), plain)


def test_a_full_disk_is_a_warning_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit"
    write, n_writes = Store.write, iter(range(1000))

    def full(self: Store, parts: Any) -> None:
        limited = iter(parts)

        def until_full() -> Any:
            yield next(limited)
            raise OSError(28, "No space left on device")

        write(self, until_full() if next(n_writes) >= 3 else limited)

    monkeypatch.setattr(Store, "write", full)
    with pytest.warns(UserWarning, match="No space left on device.*the fit goes on"):
        model = Lasso(alpha=0.1, block_size="16KiB", solver="fista").fit(
            X, Y, checkpoint=path, checkpoint_every=0
        )
    monkeypatch.undo()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["fit", "fit" + PREVIOUS]
    again = Lasso(alpha=0.1, block_size="16KiB", solver="fista").fit(
        X, Y, checkpoint=path, resume=True
    )
    assert_equal(again, model)


# -- digests ---------------------------------------------------------------------------------------


def test_digests_tell_values_apart_and_nothing_else() -> None:
    array = np.arange(6.0)
    different = [
        *(1, 1.0, True, "1", b"1", None, (), [], {}, set(), array, array.astype("f4")),
        *(array.reshape(2, 3), {"a": 1}, {"a": 2}, (1, 2), (2, 1), [1, 2], len, Lasso),
        *(Lasso(), Lasso(alpha=2.0), daskreg.Ridge(), np.float32(1), "11", ("1", "1")),
    ]
    found = [digest(value) for value in different]
    assert len(set(found)) == len(found)
    assert digest(array) == digest(array[::-1][::-1].copy())
    assert digest(np.float64(2.5)) == digest(2.5)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_the_digest_of_rows_is_one_for_all_blocks(tmp_path: Path) -> None:
    from daskreg.design import as_design

    X, targets = data(tmp_path, "file")
    runs = fingerprint.windows(N, 8.0 * P)
    assert runs[0][0] == 0
    assert runs[-1][1] == N
    seen = []
    for block in ("16KiB", "40KiB", "1MiB"):
        with as_design(X, targets["classes"], block_size=block) as design:
            sums = design.sum_over_rows(fingerprint.WindowsKernel(runs))
            beside = design.sum_over_rows(fingerprint.BesideKernel())
            seen.append((sums["X"].tolist(), sums["y"].tolist(), beside["y"].tolist()))
    assert seen[0] == seen[1] == seen[2]
