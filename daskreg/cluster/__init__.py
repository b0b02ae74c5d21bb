"""One-line starters of Dask clusters; the library itself never starts one.

Each returns a ``distributed.Client``, which every fit in this process uses while it is open, and
which ends what was started when it is closed.  Nothing listens beyond this machine unless an
``interface`` says so: whoever can reach a Dask scheduler can run code on it.  ``security`` encrypts
and asks for a key: True makes one for this cluster alone, a folder is one of ``tls_files``.
"""

from __future__ import annotations

from ._connect import connect
from ._cuda import cuda
from ._local import local
from ._mpi import mpi
from ._security import tls_files
from ._slurm import slurm

__all__ = ["connect", "cuda", "local", "mpi", "slurm", "tls_files"]
