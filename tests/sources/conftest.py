from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(12)


@pytest.fixture
def sample_data() -> Path:
    """Folder of real data that does not come with the project."""
    folder = os.environ.get("DASKREG_SAMPLE_DATA")
    if not folder:
        pytest.skip("DASKREG_SAMPLE_DATA does not name a folder of sample data")
    return Path(folder)
