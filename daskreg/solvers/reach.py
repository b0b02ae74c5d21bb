"""How far along a path the columns at hand are likely to last."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float

from .screening_state import ScreeningState

#: Problems are tried down to this share of the alpha at which a missing column is expected: to
#: solve one in vain costs less than another round.
TRIED = 0.7
#: What is expected before anything is known, and at least and at most.
FIRST_LAG, LEAST_LAG, MOST_LAG = 1.3, 0.1, 1.5


def within_reach(
    state: ScreeningState,
    alpha: Float,
    chosen: npt.NDArray[np.intp],
    columns: npt.NDArray[np.bool_],
) -> npt.NDArray[np.intp]:
    """Return those of the chosen problems that the columns are likely to suffice for.

    The first of each path in any case.  A column that is left out was found to enter when alpha
    has fallen to ``lag`` times what its gradient was at the last solution.
    """
    kept = np.zeros(len(chosen), dtype=bool)
    own = state.paths.which[chosen]
    for path in np.unique(own):
        here = np.flatnonzero(own == path)
        least = TRIED * state.lag[path] * _left_out(state, path, columns)
        kept[here[alpha[chosen[here]] >= least]] = True
        kept[here[np.argmax(alpha[chosen[here]])]] = True
    return chosen[kept]


def learned_lag(
    state: ScreeningState,
    alpha: Float,
    chosen: npt.NDArray[np.intp],
    columns: npt.NDArray[np.bool_],
    done: npt.NDArray[np.bool_],
) -> Float:
    """Return the lag of each path after a round; where all problems were solved no larger one."""
    lag = state.lag.copy()
    own = state.paths.which[chosen]
    for path in np.unique(own):
        cut = _left_out(state, path, columns)
        solved, failed = alpha[chosen[(own == path) & done]], alpha[chosen[(own == path) & ~done]]
        if not np.isfinite(cut) or cut <= 0.0 or not len(solved):
            continue
        seen = float(solved.min()) / cut
        lag[path] = seen if len(failed) else min(seen, lag[path])
    return np.clip(lag, LEAST_LAG, MOST_LAG)


def _left_out(state: ScreeningState, path: int, columns: AnyArray) -> float:
    """The largest entry alpha of a path among columns that are not taken; 0: all are."""
    return float(state.entry[~columns, path].max(initial=0.0))
