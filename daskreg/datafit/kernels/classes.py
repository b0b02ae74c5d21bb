"""Class labels in y: which there are, and what is no label at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

#: More distinct labels than this are taken for a continuous target.
MAX_LABELS = 1000
#: Classes that the logistic loss can tell apart.
N_CLASSES = 2


def find_labels(y: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return the distinct labels of y and, for each row, the number of its label.

    Raises
    ------
    DataError
        If y is continuous, or holds labels that cannot be told apart.
    """
    if y.dtype.kind == "f" and not np.all(y == np.floor(y)):
        value = next(_continuous(y))
        raise DataError(
            f"y holds {value!r}: a continuous target is no class label; use a regression loss"
        )
    two = _two_labels(y) if y.dtype.kind in "biuf" and y.size else None
    if two is not None:
        return two
    try:
        labels, codes = np.unique(y, return_inverse=True)
    except TypeError:
        raise DataError(
            "y mixes labels that have no order, such as text and numbers or missing values: "
            "expected labels of one kind"
        ) from None
    if len(labels) > MAX_LABELS:
        raise DataError(
            f"y holds more than {MAX_LABELS} distinct labels, a continuous target: "
            "use a regression loss"
        )
    return labels, codes


def _two_labels(y: AnyArray) -> tuple[AnyArray, AnyArray] | None:
    """Return labels and codes where there are no more than two labels, without sorting."""
    low, high = y.min(), y.max()
    upper = y == high
    if low == high:
        return y[:1].copy(), np.zeros(len(y), dtype=np.intp)
    if not np.all(upper | (y == low)):
        return None
    return np.array([low, high], dtype=y.dtype), upper.astype(np.intp)


def refuse_many(labels: AnyArray) -> None:
    """Raise ``DataError`` that names the classes where there are more than two."""
    if len(labels) > N_CLASSES:
        shown = ", ".join(repr(label) for label in labels[:8].tolist())
        more = f" and {len(labels) - 8} more" if len(labels) > 8 else ""
        raise DataError(
            f"y holds the classes {shown}{more}, but the logistic loss tells two apart: use the "
            "multinomial one, or set one class against the rest (y == label)"
        )


def _continuous(y: AnyArray) -> Iterator[Any]:
    return (value.item() for value in y if value != np.floor(value))
