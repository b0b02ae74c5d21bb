"""``daskreg fit`` gives what the estimators give, and its options mean what they say."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import daskreg

from .conftest import NAMES


def test_array_files(run, data, tmp_path):
    out = tmp_path / "model.zarr.zip"
    result = run("fit", data / "X.npy", "--y", data / "y.npy", "--alpha", 0.1, "--out", out)
    assert result.exit_code == 0, result.output
    model = daskreg.load(out)
    expected = daskreg.Lasso(0.1).fit(np.load(data / "X.npy"), np.load(data / "y.npy"))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
    assert type(model) is daskreg.Lasso
    assert "converged" in result.stdout
    assert "memory" in result.stderr  # the plan
    assert "gap" in result.stderr  # the progress


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_tables(run, data, tmp_path, name):
    out = tmp_path / "model.zarr.zip"
    result = run("fit", data / name, "--target", "outcome", "--alpha", 0.1, "--out", out)
    assert result.exit_code == 0, result.output
    model = daskreg.load(out)
    assert model.feature_names_in_.tolist() == NAMES
    assert np.flatnonzero(model.coef_).tolist() == [0, 2, 4]
    assert "age" in result.stdout
    assert "bmi" not in result.stdout


@pytest.mark.parametrize(
    ("options", "make"),
    [
        (["--penalty", "l2", "--alpha", 3], lambda: daskreg.Ridge(3.0)),
        (
            ["--penalty", "elasticnet", "--alpha", 0.1, "--l1-ratio", 0.7, "--standardize"],
            lambda: daskreg.ElasticNet(0.1, l1_ratio=0.7, standardize=True),
        ),
        (
            ["--alpha", 0.1, "--no-intercept", "--positive"],
            lambda: daskreg.Lasso(0.1, fit_intercept=False, positive=True),
        ),
        (["--cv", 4], lambda: daskreg.LassoCV(cv=4)),
        (
            ["--cv", 3, "--penalty", "elasticnet", "--selection", "1se"],
            lambda: daskreg.ElasticNetCV(cv=3, selection="1se"),
        ),
        (["--cv", 3, "--penalty", "l2"], lambda: daskreg.RidgeCV(cv=3)),
        (["--alpha", 0.1, "--solver", "fista"], lambda: daskreg.Lasso(0.1, solver="fista")),
        (
            ["--alpha", 0.1, "--solver", "quasi_newton"],
            lambda: daskreg.Lasso(0.1, solver="quasi_newton"),
        ),
    ],
    ids=["ridge", "elastic net", "positive", "cv", "1se", "ridge cv", "fista", "quasi-newton"],
)
def test_options_reach_the_estimator(run, data, tmp_path, options, make):
    out = tmp_path / "model"
    result = run("fit", data / "X.npy", "--y", data / "y.npy", *options, "--out", out)
    assert result.exit_code == 0, result.output
    model, expected = daskreg.load(out), make()
    expected.fit(np.load(data / "X.npy"), np.load(data / "y.npy"))
    assert model.get_params() == expected.get_params() | {"callbacks": model.callbacks}
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)


def test_logistic_with_text_labels(run, data, tmp_path):
    out = tmp_path / "model"
    result = run(
        *("fit", data / "labels.parquet", "--target", "label", "--loss", "logistic"),
        *("--C", 0.5, "--class-weight", "balanced", "--out", out),
    )
    assert result.exit_code == 0, result.output
    model = daskreg.load(out)
    assert model.classes_.tolist() == ["no", "yes"]
    table = pd.read_parquet(data / "labels.parquet")
    expected = daskreg.LogisticRegression(C=0.5, l1_ratio=1.0, class_weight="balanced")
    expected.fit(table.drop(columns="label"), table["label"].to_numpy())
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6)


def test_more_than_two_classes(run, data, tmp_path):
    rows, out, predicted = tmp_path / "three.parquet", tmp_path / "model", tmp_path / "out.csv"
    table = pd.read_parquet(data / "labels.parquet").drop(columns="label")
    kind = np.array(["low", "middle", "top"])[pd.cut(table["age"], 3, labels=False)]
    table.assign(kind=kind).to_parquet(rows)
    result = run("fit", rows, "--target", "kind", "--loss", "logistic", "--out", out)
    assert result.exit_code == 0, result.output
    model = daskreg.load(out)
    assert model.classes_.tolist() == ["low", "middle", "top"]
    assert model.coef_.shape == (3, 5)
    assert "classes    low, middle, top: coefficients raise the class they are" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["low", "(intercept)"] in [line[:2] for line in lines]
    result = run("predict", out, rows, "--probability", "--out", predicted)
    assert result.exit_code == 0, result.output
    found = pd.read_csv(predicted)
    assert list(found) == ["probability_low", "probability_middle", "probability_top"]
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert (model.classes_[found.to_numpy().argmax(axis=1)] == kind).mean() > 0.8


def test_weights_and_columns(run, data, tmp_path):
    out = tmp_path / "model"
    result = run(
        *("fit", data / "table.parquet", "--target", "outcome", "--alpha", 0.1),
        *("--weights", data / "weights.npy", "--columns", "age, ldl", "--quiet", "--out", out),
    )
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    table = pd.read_parquet(data / "table.parquet")
    expected = daskreg.Lasso(0.1).fit(
        table[["age", "ldl"]], table["outcome"], sample_weight=np.load(data / "weights.npy")
    )
    np.testing.assert_allclose(daskreg.load(out).coef_, expected.coef_, rtol=1e-9)


def test_not_converged_is_status_3_and_the_model_is_saved(run, data, tmp_path):
    out = tmp_path / "model"
    result = run(
        *("fit", data / "labels.parquet", "--target", "label", "--loss", "logistic"),
        *("--solver", "quasi_newton", "--max-iter", 1, "--out", out),
    )
    assert result.exit_code == 3, result.output
    assert daskreg.load(out).status_ == "max_iter"


@pytest.mark.parametrize(
    ("option", "value", "status"), [("max-passes", 3, "max_passes"), ("deadline", 1e-6, "deadline")]
)
def test_passes_and_seconds_may_run_out(run, data, tmp_path, option, value, status):
    out = tmp_path / "model.zarr.zip"
    result = run(
        *("fit", data / "X.npy", "--y", data / "y.npy", "--alpha", 0.1, "--solver", "fista"),
        *("--tol", 1e-12, f"--{option}", value, "--out", out),
    )
    assert result.exit_code == 3, result.output
    assert daskreg.load(out).status_ == status
    assert "DOES NOT MEET" in result.output
    assert "Warning: " in result.stderr


def test_a_fit_begins_at_a_model(run, data, tmp_path):
    hard = "fit", data / "table.parquet", "--target", "outcome", "--solver", "fista"
    cold = run(*hard, "--alpha", 0.1, "--tol", 1e-9, "--out", tmp_path / "model")
    warm = run(*hard, "--alpha", 0.1, "--tol", 1e-8, "--start", tmp_path / "model", "--quiet")
    assert warm.exit_code == 0, warm.output
    passes = [int(re.search(r"passes +(\d+)", done.stdout)[1]) for done in (cold, warm)]
    assert passes[1] < passes[0]
    missing = run(*hard, "--start", tmp_path / "modle")
    assert missing.exit_code == 2
    assert "did you mean model" in missing.stderr
    other = run("fit", data / "X.npy", "--y", data / "weights.npy", "--start", data / "y.npy")
    assert other.exit_code == 2
    assert "not a model file" in other.stderr


def test_worker_processes_give_the_same(run, data, tmp_path):
    arguments = "fit", data / "X.npy", "--y", data / "y.npy", "--alpha", 0.1
    one = run(*arguments, "--out", tmp_path / "one")
    two = run(*arguments, "--workers", 1, "--memory", "1GiB", "--out", tmp_path / "two")
    assert (one.exit_code, two.exit_code) == (0, 0), two.output
    coef = [daskreg.load(tmp_path / name).coef_ for name in ("one", "two")]
    np.testing.assert_array_equal(*coef)


def test_a_model_that_cannot_be_saved_is_kept_elsewhere(run, data, tmp_path, monkeypatch):
    import errno
    import os
    import tempfile
    from pathlib import Path

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    out = tmp_path / "model.zarr.zip"
    replace = os.replace

    def full(source, target):
        if Path(target) == out:
            raise OSError(errno.ENOSPC, "No space left on device", str(source))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    result = run("fit", data / "X.npy", "--y", data / "y.npy", "--alpha", 0.1, "--out", out)
    assert result.exit_code == 2
    (kept,) = (tmp_path / "elsewhere").rglob("model.zarr.zip")
    shown = "".join(result.stderr.split())
    assert f"{out}:Nospaceleftondevice" in shown
    assert str(kept) in shown
    assert daskreg.load(kept).coef_.any()
    assert not out.exists()


def test_cross_validation_says_what_it_chose(run, data):
    result = run("fit", data / "X.npy", "--y", data / "y.npy", "--cv", 5)
    assert result.exit_code == 0, result.output
    model = daskreg.LassoCV(cv=5).fit(np.load(data / "X.npy"), np.load(data / "y.npy"))
    assert f"alpha      {model.alpha_:.6g}: the least error, cv=5" in result.stdout
    assert "passes     1," in result.stdout
    for options in (["--cv", 5, "--alpha", 1], ["--selection", "1se"]):
        refused = run("fit", data / "X.npy", "--y", data / "y.npy", *options)
        assert refused.exit_code == 2
        assert "has no effect with" in refused.stderr
    planned = run("plan", data / "X.npy", "--y", data / "y.npy", "--cv", 5)
    assert "passes     1" in planned.stdout


def test_ctrl_c_saves_the_best_model_so_far(run, data, tmp_path, monkeypatch):
    class Interrupts(daskreg.callbacks.ProgressReport):
        def on_iteration(self, event):
            super().on_iteration(event)
            if event.n_passes == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr("daskreg.callbacks.ProgressReport", Interrupts)
    out, checkpoint = tmp_path / "model.zarr.zip", tmp_path / "checkpoint"
    result = run(
        *("fit", data / "X.npy", "--y", data / "y.npy", "--alpha", 1e-3, "--solver", "fista"),
        *("--tol", 1e-12, "--out", out, "--checkpoint", checkpoint),
    )
    assert result.exit_code == 130, result.output
    assert "status     interrupted" in result.stdout
    assert "Stopped." in result.stderr
    model = daskreg.load(out)
    assert model.status_ == "interrupted"
    assert model.n_passes_ == 4  # one more for the certificate
    assert model.tol < model.relative_gap_ < 1
    assert checkpoint.exists()
    assert run("show", out).exit_code == 0
