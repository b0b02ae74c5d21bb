"""From what users call ``cv`` to folds."""

from __future__ import annotations

import numbers
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from daskreg._typing import AnyArray

from .base import Folds, require_splits
from .explicit import explicit_folds
from .rules import ContiguousFolds, TimeSeriesFolds
from .stratified import ArrayCensus, LabelCensus, stratified_folds

DEFAULT_SPLITS = 5


def as_folds(
    cv: Any,
    *,
    n_rows: int,
    census: LabelCensus | None = None,
    y: AnyArray | None = None,
    groups: AnyArray | None = None,
    classifier: bool,
) -> tuple[Folds, AnyArray | None]:
    """Return the folds that ``cv`` stands for, with the meaning it has in scikit-learn.

    Parameters
    ----------
    cv : None, int, Folds, splitter or iterable of (train, test)
        None is 5.  A number makes unshuffled folds, stratified for a classifier.  A splitter has
        ``split(X, y, groups)``; unshuffled ones of scikit-learn become rules of the row number
        and give the same folds, all others are asked once, with zeros for X.
    n_rows : int
    census : LabelCensus, optional
        Of y, where it does not lie in memory.
    y : ndarray, shape (n_rows,), optional
    groups : ndarray, shape (n_rows,), optional
        For splitters that use them.
    classifier : bool

    Returns
    -------
    folds : Folds
    codes : ndarray of unsigned int, shape (n_rows,), or None
        To be stored as groups of the rows; None where the folds need none.

    Raises
    ------
    ValueError
        For folds that these rows do not allow, or a ``cv`` that is none of the above.
    """
    if isinstance(cv, Folds):
        return cv, None
    if cv is None:
        cv = DEFAULT_SPLITS
    if isinstance(cv, numbers.Integral):
        require_splits(cv, n_rows)  # type: ignore[arg-type]
        if classifier:
            return _stratified(int(cv), census, y), None
        return ContiguousFolds(int(cv), n_rows), None
    rule = _rule(cv, n_rows, census, y)
    if rule is not None:
        return rule, None
    if hasattr(cv, "split") and not isinstance(cv, str):
        # Of X splitters want the number of rows: zeros that take no memory.
        stand_in = np.broadcast_to(np.zeros((1, 1)), (n_rows, 1))
        return explicit_folds(cv.split(stand_in, y, groups), n_rows)
    if isinstance(cv, Iterable) and not isinstance(cv, (str, bytes)):
        return explicit_folds(cv, n_rows)
    raise ValueError(
        "cv must be a number of folds, folds, a splitter with split(X, y, groups) or an iterable "
        f"of (training rows, test rows), got {cv!r}"
    )


def _rule(cv: Any, n_rows: int, census: LabelCensus | None, y: AnyArray | None) -> Folds | None:
    """Return the rule that is exactly this splitter of scikit-learn, if there is one."""
    # Who made such a splitter has imported the module; nobody else needs it.
    known = sys.modules.get("sklearn.model_selection")
    if known is None:
        return None
    if type(cv) is known.TimeSeriesSplit:
        # Its max_train_size of 0 means none.
        sizes = cv.gap, cv.max_train_size or None, cv.test_size
        return TimeSeriesFolds(cv.n_splits, n_rows, *sizes)
    if getattr(cv, "shuffle", True):
        return None
    if type(cv) is known.KFold:
        return ContiguousFolds(cv.n_splits, n_rows)
    if type(cv) is known.StratifiedKFold:
        return _stratified(cv.n_splits, census, y)
    return None


def _stratified(n_splits: int, census: LabelCensus | None, y: AnyArray | None) -> Folds:
    if census is None:
        if y is None:
            raise ValueError("stratified folds need the labels: give y, or a census of it")
        census = ArrayCensus(y)
    return stratified_folds(census, n_splits)
