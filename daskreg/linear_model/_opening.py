"""Opening data for estimators that are no single linear model: resamples and paths."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from daskreg.design import as_design
from daskreg.exceptions import DataError
from daskreg.losses import Logistic, PointwiseLoss, Squared

from . import _input, _params

#: The losses by the name that ``loss=`` takes.
LOSSES: dict[str, type[PointwiseLoss]] = {"squared": Squared, "logistic": Logistic}


class Opened(BaseEstimator, ABC):
    """An estimator with the parameters that say how data are opened, and ``loss``."""

    loss: Any
    memory_limit: Any
    block_size: Any
    missing_chunks: Any
    scratch: Any
    cache: Any

    #: What is told where y is missing.
    _flags: ClassVar[tuple[str, ...]] = ("fit_intercept", "standardize")

    def _check_shared(self) -> None:
        """Raise ``ValueError`` for parameters out of range; nothing is opened."""
        if self.loss not in LOSSES:
            known = ", ".join(map(repr, LOSSES))
            raise ValueError(f"loss must be one of {known}; got {self.loss!r}")
        _params.solver_name(self.solver)
        _params.integer("max_iter", self.max_iter)
        _params.number("tol", self.tol)
        _params.limits(self)
        _params.number("l1_ratio", self.l1_ratio, most=1.0)
        _params.flags(self, self._flags)
        if self.class_weight is not None and self.loss != "logistic":
            raise ValueError("class_weight needs loss='logistic': a squared loss has no classes")

    def _open(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        offset: Any,
        sample_dim: Any,
        feature_names: Any,
    ) -> Any:
        """Return the design of one target and remember the names of its columns."""
        X = _input.as_rows(X)
        targets = _input.target_names(y)
        labels = self.loss == "logistic"
        y, _ = _input.as_target(self, y, one_column=labels, sample_dim=sample_dim)
        design = as_design(
            X,
            y,
            _input.as_numbers(sample_weight),
            _input.as_numbers(offset),
            memory_limit=self.memory_limit,
            block_size=self.block_size,
            missing_chunks=self.missing_chunks,
            sample_dim=sample_dim,
            scratch=self.scratch,
            cache=self.cache,
            feature_names=feature_names,
        )
        try:
            if design.n_targets != 1:
                raise ValueError(
                    f"y has {design.n_targets} columns; {type(self).__name__} takes one: fit each "
                    "target by itself"
                )
            if design.n_samples == 1:
                raise DataError("n_samples=1: resamples are drawn from two rows or more")
        except ValueError:
            design.close()
            raise
        self.n_features_in_ = int(design.n_features)
        named = feature_names is not None or _input.has_text_names(X)
        features = design.feature_names if named else None
        if features is not None:
            self.feature_names_in_ = np.asarray(features, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        dims = getattr(design.labels, "dims", None)
        self.feature_dims_ = [str(dim) for dim in dims] if dims else None
        self.sample_dim_ = sample_dim
        self.columns_beside_ = _input.columns_beside(targets, sample_weight, offset)
        return design

    def _feature_coordinate(self) -> Any:
        """Names of the features, or their numbers."""
        names = getattr(self, "feature_names_in_", None)
        return np.arange(self.n_features_in_) if names is None else np.asarray(names, dtype=str)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags
