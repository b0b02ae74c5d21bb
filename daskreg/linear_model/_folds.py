"""The folds that ``cv=`` stands for, over rows that may have to be counted or read for it."""

from __future__ import annotations

from typing import Any

from daskreg.datafit.census import DesignCensus
from daskreg.datafit.kernels.beside import column_of_rows
from daskreg.exceptions import DataError
from daskreg.splits import Folds, as_folds


def open_folds(design: Any, cv: Any, *, classifier: bool = False) -> Folds:
    """Return the folds that ``cv`` stands for over the rows of a design.

    Rows are counted first where their number is not known.  Labels and groups are read, beside
    X, where the folds depend on them; folds that are no rule of a row are kept as its groups.

    Raises
    ------
    ValueError, DataError
        Folds that these rows do not allow; a splitter that wants groups without any.
    """
    if design.n_samples is None:
        design.prepare(note="the rows are counted before they are dealt to folds")
    if design.n_samples < 2:
        raise DataError(
            f"cross-validation needs 2 rows or more, got n_samples = {design.n_samples}"
        )
    y = groups = None
    if _asks_rows(cv):
        y = column_of_rows(design, "y")
        groups = column_of_rows(design, "groups") if design.has_groups else None
    census = DesignCensus(design) if classifier and y is None else None
    folds, codes = as_folds(
        cv, n_rows=design.n_samples, census=census, y=y, groups=groups, classifier=classifier
    )
    if codes is not None:
        design.replace_groups(codes)
    return folds


def _asks_rows(cv: Any) -> bool:
    """Whether a splitter is going to be asked for its rows, and may want labels or groups."""
    if isinstance(cv, (str, Folds)) or not hasattr(cv, "split"):
        return False
    # It takes a second, and who has a splitter of it has it loaded.
    from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit

    ruled = type(cv) in (KFold, StratifiedKFold) and not cv.shuffle
    return not (ruled or type(cv) is TimeSeriesSplit)
