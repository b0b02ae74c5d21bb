"""From scores to the choice: best, one standard error, or an information criterion."""

from __future__ import annotations

from .choice import Choice, choose, select_by_criterion
from .criteria import (
    elastic_net_df,
    gaussian_minus_2_loglik,
    information_criterion,
    lasso_df,
    residual_variance,
)

__all__ = [
    "Choice",
    "choose",
    "elastic_net_df",
    "gaussian_minus_2_loglik",
    "information_criterion",
    "lasso_df",
    "residual_variance",
    "select_by_criterion",
]
