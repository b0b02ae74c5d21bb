"""Plots of fitted models with matplotlib, and a page of HTML that holds all of them."""

from __future__ import annotations

from .convergence import plot_convergence, plot_seconds
from .model import plot_coefficients, plot_path, plot_scores
from .page import report_html

__all__ = [
    "plot_coefficients",
    "plot_convergence",
    "plot_path",
    "plot_scores",
    "plot_seconds",
    "report_html",
]
