"""Penalties: what they cost, their prox, their optimality conditions and their conjugate.

A penalty knows the coefficients only.  Arrays of coefficients are (n_features, n_outputs,
n_problems); everything that depends on alpha has the problems on its last axis.  What takes
coefficients takes arrays of any library that knows the array API, on any device, and returns the
like; the penalty itself is small and stays on the host.
"""

from __future__ import annotations

from .elastic_net import L1, L2, ElasticNet
from .strongest import alpha_max

__all__ = ["L1", "L2", "ElasticNet", "alpha_max"]
