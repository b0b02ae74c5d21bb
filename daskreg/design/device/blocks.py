"""A block whose X lies on a card, and what is kept beside it there."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from daskreg._array import take_rows
from daskreg.design.blocks import Block

#: An array in the memory of a card; what its namespace calls an array.
DeviceArray: TypeAlias = Any


class Kept:
    """What kernels keep beside X on a card, from pass to pass while the block stays there.

    Parameters
    ----------
    grow : callable, optional
        ``grow(nbytes)`` counts what is about to be kept, and tells whether there is room for it.
        None: nothing outlives the block.
    """

    def __init__(self, grow: Callable[[int], bool] | None = None) -> None:
        self._grow = grow
        self._arrays: dict[Hashable, DeviceArray] = {}

    def get(self, key: Hashable, make: Callable[[], DeviceArray]) -> DeviceArray:
        """Return the array of that key; ``make`` it the first time, or where there is no room.

        Parameters
        ----------
        key : hashable
            Says all that the array depends on, beside the rows of the block.
        make : callable
            Makes it, without waiting for the card.
        """
        if key in self._arrays:
            return self._arrays[key]
        array = make()
        if self._grow is None or self._grow(device_nbytes(array)):
            self._arrays[key] = array
        return array


@dataclass(frozen=True, slots=True, eq=False)
class Csr:
    """A compressed sparse row matrix of three device arrays, as it is stored.

    Attributes
    ----------
    data : device array, shape (n_stored,)
    indices : device array of int32 or int64, shape (n_stored,)
    indptr : device array of int32 or int64, shape (n_rows + 1,)
    shape : (int, int)
    """

    data: DeviceArray
    indices: DeviceArray
    indptr: DeviceArray
    shape: tuple[int, int]

    @property
    def dtype(self) -> Any:
        return self.data.dtype


@dataclass(frozen=True, slots=True)
class Absent:
    """Stands for the X of a block that has no copy in host memory.

    Attributes
    ----------
    shape : (int, int)
    dtype : numpy.dtype
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True, eq=False)
class DeviceBlock:
    """Rows on a card, as a kernel sees them.

    Attributes
    ----------
    host : Block
        The same rows with what lies beside X in host memory; its X is the host's where there is a
        copy, else an ``Absent``.
    X : device array or Csr, shape (n_rows, n_features)
        C-contiguous, in its storage type (bool, int8 ... float64).
    kept : Kept
        What a kernel keeps beside X from pass to pass.
    xp : module
        The array namespace of X.
    send : callable, optional
        Copies a host array to the card; ``xp.asarray`` unless given.
    fetch : callable, optional
        Copies a device array to the host, and waits for it; ``.get()`` unless given.
    uploads : dict
        Arrays of the state that are on the card already, by name, in this pass of this shard.
    """

    host: Block
    X: DeviceArray | Csr
    kept: Kept
    xp: Any
    send: Callable[[Any], DeviceArray] | None = None
    fetch: Callable[[DeviceArray], Any] | None = None
    uploads: dict[str, DeviceArray] = field(default_factory=dict)

    @property
    def start(self) -> int:
        return self.host.start

    @property
    def index(self) -> int:
        return self.host.index

    @property
    def n_rows(self) -> int:
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        return int(self.X.shape[1])

    def upload(self, name: str, array: Any) -> DeviceArray:
        """Return a host array of the state on the card: copied once a pass and shard.

        Parameters
        ----------
        name : str
            Names the array among all that kernels upload in a pass.
        array : ndarray
            Stays as it is until the pass has ended.
        """
        if name not in self.uploads:
            self.uploads[name] = self.send_beside(array)
        return self.uploads[name]

    def send_beside(self, array: Any) -> DeviceArray:
        """Return a host array on the card; ``kept.get`` and ``upload`` spare doing it again."""
        return (self.send or self.xp.asarray)(array)

    def on_host(self, reads_X: bool = True) -> Block:
        """Return the block in host memory; X is fetched where no copy is there.

        Without ``reads_X`` it has no columns, and none are fetched.
        """
        if not isinstance(self.host.X, Absent):
            return self.host
        if not reads_X:
            return replace(self.host, X=Absent((self.n_rows, 0), self.host.X.dtype))
        return replace(self.host, X=self._fetched_X())

    def _fetched_X(self) -> Any:
        fetch = self.fetch or (lambda array: array.get())
        if not isinstance(self.X, Csr):
            return fetch(self.X)
        from scipy.sparse import csr_array

        parts = (fetch(self.X.data), fetch(self.X.indices), fetch(self.X.indptr))
        return csr_array(parts, shape=self.X.shape)

    def halves(self) -> tuple[DeviceBlock, DeviceBlock]:
        """Return the two halves of the rows: views of X, with nothing kept beside them."""
        middle = self.n_rows // 2
        return self._rows(0, middle), self._rows(middle, self.n_rows)

    def _rows(self, start: int, stop: int) -> DeviceBlock:
        X: Any = self.host.X
        shape = (stop - start, self.n_features)
        X = Absent(shape, X.dtype) if isinstance(X, Absent) else take_rows(X, start, stop)
        host = self.host.rows(start, stop, X)
        return replace(self, host=host, X=self._X_rows(start, stop), kept=Kept())

    def _X_rows(self, start: int, stop: int) -> DeviceArray | Csr:
        X = self.X
        if not isinstance(X, Csr):
            return X[start:stop, :]
        fetch = self.fetch or (lambda array: array.get())
        first, last = (int(fetch(X.indptr[at : at + 1])[0]) for at in (start, stop))
        pointers = X.indptr[start : stop + 1] - X.indptr[start : start + 1]
        return Csr(X.data[first:last], X.indices[first:last], pointers, (stop - start, X.shape[1]))


def device_nbytes(X: Any) -> int:
    """Bytes of an array, or of the three of a sparse matrix."""
    if hasattr(X, "indptr"):
        return sum(map(device_nbytes, (X.data, X.indices, X.indptr)))
    if isinstance(X, tuple | list):
        return sum(map(device_nbytes, X))
    nbytes = getattr(X, "nbytes", None)
    if nbytes is None:  # the array API promises a size and the name of a type alone
        nbytes = X.size * np.dtype(str(X.dtype).rpartition(".")[2]).itemsize
    return int(nbytes)
