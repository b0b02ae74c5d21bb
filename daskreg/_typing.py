"""Names for the types that travel between rooms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Float: TypeAlias = npt.NDArray[np.float64]
AnyArray: TypeAlias = npt.NDArray[Any]
#: A run of rows as kernels see it: a C-contiguous ndarray or a ``scipy.sparse.csr_array``.
Matrix: TypeAlias = Any
#: What a pass sends to every shard: small arrays by name.
State: TypeAlias = Mapping[str, Any]


class Partial(Protocol):
    """One block's share of a sum over rows."""

    @property
    def nbytes(self) -> int: ...

    def __add__(self, other: Any) -> Any: ...
