"""Opening data: what every estimator and path function does before it fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.cluster.preflight import preflight
from daskreg.design import as_design
from daskreg.design.passes.active import active_client

from . import _input


@dataclass(frozen=True)
class Where:
    """How data are opened by functions that are no estimators; these have the same attributes."""

    memory_limit: Any = None
    block_size: Any = None
    missing_chunks: str = "raise"
    scratch: Any = None
    cache: Any = "auto"
    worker_timeout: Any = None


@dataclass(frozen=True)
class Opening:
    """Data that are open, and what their owner called them.

    Attributes
    ----------
    design : Design
        To be closed by who asked for it.
    one_target : bool
        Whether y was given as one flat target.
    target_names : list of str or None
    named : bool
        Whether columns may be asked for by name.
    beside : list of str
        Columns of X that are y, weights, offset or groups.
    sample_dim : str, list of str or None
    """

    design: Any
    one_target: bool
    target_names: list[str] | None
    named: bool
    beside: list[str]
    sample_dim: Any = None

    @property
    def flat(self) -> bool:
        """Whether results have no axis of targets."""
        return self.one_target and bool(self.design.n_targets == 1)

    @property
    def feature_names(self) -> AnyArray | None:
        """Names of the columns, shape (n_features,), where they have any to be asked for by."""
        names = self.design.feature_names if self.named else None
        return None if names is None else np.asarray(names, dtype=object)


def opened(
    who: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    offset: Any = None,
    *,
    groups: Any = None,
    sample_dim: Any = None,
    feature_names: Any = None,
    one_column: bool = False,
) -> Opening:
    """Open rows of X with what lies beside them; no data are read.

    Parameters
    ----------
    who : estimator or Where
        With ``memory_limit``, ``block_size``, ``missing_chunks``, ``scratch``, ``cache`` and
        ``worker_timeout``.
    X, y, sample_weight, offset, groups, sample_dim, feature_names
        As in ``fit``.
    one_column : bool
        Whether y has to be one column of labels.

    Raises
    ------
    DataError
        For what no model can use.
    """
    X = _input.as_rows(X)
    targets = _input.target_names(y)
    name = "path" if isinstance(who, Where) else who
    y, flat = _input.as_target(name, y, one_column=one_column, sample_dim=sample_dim)
    preflight(active_client())
    design = as_design(
        X,
        y,
        _input.as_numbers(sample_weight),
        _input.as_numbers(offset),
        groups=_input.as_numbers(groups),
        memory_limit=who.memory_limit,
        block_size=who.block_size,
        missing_chunks=who.missing_chunks,
        sample_dim=sample_dim,
        scratch=who.scratch,
        cache=who.cache,
        worker_timeout=who.worker_timeout,
        feature_names=feature_names,
    )
    return Opening(
        design,
        flat,
        targets,
        feature_names is not None or _input.has_text_names(X),
        _input.columns_beside(targets, sample_weight, offset, groups),
        sample_dim,
    )


def remember(estimator: Any, opening: Opening) -> None:
    """Set the attributes of an estimator that tell what it was fitted on."""
    design = opening.design
    estimator.n_features_in_ = int(design.n_features)
    features = opening.feature_names
    if features is not None:
        estimator.feature_names_in_ = features
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
    dims = getattr(design.labels, "dims", None)
    estimator.feature_dims_ = [str(dim) for dim in dims] if dims else None
    estimator.sample_dim_ = opening.sample_dim
    estimator.target_names_ = opening.target_names
    estimator.columns_beside_ = opening.beside
    estimator.n_passes_, estimator.bytes_read_ = int(design.n_passes), int(design.bytes_read)
    estimator.plan_, estimator._labels = design.plan, design.labels
