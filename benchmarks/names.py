"""What the libraries are called, and which of them are no rivals."""

from __future__ import annotations

OWN = "daskreg"
#: A mark, not a rival: it can do one thing only and proves nothing.
MARKS = ("by_hand",)
NAMES = {
    "sklearn": "scikit-learn", "dask_glm": "dask-ml", "spark": "Spark", "h2o": "H2O",
    "snapml": "Snap ML", "by_hand": "Gram by hand",
}  # fmt: skip


def label(library: str) -> str:
    """Return the name that people know a library by."""
    return NAMES.get(library, library)
