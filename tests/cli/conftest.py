"""Small data in files, and the command line as a function."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from daskreg.cli import main

COEF = np.array([2.0, 0.0, -1.0, 0.0, 0.5])
NAMES = ["age", "bmi", "bp", "sex", "ldl"]


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder with the same 400 rows as .npy, .csv and .parquet, labels and weights included."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    y = 1.0 + X @ COEF + 0.1 * rng.normal(size=400)
    label = np.where(X @ COEF + rng.logistic(size=400) > 0, "yes", "no")
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    np.save(folder / "weights.npy", rng.uniform(0.5, 2, 400))
    table = pd.DataFrame(X, columns=NAMES).assign(outcome=y)
    table.to_csv(folder / "table.csv", index=False)
    table.to_parquet(folder / "table.parquet")
    table.drop(columns="outcome").assign(label=label).to_parquet(folder / "labels.parquet")
    return folder


@pytest.fixture
def run():
    """Call the command line; returns click's result."""

    def call(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return call
