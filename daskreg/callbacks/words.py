"""Words for what a fit report tells: phases, tiers, seconds and statuses."""

from __future__ import annotations

from typing import Any

import numpy as np

from .pace import duration

#: Phases whose seconds are told, and what each of them is.
PHASES = {
    "read": "reading from storage",
    "decode": "decompressing and parsing",
    "compute": "kernels on blocks",
    "wait": "kernels waiting for blocks",
    "reduce": "adding up partial sums",
    "solve": "planning and solving between passes",
}
#: Where bytes came from, in words.
TIERS = {
    "memory": "from memory",
    "disk": "from local disk",
    "source": "from the source",
    "device": "on cards",
}


def precise(value: float) -> str:
    """Return seconds for people, with hundredths where there are few."""
    return f"{value:.2f} s" if value < 10 else duration(value)


def statuses_in_words(statuses: Any) -> str:
    """Return the status of all problems, or how many have each.

    Examples
    --------
    >>> statuses_in_words("converged"), statuses_in_words(["stalled", "converged", "converged"])
    ('converged', '2 converged, 1 stalled')
    """
    if isinstance(statuses, str):
        return str(statuses)
    names, counts = np.unique(np.atleast_1d(np.asarray(statuses, dtype=str)), return_counts=True)
    if len(names) == 1:
        return str(names[0])
    return ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
