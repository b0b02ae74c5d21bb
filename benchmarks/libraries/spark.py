"""Spark's linear models on one machine, one task a thread, through pyspark.

Rows reach Spark as a parquet file with one column of vectors, made once and not counted. In memory
cases they are cached before the clock starts; from disk they are read and cached within it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Found, Library

#: Share of the memory that the JVM's heap gets; the rest is its own and Python's.
HEAP = 0.6


class Spark(Library):
    """LinearRegression and LogisticRegression of spark.ml, ``standardization=False``."""

    LADDER: ClassVar[tuple[Any, ...]] = (1e-6, 1e-8, 1e-10, 1e-12, 1e-14)
    PACKAGES: ClassVar[tuple[str, ...]] = ("pyspark", "pyarrow", "numpy")

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        return "" if problem.kind == "fit" else "no warm paths; every alpha is a fit of its own"

    @property
    def _file(self) -> Path:
        return Path(self.problem.folder) / "rows.parquet"

    def prepare(self) -> None:
        if not self._file.exists():
            write_parquet(self.problem, self._file)

    def load(self) -> None:
        from pyspark.sql import SparkSession

        problem = self.problem
        memory = problem.memory or 12 * 2**30
        SparkSession._instantiatedSession = None
        self._spark = (
            SparkSession.builder.master(f"local[{problem.threads}]")
            .config("spark.driver.memory", f"{int(HEAP * memory) >> 20}m")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.sql.parquet.columnarReaderBatchSize", "256")
            .config("spark.local.dir", tempfile.gettempdir())
            .getOrCreate()
        )
        self._spark.sparkContext.setLogLevel("ERROR")
        if not problem.on_disk:
            self._rows = self._read()
            self._rows.count()

    def _read(self) -> Any:
        """Return the cached rows as columns "y" and "features"."""
        from pyspark.ml.functions import array_to_vector
        from pyspark.sql import functions as F

        frame = self._spark.read.parquet(str(self._file))
        if self.problem.sparse:
            rows = self._sparse_rows(frame)
        else:
            numbers = F.col("features").cast("array<double>")
            rows = frame.select("y", array_to_vector(numbers).alias("features"))
        return rows.cache()

    def _sparse_rows(self, frame: Any) -> Any:
        """Return rows whose "features" are sparse vectors, made through the rows of a frame."""
        from pyspark.ml.linalg import SparseVector, VectorUDT
        from pyspark.sql import functions as F

        size = self.problem.n_columns
        vector = F.udf(
            lambda places, values: SparseVector(size, places, values), VectorUDT(), useArrow=False
        )
        return frame.select("y", vector("places", "values").alias("features"))

    def fit(self, tol: Any) -> Found:
        from pyspark.ml.classification import LogisticRegression
        from pyspark.ml.regression import LinearRegression

        problem = self.problem
        rows = self._read() if problem.on_disk else self._rows
        settings = {
            "labelCol": "y", "regParam": self.alpha, "elasticNetParam": 1.0, "tol": tol,
            "maxIter": 10_000, "standardization": False, "fitIntercept": problem.intercept,
        }  # fmt: skip
        if problem.loss == "squared":
            model = LinearRegression(solver="l-bfgs", **settings).fit(rows)
            coef, intercept = model.coefficients.toArray(), model.intercept
        else:
            model = LogisticRegression(family="auto", **settings).fit(rows)
            coef, intercept = model.coefficientMatrix.toArray(), model.interceptVector.toArray()
        notes = {"iterations": int(model.summary.totalIterations)}
        if problem.on_disk:
            rows.unpersist(blocking=True)
        return Found.one(coef, intercept, **notes)

    def close(self) -> None:
        self._spark.stop()


def write_parquet(problem: Problem, path: Path) -> None:
    """Write the rows: y, and a list of all numbers or the places and values that are not zero."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from data import blocks

    y = np.load(Path(problem.folder) / "y.npy")
    partial, writer = path.with_suffix(".part"), None
    for rows, X in blocks(Path(problem.folder), problem.storage):
        if problem.sparse:
            offsets = pa.array(X.indptr.astype(np.int32))
            table = {
                "y": y[rows],
                "places": pa.ListArray.from_arrays(offsets, pa.array(X.indices.astype(np.int32))),
                "values": pa.ListArray.from_arrays(offsets, pa.array(X.data)),
            }
        else:
            ends = np.arange(len(X) + 1, dtype=np.int32) * X.shape[1]
            lists = pa.ListArray.from_arrays(pa.array(ends), pa.array(np.ravel(X)))
            table = {"y": y[rows], "features": lists}
        made = pa.table(table)
        writer = writer or pq.ParquetWriter(
            partial, made.schema, compression="none", use_dictionary=False
        )
        writer.write_table(made, row_group_size=8_192)
    if writer is not None:
        writer.close()
    partial.rename(path)


ADAPTER = Spark
