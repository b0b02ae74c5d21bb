"""What reading costs: each format beside its own library, and passes over data larger than memory.

    python benchmarks/bench_tiers.py formats [--mib 128] [--repeat 5] [--formats npy zarr3 ...]
    python benchmarks/bench_tiers.py passes [--mib 1024] [--limit 512] [--problems 1 10 50]
    python benchmarks/bench_tiers.py shares [--mib 1024] [--shares 0 0.25 0.5 0.75]
    python benchmarks/bench_tiers.py cache [--mib 512] [--limit 384]

Pages of the files are dropped before each reading (``posix_fadvise``), rivals take turns, and the
least of several times counts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tier_files import WRITE
from tier_formats import formats
from tier_passes import caches, passes, shares

PARTS = {"formats": formats, "passes": passes, "shares": shares, "cache": caches}


def main() -> None:
    """Run one part."""
    arguments = parse()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        PARTS[arguments.part](arguments, Path(folder))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--mib", type=int, default=128)
    parser.add_argument("--limit", type=int, default=512, help="MiB that the process may use")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--problems", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.25, 0.5, 0.75])
    parser.add_argument("--formats", nargs="+", default=list(WRITE))
    parser.add_argument(
        "--rate", type=float, help="MB/s of a disk to pretend (npy), for all threads."
    )
    parser.add_argument("--folder", help="Where the files go; default a temporary folder.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
