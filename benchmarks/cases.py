"""The cases of the benchmark: a data set, alphas, and what is to be found."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from data import DATA, make

GIB = 2**30


@dataclass(frozen=True)
class Case:
    """One thing to solve, the same for every library.

    The objective is mean(loss(y, eta)) + alpha * sum(abs(coef)), with an intercept that is not
    penalised where `intercept` says so, and columns as they are.

    Parameters
    ----------
    data
        Name of a data set.
    kind
        ``fit`` (one alpha), ``path`` (all of them) or ``cv`` (all of them on five folds of
        consecutive rows; the model of the best mean error is fitted to all rows).
    fractions
        The alphas, as shares of the smallest one whose solution is zero; largest first.
    memory
        Bytes that a process and its children may occupy at most, at scale 1; None: no limit.
    """

    name: str
    title: str
    data: str
    fractions: tuple[float, ...]
    kind: str = "fit"
    intercept: bool = True
    memory: int | None = None


@dataclass(frozen=True)
class Problem:
    """A case at one scale, as it travels to a library's process; only plain values.

    Parameters
    ----------
    folder
        Of the data set.
    alphas
        Largest first, in the unit of the gradient.
    memory
        As in :class:`Case`, for this scale.
    """

    case: str
    kind: str
    loss: str
    storage: str
    folder: str
    n_rows: int
    n_columns: int
    n_classes: int
    alphas: tuple[float, ...]
    intercept: bool
    memory: int | None
    threads: int
    n_folds: int = 5

    @property
    def n_outputs(self) -> int:
        """Columns of coefficients: the classes of a multinomial loss, else one."""
        return self.n_classes if self.loss == "multinomial" else 1

    @property
    def sparse(self) -> bool:
        """True where the columns are a CSR matrix."""
        return self.storage == "csr"

    @property
    def on_disk(self) -> bool:
        """True where reading the file is part of the work."""
        return self.storage == "zarr"

    @property
    def data_bytes(self) -> int:
        """Bytes of the columns and y in memory; 0 where they stay on disk."""
        if self.on_disk:
            return 0
        if self.sparse:
            folder = Path(self.folder)
            names = ("data.npy", "indices.npy", "indptr.npy", "y.npy")
            return sum((folder / name).stat().st_size for name in names)
        return 8 * self.n_rows * (self.n_columns + 1)

    def folds(self) -> list[tuple[slice, Any]]:
        """Return, for each fold, its held-out rows and the numbers of its training rows."""
        borders = [len(part) for part in np.array_split(np.arange(self.n_rows), self.n_folds)]
        ends = np.cumsum(borders)
        everything = np.arange(self.n_rows)
        return [
            (slice(end - size, end), np.delete(everything, slice(end - size, end)))
            for end, size in zip(ends, borders, strict=True)
        ]

    def to_json(self) -> str:
        """Return the problem as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Problem:
        """Return the problem that :meth:`to_json` wrote."""
        values = json.loads(text)
        return cls(**values | {"alphas": tuple(values["alphas"])})


def _grid(smallest: float, count: int = 50) -> tuple[float, ...]:
    return tuple(float(value) for value in np.geomspace(1.0, smallest, count))


CASES = {
    case.name: case
    for case in (
        Case("lasso", "tall lasso", "tall", (0.01,)),
        Case("logistic", "tall logistic", "labels", (0.01,)),
        Case("lasso_cv", "LassoCV, 50 alphas x 5 folds", "tall", _grid(1e-3), kind="cv"),
        Case("wide", "wide lasso", "wide", (0.1,)),
        Case("wide_path", "wide path, 50 alphas", "wide", _grid(1e-2), "path", intercept=False),
        Case("sparse_logistic", "sparse logistic", "counts", (0.01,)),
        Case("multinomial", "multinomial, 10 classes", "digits", (0.01,)),
        Case("disk_lasso", "out-of-core lasso", "stored", (0.01,), memory=3 * GIB),
        Case("disk_logistic", "out-of-core logistic", "stored_labels", (0.01,), memory=3 * GIB),
    )
}


def build(case: Case, where: Path, scale: float, threads: int) -> Problem:
    """Return the problem of a case at a scale, its files made where they are missing.

    The memory limit falls with the scale, but not below a third: a JVM needs that much for itself.
    """
    folder = make(DATA[case.data], where, scale)
    meta = json.loads((folder / "meta.json").read_text())
    share = max(1.0 / 3.0, min(scale, 1.0)) if scale else 1.0
    return Problem(
        case=case.name,
        kind=case.kind,
        loss=meta["loss"],
        storage=meta["storage"],
        folder=str(folder),
        n_rows=meta["n_rows"],
        n_columns=meta["n_columns"],
        n_classes=meta["n_classes"],
        alphas=tuple(meta["alpha_max"] * share for share in case.fractions),
        intercept=case.intercept,
        memory=None if case.memory is None else round(case.memory * share),
        threads=threads,
    )
