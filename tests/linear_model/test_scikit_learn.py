"""scikit-learn's own checks of an estimator."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from daskreg.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LogisticRegression,
    Ridge,
    RidgeCV,
)

#: Each check that fails on purpose, with the reason.
EXPECTED = {
    "check_dtype_object": "Arrays of objects are refused: converting them would copy all of X.",
}


@parametrize_with_checks(
    [Lasso(), ElasticNet(), Ridge(), LogisticRegression(), LassoCV(), ElasticNetCV(), RidgeCV()],
    expected_failed_checks=lambda estimator: EXPECTED,
    xfail_strict=True,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_check(estimator, check):
    check(estimator)
