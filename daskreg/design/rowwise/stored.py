"""Rows of stores and files, read in runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .call import rows_per_run


class StoredRuns:
    """Runs of a zarr array or of the file or store at a path.

    Parameters
    ----------
    X : zarr array, str or path
    names : sequence of str or None
        Columns to take where the file is a table; None: all.
    missing_chunks : {'raise', 'fill'}
    sample_dim : str, sequence of str or None
    feature_dims : sequence of str or None
        As in ``map_rows``.
    """

    def __init__(
        self,
        X: Any,
        names: Sequence[str] | None,
        missing_chunks: str = "raise",
        sample_dim: Any = None,
        feature_dims: Sequence[str] | None = None,
    ) -> None:
        from daskreg.design.recognise import open_rows
        from daskreg.design.sources.base import Table

        from .labelled import variables_of

        source = open_rows(X, missing_chunks=missing_chunks, sample_dim=sample_dim, role="X")
        if isinstance(source, Table):
            source = source.rows(variables_of(names, source.columns, feature_dims))
        self._rows = source
        self._reader: Any = None
        self.n_rows, self.n_columns = source.n_rows, source.n_columns

    def __iter__(self) -> Iterator[Any]:
        if self.n_rows is None:
            for part in range(self._rows.n_parts):
                yield self._rows.read_part(part)
            return
        step = rows_per_run(self.n_columns, self._rows.dtype.itemsize)
        self._reader = self._rows.open()
        for start in range(0, self.n_rows, step):
            yield self._reader.read(start, min(start + step, self.n_rows))

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.close()
