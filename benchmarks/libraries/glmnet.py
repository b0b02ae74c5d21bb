"""R's glmnet, in an R process that this one starts and asks."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Array, Found, Library

FAMILY = {"squared": "gaussian", "logistic": "binomial", "multinomial": "multinomial"}


class Glmnet(Library):
    """glmnet and cv.glmnet with ``standardize=FALSE``; `thresh` is the tolerance."""

    LADDER: ClassVar[tuple[Any, ...]] = (1e-5, 1e-7, 1e-9, 1e-11, 1e-13, 1e-15)
    PACKAGES: ClassVar[tuple[str, ...]] = ("numpy",)

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        if problem.on_disk:
            return "in memory only"
        cells = problem.n_rows * problem.n_columns
        too_long = not problem.sparse and cells >= 2**31
        return "its arrays end at 2^31 numbers" if too_long else ""

    def load(self) -> None:
        problem = self.problem
        self.load_arrays("F", "csc")
        self._folder = tempfile.TemporaryDirectory(dir=Path(problem.folder).parent)
        folder = Path(self._folder.name)
        np.asarray(problem.alphas).tofile(folder / "alphas.bin")
        self.y.tofile(folder / "y.bin")
        if problem.sparse:
            self.X.data.tofile(folder / "data.bin")
            self.X.indices.astype(np.int32).tofile(folder / "indices.bin")
            self.X.indptr.astype(np.int32).tofile(folder / "indptr.bin")
        else:
            self.X.T.tofile(folder / "X.bin")
        self.X = self.y = None
        words = [
            folder, problem.kind, FAMILY[problem.loss], problem.n_rows, problem.n_columns,
            int(problem.intercept), int(problem.sparse), problem.n_folds,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            ["Rscript", "--vanilla", str(Path(__file__).with_suffix(".R")), *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._version = self._answer("ready")
        for name in ("X.bin", "data.bin", "indices.bin"):
            (folder / name).unlink(missing_ok=True)

    def _answer(self, word: str) -> str:
        """Return what R says after a word."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(word):
                return line[len(word) :].strip()
            if line.startswith("failed"):
                raise RuntimeError(line.strip())
        raise RuntimeError("R ended; its message is in the log")

    def fit(self, tol: Any) -> Found:
        problem = self.problem
        assert self._process.stdin is not None
        self._process.stdin.write(f"{tol}\n")
        self._process.stdin.flush()
        self._answer("done")
        numbers = np.fromfile(Path(self._folder.name) / "found.bin")
        p, K, q = problem.n_columns, len(problem.alphas), problem.n_outputs
        if problem.kind == "cv":
            return self._chosen(numbers, p, K)
        coefs = numbers[: p * K * q].reshape(q, K, p).transpose(2, 0, 1)
        intercepts = numbers[p * K * q :].reshape(K, q).T
        return Found(coefs, intercepts, np.arange(K), notes={"version": self._version})

    def _chosen(self, numbers: Array, p: int, K: int) -> Found:
        errors = numbers[: K * self.problem.n_folds].reshape(-1, K).T
        rest = numbers[errors.size :]
        place = int(np.argmin(errors.mean(axis=1)))
        coefs = rest[K:].reshape(K, p)
        return Found.chosen(coefs[place], rest[place], place, errors, version=self._version)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


ADAPTER = Glmnet
