"""scikit-learn's own checks of the estimators that choose, select and resample."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from daskreg.linear_model import (
    BootstrapPaths,
    LassoIC,
    LogisticRegressionCV,
    StabilitySelection,
)

#: Each check that fails on purpose, with the reason.
EXPECTED = {
    "check_dtype_object": "Arrays of objects are refused: converting them would copy all of X.",
}
#: Where a row that is there twice is not a row of weight two.
COUNTED = "check_sample_weight_equivalence_on_{}_data"
ROWS = {
    LassoIC: "The criterion counts the rows of positive weight.",
    StabilitySelection: "Halves are drawn by the row's number.",
}


def expected(estimator):
    reason = ROWS.get(type(estimator))
    twice = {COUNTED.format(kind): reason for kind in ("dense", "sparse")} if reason else {}
    return EXPECTED | twice


@parametrize_with_checks(
    [
        LassoIC(noise_variance=1.0),
        LogisticRegressionCV(Cs=(0.1, 1.0), cv=3),
        StabilitySelection(n_pairs=2),
        BootstrapPaths(n_replicates=2, alphas=3),
    ],
    expected_failed_checks=expected,
    xfail_strict=True,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_check(estimator, check):
    check(estimator)
