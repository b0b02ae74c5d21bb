"""What the estimators take from scikit-learn; imported from here, so that it is light.

Its base classes import pandas and ``scipy.stats`` for what none of ours calls: 80 MiB that a fit
would hold to no purpose.  What needs them later imports them then.
"""

from __future__ import annotations

from ._deferred import deferred

with deferred("pandas", "scipy.stats"):
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
    from sklearn.callback import CallbackSupportMixin, with_callbacks
    from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
    from sklearn.utils.validation import _check_feature_names, check_is_fitted

__all__ = [
    "BaseEstimator",
    "CallbackSupportMixin",
    "ClassifierMixin",
    "ConvergenceWarning",
    "DataConversionWarning",
    "RegressorMixin",
    "_check_feature_names",
    "check_is_fitted",
    "is_classifier",
    "with_callbacks",
]
