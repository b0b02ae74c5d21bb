"""A lasso on blocks of a file, under a memory limit, on the threads of this process."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import numpy as np

from daskreg import Lasso
from daskreg.callbacks import ProgressReport
from daskreg.datasets import make_sparse_regression


def main() -> None:
    with TemporaryDirectory() as folder:
        files = make_sparse_regression(folder, n_rows=200_000, n_columns=256, correlation=0.5)
        with ProgressReport() as report:
            model = Lasso(alpha=0.1, memory_limit="768MiB", callbacks=[report])
            model.fit(files.X, files.y)

    print(model.plan_)
    print("columns found", np.flatnonzero(model.coef_))
    print("the truth    ", files.problem.support)
    print(f"relative gap {model.relative_gap_:.1e}, passes: {model.n_passes_}")


if __name__ == "__main__":
    main()
