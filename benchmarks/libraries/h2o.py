"""H2O's generalised linear models, in a server on this machine that only this process uses.

The rows reach H2O as parquet (dense) or SVMLight (sparse), made once and not counted. H2O holds its
frames in memory, compressed; in the cases from disk the import is within the clock.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Found, Library

FAMILY = {"squared": "gaussian", "logistic": "binomial", "multinomial": "multinomial"}
#: Share of the memory that the JVM's heap gets.
HEAP = 0.7


class H2O(Library):
    """H2OGeneralizedLinearEstimator, ``alpha=1``, ``standardize=False``."""

    LADDER: ClassVar[tuple[Any, ...]] = (1e-4, 1e-6, 1e-8, 1e-10)
    PACKAGES: ClassVar[tuple[str, ...]] = ("h2o", "numpy")

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        if problem.kind != "fit":
            return "its path searches lambda with tolerances of its own"
        if problem.n_columns > 10_000:
            return "a column costs it a chunk and the model a matrix of columns by columns"
        return ""

    @property
    def _file(self) -> Path:
        return Path(self.problem.folder) / ("rows.svm" if self.problem.sparse else "wide.parquet")

    def prepare(self) -> None:
        if not self._file.exists():
            write = _write_svmlight if self.problem.sparse else _write_columns
            write(self.problem, self._file)

    def load(self) -> None:
        import h2o

        logging.getLogger("h2o").setLevel(logging.ERROR)
        problem = self.problem
        memory = problem.memory or 12 * 2**30
        h2o.init(
            ip="127.0.0.1", port=54_400, nthreads=problem.threads, bind_to_localhost=True,
            max_mem_size=f"{int(HEAP * memory) >> 20}M", verbose=False,
            ice_root=str(Path(problem.folder).parent),
        )  # fmt: skip
        h2o.no_progress()
        if not problem.on_disk:
            self._frame = self._read()

    def _read(self) -> Any:
        import h2o

        frame = h2o.import_file(str(self._file), destination_frame="rows")
        if self.problem.loss != "squared":
            frame[self._target(frame)] = frame[self._target(frame)].asfactor()
        return frame

    def _target(self, frame: Any) -> str:
        return frame.columns[0] if self.problem.sparse else "y"

    def fit(self, tol: Any) -> Found:
        import h2o
        from h2o.estimators import H2OGeneralizedLinearEstimator

        problem = self.problem
        frame = self._read() if problem.on_disk else self._frame
        target = self._target(frame)
        names = [name for name in frame.columns if name != target]
        model = H2OGeneralizedLinearEstimator(
            family=FAMILY[problem.loss], alpha=1.0, lambda_=self.alpha, standardize=False,
            intercept=problem.intercept, max_iterations=10_000, beta_epsilon=tol,
            objective_epsilon=tol, gradient_epsilon=tol,
            solver="IRLSM" if problem.loss != "squared" else "COORDINATE_DESCENT",
        )  # fmt: skip
        model.train(x=names, y=target, training_frame=frame)
        coef, intercept = self._coefficients(model, names)
        h2o.remove(model.model_id)
        if problem.on_disk:
            h2o.remove(frame.frame_id)
        return Found.one(coef, intercept)

    def _coefficients(self, model: Any, names: list[str]) -> tuple[Any, Any]:
        """Return coef (n_outputs, n_columns) and intercepts; columns without an entry have none."""
        found = model.coef()
        if self.problem.loss != "multinomial":
            return [found.get(name, 0.0) for name in names], found.get("Intercept", 0.0)
        tables = [found[key] for key in sorted(found, key=lambda key: int(key.rpartition("_")[2]))]
        coef = [[table.get(name, 0.0) for name in names] for table in tables]
        return coef, [table.get("Intercept", 0.0) for table in tables]

    def close(self) -> None:
        import h2o

        h2o.cluster().shutdown()


def _write_columns(problem: Problem, path: Path) -> None:
    """Write a parquet file with one column for each column, and y."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from data import blocks

    y = np.load(Path(problem.folder) / "y.npy")
    partial, writer = path.with_suffix(".part"), None
    for rows, X in blocks(Path(problem.folder), problem.storage):
        columns = {f"x{j}": np.ascontiguousarray(X[:, j]) for j in range(X.shape[1])}
        made = pa.table({**columns, "y": y[rows]})
        writer = writer or pq.ParquetWriter(
            partial, made.schema, compression="none", use_dictionary=False
        )
        writer.write_table(made)
    if writer is not None:
        writer.close()
    partial.rename(path)


def _write_svmlight(problem: Problem, path: Path) -> None:
    """Write lines of y and number:value pairs; H2O counts the columns from 1."""
    from data import load_sparse

    X, y = load_sparse(Path(problem.folder)), np.load(Path(problem.folder) / "y.npy")
    partial = path.with_suffix(".part")
    with partial.open("w") as file:
        for i in range(X.shape[0]):
            inside = slice(X.indptr[i], X.indptr[i + 1])
            pairs = zip(X.indices[inside] + 1, X.data[inside], strict=True)
            file.write(f"{y[i]:g} " + " ".join(f"{j}:{v:.17g}" for j, v in pairs) + "\n")
    partial.rename(path)


ADAPTER = H2O
