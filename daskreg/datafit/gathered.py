"""Rows of the columns that are in use, kept from one selection of columns to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.exceptions import MemoryPlanError

from .drawing import affordable_rows, sample_of
from .gram import rows_of
from .survey import Survey

#: Columns that are copied together.
AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class GatheredRows:
    """Rows in solver coordinates, times the roots of their shares of the weight.

    Attributes
    ----------
    columns : array of int, shape (m,), ascending
    rows : dict of ndarray, shape (n_rows, m), Fortran-contiguous
        By weighting: those that count in it.
    """

    columns: npt.NDArray[np.intp]
    rows: dict[int, Float]

    @classmethod
    def of(cls, survey: Survey, numbers: Iterable[int]) -> GatheredRows:
        """Gather all columns of a survey for some weightings: one pass."""
        firsts = survey.firsts()
        sample = sample_of(survey, firsts[0].n_rows)
        columns = np.arange(survey.design.n_features)
        return cls(columns, {number: rows_of(sample, firsts[number], number) for number in numbers})

    def moved(self, whole: Survey, columns: npt.NDArray[np.intp]) -> GatheredRows:
        """Return those of other columns of a survey; only what is not at hand is gathered."""
        new = np.setdiff1d(columns, self.columns, assume_unique=True)
        found = GatheredRows(new, {})
        if len(new):
            part = whole.of_columns(new)
            part.design.prepare(passes=1)
            found = GatheredRows(new, GatheredRows.of(part, self.rows).rows)
            part.design.close()
        rows = {
            number: self._joined(old, new, found.rows.get(number), columns)
            for number, old in self.rows.items()
        }
        return GatheredRows(columns, rows)

    def _joined(
        self,
        old: Float,
        new: npt.NDArray[np.intp],
        added: Float | None,
        columns: npt.NDArray[np.intp],
    ) -> Float:
        joined = np.empty((len(old), len(columns)), order="F")
        _, here, place = np.intersect1d(columns, self.columns, True, return_indices=True)
        _copy_columns(old, place, joined, here)
        if added is not None:
            _copy_columns(added, np.arange(len(new)), joined, np.searchsorted(columns, new))
        return joined


def _copy_columns(
    source: Float, places: npt.NDArray[np.intp], target: Float, here: npt.NDArray[np.intp]
) -> None:
    """Copy columns of Fortran-ordered arrays, as many at once as stay in cache on their way."""
    # Transposed, columns are copied whole.
    for start in range(0, len(places), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        target.T[here[some]] = source.T[places[some]]


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
    known = survey.gathered
    if known is None or not numbers <= known.rows.keys():
        known = GatheredRows.of(survey, numbers)
        if survey.whole is not None:
            known = GatheredRows(survey.whole[0], known.rows)
    elif survey.whole is not None and not np.array_equal(known.columns, survey.whole[0]):
        # Weightings whose problems have ended are let go.
        kept = GatheredRows(known.columns, {number: known.rows[number] for number in numbers})
        known = kept.moved(survey.whole[1], survey.whole[0])
    survey.gathered = known
    return known.rows
