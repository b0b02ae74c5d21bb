"""Labels and codes are those of sorting, found without it where there are two."""

import numpy as np
import pytest

from daskreg.datafit.kernels import classes
from daskreg.datafit.kernels.classes import find_labels


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float32", "float64"])
@pytest.mark.parametrize("chosen", [[1], [0, 1], [1, 0, 1, 1], [0]])
def test_two_labels_are_found_without_sorting(dtype, chosen, monkeypatch):
    y = (
        np.array([3, 7]).astype(dtype)[chosen]
        if dtype != "bool"
        else np.array([False, True])[chosen]
    )
    labels, codes = np.unique(y, return_inverse=True)
    monkeypatch.setattr(classes.np, "unique", None)
    found, own = find_labels(y)
    assert found.dtype == labels.dtype
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_array_equal(own, codes)


@pytest.mark.parametrize("y", [[], [1, 2, 3, 2], [5, 4, 6], ["b", "a"]])
def test_others_are_sorted(y):
    y = np.array(y)
    for found, expected in zip(find_labels(y), np.unique(y, return_inverse=True), strict=True):
        np.testing.assert_array_equal(found, expected)
