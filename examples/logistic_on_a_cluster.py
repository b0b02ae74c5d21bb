"""A sparse logistic regression on worker processes; any ``distributed.Client`` works the same."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from daskreg import LogisticRegression, cluster, load
from daskreg.datasets import make_sparse_classification


def main() -> None:
    with TemporaryDirectory() as folder:
        files = make_sparse_classification(
            folder, n_rows=100_000, n_columns=64, n_informative=5, format="zarr"
        )
        with cluster.local(n_workers=2, memory_limit="1GiB") as client:
            print("dashboard", client.dashboard_link)
            model = LogisticRegression(C=0.01, l1_ratio=1.0).fit(files.X, files.y)
        path = model.save(f"{folder}/model.zarr.zip")
        print(load(path).solution_["coef"].to_series().abs().nlargest(5))
    print(f"relative gap {model.relative_gap_:.1e} after {model.n_passes_} passes")


if __name__ == "__main__":
    main()
