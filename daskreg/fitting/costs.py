"""What a pass over X and a Hessian in memory cost, roughly: which of them a solver should spare.

A sampled Hessian takes two to three passes fewer than each that a shared Gram matrix takes where
rows differ much (coupled classes 11 instead of 26, rare classes with weights 17 instead of 42),
and builds one Hessian a pass.  So it pays where the Hessian costs less than a pass.  Measured in
memory, seconds on one core for the same relative gap of 1e-6, Gram matrix against sample: 10
classes x 60 columns 0.38 and 0.81, rare classes of 20,000 x 300 0.94 and 1.32, of 200,000 x 300 2.6
and 2.2, 9,000 x 300 without either 0.15 and 0.32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Bytes a second that come anew in each pass, and that a core takes from memory.
READ_RATE, MEMORY_RATE = 1e9, 5e9
#: Multiplications a second of one core in the products of a pass, and in a Gram matrix of rows.
PASS_RATE, GRAM_RATE = 5e9, 2e10
#: Factorisations of a step, in multiplications for each cube of its coefficients.
FACTORS = 2
#: Seconds of a pass over next to nothing, and of a Hessian that nobody notices.
LEAST_PASS, UNNOTICED = 0.005, 0.01


@dataclass(frozen=True)
class Costs:
    """Seconds of one pass with all problems, and of the Hessians of one step of them.

    Attributes
    ----------
    one_pass, hessians : float
    """

    one_pass: float
    hessians: float

    @classmethod
    def of(
        cls,
        n_rows: int,
        n_features: int,
        sample_rows: int,
        n_columns: int = 1,
        *,
        n_outputs: int = 1,
        kept_bytes: float = 0.0,
        read_bytes: float = 0.0,
        n_threads: int = 1,
    ) -> Costs:
        """Foresee them.

        Parameters
        ----------
        n_rows, n_features, sample_rows : int
        n_columns : int
            Problems times their outputs.
        n_outputs : int
        kept_bytes, read_bytes : float
            Of X, kept in memory between passes or read in each.
        n_threads : int
            Of all workers.
        """
        in_memory = 2.0 * n_rows * n_features * n_columns / PASS_RATE + kept_bytes / MEMORY_RATE
        one_pass = LEAST_PASS + max(in_memory / max(1, n_threads), read_bytes / READ_RATE)
        width = float(n_features * n_outputs)
        a_step = sample_rows * width**2 + FACTORS * width**3
        return cls(one_pass, a_step * (n_columns // n_outputs) / GRAM_RATE)

    @classmethod
    def planned(cls, plan: Any, sample_rows: int, n_problems: int, n_outputs: int) -> Costs:
        """Foresee them for rows that are placed as the plan says."""
        return cls.of(
            plan.n_rows or 0,
            plan.n_columns,
            sample_rows,
            n_problems * n_outputs,
            n_outputs=n_outputs,
            kept_bytes=max(0, plan.total_bytes - plan.bytes_streamed),
            read_bytes=plan.bytes_streamed,
            n_threads=plan.n_threads * plan.n_workers,
        )

    @property
    def favour_sample(self) -> bool:
        """Whether Hessians of a sample cost less than the passes that they spare."""
        return self.hessians <= max(self.one_pass, UNNOTICED)

    @property
    def sentence(self) -> str:
        """Both, for the plan."""
        return f"about {self.hessians:.2g} s a step, a pass {self.one_pass:.2g} s"
