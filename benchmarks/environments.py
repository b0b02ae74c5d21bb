"""One virtual environment for each library, so that none decides what another may install.

``python benchmarks/environments.py [LIBRARY ...]`` makes those that are missing below ``--where``
and says which import; ``--fresh`` makes them anew. R and its glmnet come from the system's packages
and are asked for only with ``--system`` (Debian and Ubuntu, as root or through sudo). That of
daskreg has what ``pip install`` brings and no extras; the checkout itself is what runs in it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

#: Environments and data; not in the checkout, for they are large.
WHERE = Path(
    os.environ.get("DASKREG_BENCHMARKS", Path(tempfile.gettempdir()) / "daskreg-benchmarks")
)
#: What every child needs besides its library: arrays, sparse files and zarr stores are read by it.
COMMON = ("numpy", "scipy")
CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Environment:
    """What to install for one library.

    Parameters
    ----------
    requirements
        For pip. Old pins have their reason beside them.
    imports
        Modules whose import says that the environment works.
    programs
        Commands of the system that it needs as well.
    """

    requirements: tuple[str, ...]
    imports: tuple[str, ...]
    programs: tuple[str, ...] = ()


ENVIRONMENTS = {
    "daskreg": Environment(("--editable", str(CHECKOUT)), ("daskreg",)),
    "sklearn": Environment(("scikit-learn>=1.9", "zarr>=3"), ("sklearn",)),
    "skglm": Environment(("skglm",), ("skglm",)),
    # celer calls LinearModelCV with a parameter that scikit-learn 1.9 no longer has.
    "celer": Environment(("celer", "scikit-learn<1.9"), ("celer",)),
    "adelie": Environment(("adelie",), ("adelie",)),
    "glum": Environment(("glum",), ("glum",)),
    "dask_glm": Environment(("dask-glm", "dask-ml", "zarr"), ("dask_glm", "dask_ml.linear_model")),
    "spark": Environment(("pyspark>=4", "pyarrow", "pandas", "zarr>=3"), ("pyspark",), ("java",)),
    "h2o": Environment(("h2o", "pyarrow", "pandas", "zarr>=3"), ("h2o",), ("java",)),
    "snapml": Environment(("snapml",), ("snapml",)),
    "glmnet": Environment((), ("numpy",), ("Rscript",)),
    "by_hand": Environment(("scikit-learn>=1.9", "zarr>=3"), ("sklearn", "zarr")),
}
#: Debian's names of what is not Python.
SYSTEM = ("r-base-core", "r-cran-glmnet", "r-cran-matrix")


def interpreter(library: str, where: Path = WHERE) -> Path:
    """Return the path of the Python that runs a library, whether it exists or not."""
    return where / "env" / library / "bin" / "python"


def works(library: str, where: Path = WHERE) -> str:
    """Return an empty text where a library can run, else one line that says what is missing."""
    needs = ENVIRONMENTS[library]
    for program in needs.programs:
        if shutil.which(program) is None:
            return f"the command {program} is not on this machine"
    python = interpreter(library, where)
    if not python.exists():
        return f"no environment: python benchmarks/environments.py {library}"
    code = "; ".join(f"import {name}" for name in needs.imports)
    done = subprocess.run([python, "-W", "ignore", "-c", code], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def make(library: str, where: Path, fresh: bool) -> str:
    """Make one environment; return what is wrong with it, or an empty text."""
    folder = interpreter(library, where).parent.parent
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    if works(library, where) == "":
        return ""
    python = interpreter(library, where)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = [*COMMON, *ENVIRONMENTS[library].requirements]
    done = subprocess.run([python, *install, *wanted], capture_output=True, text=True)
    if done.returncode:
        return "pip: " + "; ".join(done.stderr.strip().splitlines()[-2:])
    return works(library, where)


def install_system() -> None:
    """Install R and glmnet from the packages of Debian or Ubuntu.

    Raises
    ------
    SystemExit
        There is no apt-get, or neither root nor sudo to run it.
    """
    apt = shutil.which("apt-get")
    sudo = [] if os.geteuid() == 0 else [shutil.which("sudo")]
    if apt is None or None in sudo:
        raise SystemExit("R is installed through apt-get as root or with sudo; neither is here.")
    subprocess.run([*sudo, apt, "update", "-q"], check=True)
    install = [apt, "install", "-y", "-q", "--no-install-recommends", *SYSTEM]
    subprocess.run([*sudo, *install], check=True)


def main() -> None:
    """Make the environments and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("libraries", nargs="*", metavar="LIBRARY", help=", ".join(ENVIRONMENTS))
    parser.add_argument("--where", type=Path, default=WHERE, help="default: %(default)s")
    parser.add_argument("--fresh", action="store_true", help="remove what is there first")
    parser.add_argument("--system", action="store_true", help="install R and glmnet with apt-get")
    args = parser.parse_args()
    unknown = set(args.libraries) - set(ENVIRONMENTS)
    if unknown:
        parser.error(f"unknown: {sorted(unknown)}; there are {', '.join(ENVIRONMENTS)}")
    if args.system:
        install_system()
    for library in args.libraries or ENVIRONMENTS:
        wrong = make(library, args.where, args.fresh)
        print(f"{library:10s} {wrong or 'works'}", flush=True)


if __name__ == "__main__":
    main()
