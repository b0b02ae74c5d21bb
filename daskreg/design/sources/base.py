"""Rows: where a matrix lies and how a run of its rows is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Matrix

from .labels import Labels


class Reader(ABC):
    """An open source: file handles, the last decoded chunk.  Used by one thread."""

    @abstractmethod
    def read(self, start: int, stop: int, out: AnyArray | None = None) -> Matrix:
        """Return rows ``start:stop``, shape (stop - start, n_columns), C-contiguous or CSR.

        ``out``, where given, is a writable C-contiguous buffer of the right shape and type that
        the reader fills and returns if it can; a reader that cannot ignores it.  Rows are asked
        for in ascending order, each once a pass.
        """

    def nbytes_read(self, values: Matrix) -> int:
        """Decoded bytes that it took to make what ``read`` last returned."""
        return matrix_nbytes(values)

    def close(self) -> None:
        """Let go of handles."""
        return

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def matrix_nbytes(matrix: object) -> int:
    """Bytes of a dense or CSR matrix."""
    if isinstance(matrix, np.ndarray):
        return matrix.nbytes
    return sum(getattr(matrix, part).nbytes for part in ("data", "indices", "indptr"))


class Rows(ABC):
    """Rows of one two-dimensional array, wherever they lie; nothing is read before ``open``.

    Attributes
    ----------
    n_rows : int or None
        None while unknown (CSV, data frames, NaN chunks): then ``n_parts`` and ``read_part``
        serve the census pass.
    n_columns : int
    dtype : numpy.dtype
    sparse : bool
        Whether ``read`` returns CSR.
    row_chunks : tuple of int or None
        Lengths of the natural runs of rows (file chunks, Dask chunks); block borders respect
        them.  None: any border is as good as another.
    decode_factor : float
        Peak bytes while one block is made, divided by the bytes of that block.
    resident : bool
        The rows lie in the memory of this process: reading is a view or a slice and counts
        no bytes.
    in_place : bool
        Reading them there is a view, whatever the number of rows.
    reader_nbytes : int
        Bytes that an open reader holds beside its blocks, whatever their size.
    settle_nbytes : int
        Bytes that a thread holds while it makes these rows ready, beside what follows.
    libraries : tuple of str
        What reading imports; see ``LIBRARY_NBYTES`` in the plan.
    persisted : bool
        The blocks lie in the memory of a cluster's workers already; they count no bytes either.
    computed : bool
        Reading runs the tasks of a collection, whatever they cost.
    takes_whole_rows : bool
        These are columns selected from others, and reading them decodes those too.
    plain_file : str or None
        The file, or the folder of files, of which blocks are copies, byte for byte: nothing reads
        them faster.
    names : tuple of str or None
        Column names, where the source has them.
    labels : Labels or None
        How the columns lie over the dimensions of a labelled array; stays with the caller.
    describe : str
        One word or two for the plan and for error messages ("zarr data.zarr", "numpy array").
    """

    n_rows: int | None
    n_columns: int
    dtype: np.dtype[Any]
    sparse: bool = False
    row_chunks: tuple[int, ...] | None = None
    decode_factor: float = 1.0
    resident: bool = False
    persisted: bool = False
    computed: bool = False
    takes_whole_rows: bool = False
    reader_nbytes: int = 0
    settle_nbytes: int = 0
    libraries: tuple[str, ...] = ()
    plain_file: str | None = None
    names: tuple[str, ...] | None = None
    labels: Labels | None = None
    describe: str = "array"
    n_parts: int = 1

    @property
    def settled(self) -> bool:
        """Whether the rows can be cut and read as they are."""
        return self.n_rows is not None

    def turned(self) -> Rows | None:
        """The same rows for less memory, by way of scratch; None where there is no such way."""
        return None

    def cut(self, start: int, stop: int) -> Rows:
        """The small, picklable recipe of rows ``start:stop``, with the same row numbers.

        The default is for sources that are small themselves (a file name).  A source that holds
        data (an array in memory, a graph) returns only what those rows need.
        """
        return self

    @property
    def in_place(self) -> bool:
        """See above."""
        return False

    @property
    def reads_columns(self) -> bool:
        """Whether reading some columns alone may read less than all of them."""
        return self.resident or self.persisted

    def select(self, columns: AnyArray) -> Rows | None:
        """Some columns, ascending places, of the same rows, in the type of the whole X.

        None, the default: these rows are read whole, and whoever reads them slices them
        (``select_columns``).
        """
        return None

    def where(self, start: int, stop: int) -> str:
        """Which file, key or chunk rows ``start:stop`` come from, to go on after ``describe``."""
        return f", {self.plain_file}" if self.plain_file is not None else ""

    #: ``distributed`` futures this recipe needs, in the order ``open`` expects their values.
    futures: Sequence[Any] = ()

    @abstractmethod
    def open(self, values: Sequence[Any] = ()) -> Reader:
        """Open for reading, on a worker; ``values`` are the results of ``futures``."""

    def read_part(self, part: int) -> Matrix:
        """Read one part whole (census of sources with unknown rows)."""
        raise NotImplementedError(f"{self.describe}: rows are known, there is no census to take")

    @property
    def row_nbytes(self) -> float:
        """Bytes of one row as a block holds it (CSR sources override it)."""
        return self.n_columns * self.dtype.itemsize


class Table(ABC):
    """Named columns that become rows once chosen: a data frame, Parquet, CSV, a Dataset."""

    columns: tuple[str, ...]
    describe: str = "table"

    @abstractmethod
    def rows(self, columns: Sequence[str]) -> Rows:
        """The chosen columns, in the given order, as one matrix; raises ``DataError`` for columns
        that are missing or, when more than one is chosen, not numeric."""

    def require(self, columns: Sequence[str]) -> None:
        """Raise ``DataError`` that names absent columns and the nearest existing ones."""
        import difflib

        from daskreg.exceptions import DataError

        for name in columns:
            if name not in self.columns:
                near = difflib.get_close_matches(name, self.columns, n=3)
                hint = f"did you mean {', '.join(map(repr, near))}?" if near else ""
                shown = ", ".join(map(repr, self.columns[:8]))
                more = f" and {len(self.columns) - 8} more" if len(self.columns) > 8 else ""
                raise DataError(
                    f"{self.describe} has no column {name!r}; {hint or f'it has {shown}{more}'}"
                )
