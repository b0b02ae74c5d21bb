"""What the estimators take from scikit-learn; imported from here, so that it is light.

Its base classes import pandas and ``scipy.stats`` for what none of ours calls, 80 MiB that a fit
would hold to no purpose, and four others of 12 MiB.  What needs them later imports them then.
"""

from __future__ import annotations

from ._deferred import deferred

#: Modules that no fit and no prediction in memory needs; the last is part of all names of numpy.
UNUSED = ("pandas", "scipy.stats", "scipy.special", "asyncio", "numpy.testing", "numpy.f2py")

with deferred(*UNUSED):
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
