"""Cross-validated lasso: seconds of daskreg and of scikit-learn on the same data, checked alike.

``python benchmarks/bench_cv.py --rows 1000000 --features 200 --alphas 50 --folds 5`` prints one
line of a table; times are the best of ``--repeat``, the two taking turns.  ``--exact`` adds what
scikit-learn's coordinate descent on Gram matrices finds with a tolerance of 1e-10 for the same
alphas and folds: the alpha it would choose, and how far daskreg's coefficients are from its own.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings

import numpy as np


def make_data(n_rows: int, n_features: int, correlation: float, dtype: str, seed: int = 0):
    """Return X with equally correlated columns, and y of 20 of them with as much noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features), dtype=np.float32)
    X *= np.float32(np.sqrt(1.0 - correlation))
    X += np.float32(np.sqrt(correlation)) * rng.standard_normal((n_rows, 1), dtype=np.float32)
    coef = np.zeros(n_features)
    coef[rng.choice(n_features, min(20, n_features), replace=False)] = rng.normal(size=20)
    signal = X @ coef.astype(np.float32)
    y = signal + np.float32(signal.std()) * rng.standard_normal(n_rows, dtype=np.float32)
    return X.astype(dtype, copy=False), y.astype(np.float64)


def timed(function):
    """Return what a function returns and its seconds."""
    started = time.perf_counter()
    found = function()
    return found, time.perf_counter() - started


def exact(X, y, alphas, n_folds: int):
    """Return scikit-learn's errors (alphas, folds) and its coefficients at the best alpha."""
    from sklearn.linear_model import Lasso, lasso_path
    from sklearn.model_selection import KFold

    errors = np.empty((len(alphas), n_folds))
    for fold, (train, test) in enumerate(KFold(n_folds).split(X)):
        mean_X, mean_y = X[train].mean(axis=0), y[train].mean()
        centred, target = X[train] - mean_X, y[train] - mean_y
        coefs = lasso_path(
            *(centred, target),
            alphas=alphas,
            precompute=centred.T @ centred,
            tol=1e-10,
            max_iter=100_000,
        )[1]
        residual = (X[test] - mean_X) @ coefs - (y[test] - mean_y)[:, None]
        errors[:, fold] = (residual**2).mean(axis=0)
        del centred
    best = alphas[errors.mean(axis=1).argmin()]
    final = Lasso(best, precompute=True, tol=1e-10, max_iter=100_000).fit(X, y)
    return errors, best, final.coef_


def main() -> None:
    """Run the comparison and print one line of a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--alphas", type=int, default=50)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--correlation", type=float, default=0.5)
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=None, help="n_jobs of scikit-learn")
    parser.add_argument("--exact", action="store_true", help="compare with a tolerance of 1e-10")
    args = parser.parse_args()
    from sklearn.linear_model import LassoCV as Theirs

    from daskreg.linear_model import LassoCV as Ours

    warnings.simplefilter("ignore")
    X, y = make_data(args.rows, args.features, args.correlation, args.dtype)
    Ours(alphas=3, cv=2).fit(X[:500], y[:500])  # compiled once, not timed
    ours, theirs = [], []
    for _ in range(args.repeat):
        mine, seconds = timed(
            lambda: Ours(alphas=args.alphas, cv=args.folds, tol=args.tol).fit(X, y)
        )
        ours.append(seconds)
        rival, seconds = timed(
            lambda: Theirs(
                alphas=args.alphas, cv=args.folds, tol=1e-4, max_iter=10_000, n_jobs=args.jobs
            ).fit(X, y)
        )
        theirs.append(seconds)
    place = [int(np.argmin(m.mse_path_.mean(axis=1))) for m in (mine, rival)]
    apart = np.abs(mine.mse_path_ / rival.mse_path_ - 1.0).max()
    size = X.nbytes / 2**20
    print(
        "| rows | features | type | MiB | alphas x folds | daskreg s | passes | scikit-learn s | "
        "ratio | same alpha | mse apart |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {args.rows:,} | {args.features} | {args.dtype} | {size:.0f} | {args.alphas} x "
        f"{args.folds} | {min(ours):.2f} | {mine.n_passes_} | {min(theirs):.2f} | "
        f"{min(theirs) / min(ours):.1f} | {'yes' if place[0] == place[1] else place} | "
        f"{apart:.1e} |"
    )
    if args.exact:
        mine = Ours(alphas=mine.alphas_, cv=args.folds, tol=1e-12).fit(X, y)
        errors, best, coef = exact(X, y, mine.alphas_, args.folds)
        coef_apart = np.abs(mine.coef_ - coef).max() / np.abs(coef).max()
        print(
            f"\nexact: alpha {mine.alpha_:.6g} and {best:.6g}, coef apart {coef_apart:.1e}, "
            f"mse apart {np.abs(mine.mse_path_ / errors - 1.0).max():.1e}"
        )
    print(f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
