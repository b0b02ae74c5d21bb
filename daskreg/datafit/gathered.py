"""Rows of the columns that are in use, kept from one selection of columns to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskreg._pages import release
from daskreg._typing import Float
from daskreg.exceptions import MemoryPlanError

from .drawing import affordable_rows, sample_of
from .gram import RowsOf
from .survey import Survey

#: Columns that are copied together.
AT_ONCE = 32
#: Bytes of addresses for columns that may follow.
RESERVED = 2**29


@dataclass(frozen=True, eq=False)
class GatheredRows:
    """Rows in solver coordinates, times the roots of their shares of the weight.

    Attributes
    ----------
    columns : array of int, shape (m,), ascending
    room : dict of ndarray, shape (m or more, n_rows)
        By weighting: its first rows are the columns, of the rows that count in it.
    """

    columns: npt.NDArray[np.intp]
    room: dict[int, Float]

    @property
    def rows(self) -> dict[int, Float]:
        """By weighting an array of shape (n_rows, m), Fortran-contiguous."""
        return {number: room[: len(self.columns)].T for number, room in self.room.items()}

    @classmethod
    def of(cls, survey: Survey, numbers: Iterable[int]) -> GatheredRows:
        """Gather all columns of a survey for some weightings: one pass."""
        columns = np.arange(survey.design.n_features)
        if survey.whole is not None and survey.whole[1].design.reads_columns:
            survey.design.prepare(passes=1)  # what it kept would lie in memory beside the rows
        firsts = survey.firsts()
        sample = sample_of(survey, firsts[0].n_rows, in_pieces=True)
        room = {}
        for number in numbers:
            put = RowsOf(sample, firsts[number], number)
            room[number] = _room(len(columns), survey, put.n_rows)
            put.into(room[number], columns)
        return cls(columns, room)

    def moved(self, whole: Survey, columns: npt.NDArray[np.intp]) -> GatheredRows:
        """Return those of other columns of a survey; only what is not at hand is gathered.

        They take the place of these in memory, where there is room: these are of no use any more.
        """
        _, here, place = np.intersect1d(columns, self.columns, True, return_indices=True)
        room = {number: _moved(old, place, here, len(columns)) for number, old in self.room.items()}
        new = np.setdiff1d(columns, self.columns, assume_unique=True)
        if len(new):
            part = whole.of_columns(new)
            part.design.prepare(passes=1)
            firsts = part.firsts()
            sample = sample_of(part, firsts[0].n_rows, in_pieces=True)
            part.design.close()
            for number, target in room.items():
                put = RowsOf(sample, firsts[number], number)
                put.into(target, np.searchsorted(columns, new))
        return GatheredRows(columns, room)


def _room(n_columns: int, survey: Survey, n_rows: int) -> Float:
    """Return room for some columns, and for those that may follow: unwritten, it is no memory."""
    whole = survey if survey.whole is None else survey.whole[1]
    most = min(whole.design.n_features, RESERVED // (8 * n_rows))
    try:
        return np.empty((max(n_columns, most), n_rows))
    except MemoryError:  # addresses are counted here as memory is
        return np.empty((n_columns, n_rows))


def _moved(
    room: Float, places: npt.NDArray[np.intp], here: npt.NDArray[np.intp], n_columns: int
) -> Float:
    """Move what lies at some places, ascending, to others, ascending too, of so many."""
    if n_columns > len(room):
        larger = np.empty((2 * n_columns, room.shape[1]))
        for start in range(0, len(places), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            larger[here[some]] = room[places[some]]
        return larger
    # To the front first, then each as far back as it belongs: none is written over.
    for target, source in enumerate(places.tolist()):
        if target != source:
            room[target] = room[source]
    for source, target in reversed(list(enumerate(here.tolist()))):
        if target != source:
            room[target] = room[source]
    return room


def all_rows(survey: Survey, numbers: set[int]) -> dict[int, Float]:
    """Return the rows of a survey that count in some weightings: see ``FactoredData.rows``.

    A pass at most, remembered; of columns that the survey before has gathered none.

    Raises
    ------
    MemoryPlanError
        Where the rows do not fit the share of memory that a sample may take.
    """
    n_rows = survey.firsts()[0].n_rows
    if n_rows > affordable_rows(survey.design):
        raise MemoryPlanError(
            f"{n_rows} rows of {survey.design.n_features} columns take more than an eighth of the "
            "memory: use grams()"
        )
    # Who is interrupted while rows move leaves none behind: they would be other columns'.
    known, survey.gathered = survey.gathered, None
    if known is None or not numbers <= known.room.keys():
        known = GatheredRows.of(survey, numbers)
        if survey.whole is not None:
            known = GatheredRows(survey.whole[0], known.room)
    elif survey.whole is not None and not np.array_equal(known.columns, survey.whole[0]):
        # Weightings whose problems have ended are let go.
        kept = GatheredRows(known.columns, {number: known.room[number] for number in numbers})
        known = kept.moved(survey.whole[1], survey.whole[0])
    survey.gathered = known
    release()
    return known.rows
