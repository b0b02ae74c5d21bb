"""What there is to say of a fit afterwards, as plain data that a model file keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from .pace import duration
from .words import PHASES, TIERS, precise


@dataclass(frozen=True)
class FitReport:
    """How a fit went: made by ``fit``, saved with the model, shown as a page by ``daskreg report``.

    Everything in it is plain data: ``to_dict()`` is what JSON can hold, with None for NaN.

    Attributes
    ----------
    estimator, status, solver, reason : str
        ``reason`` says why the solver was taken.
    tol, gap : float
        Relative gap asked for and reached; NaN where no bound is known.
    n_passes : int
    seconds : dict of str to float
        ``total`` and ``passes`` are wall time; so are ``solve``, all that was no pass, and
        ``reduce``.  ``read``, ``decode``, ``compute`` and ``wait`` are those of every thread that
        worked on blocks, added up: reading goes on while kernels compute.
    bytes : dict of str to int
        Decoded bytes that passes took from ``memory``, from spools on local ``disk`` and from the
        ``source``; ``pinned`` and ``spooled`` are kept at the end.
    memory : dict
        ``planned`` and ``limit`` of a process, and ``measured``: most bytes by its address ("" is
        this process).  Where a process held more before the fit, the most that it held at the end
        of a pass.
    iterations, passes : dict of str to list
        Columns of the convergence and of the passes, thinned out where there are very many.
    shards : list of dict
        Of the last pass: where each shard lives, its rows, bytes by tier and seconds.
    events : list of dict
        What happened on the way: ``kind``, ``message``, ``time`` in seconds, ``n_pass``,
        ``details``.
    n_events_left_out : int
    path, scores : dict or None
        Largest coefficients along the alphas, and scores of the alphas, where there are several.
    plan : str
    """

    estimator: str = ""
    status: str = ""
    solver: str = ""
    reason: str = ""
    tol: float = math.nan
    gap: float = math.nan
    n_passes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    iterations: dict[str, list[Any]] = field(default_factory=dict, repr=False)
    passes: dict[str, list[Any]] = field(default_factory=dict, repr=False)
    shards: list[dict[str, Any]] = field(default_factory=list, repr=False)
    events: list[dict[str, Any]] = field(default_factory=list, repr=False)
    n_events_left_out: int = 0
    path: dict[str, Any] | None = field(default=None, repr=False)
    scores: dict[str, Any] | None = field(default=None, repr=False)
    plan: str = field(default="", repr=False)

    _numbers: ClassVar[tuple[str, ...]] = ("tol", "gap")

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; None stands for NaN and infinity.

        Examples
        --------
        >>> FitReport(estimator="Lasso", n_passes=3).to_dict()["gap"] is None
        True
        """
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FitReport:
        """Invert ``to_dict``.

        Raises
        ------
        ValueError
            For anything that is no such dict; entries of later versions are left aside.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"a fit report is a dict, got {type(values).__name__}")
        empty = cls()
        known: dict[str, Any] = {}
        for one in fields(cls):
            value = values.get(one.name, getattr(empty, one.name))
            if one.name in cls._numbers:
                value = math.nan if value is None else value
            if one.name in ("path", "scores"):
                fits = value is None or isinstance(value, dict)
            else:
                kind = type(getattr(empty, one.name))
                fits = isinstance(value, (int, float) if kind is float else kind)
            if not fits:
                raise ValueError(f"the entry {one.name!r} of a fit report is a {type(value)}")
            known[one.name] = value
        return cls(**known)

    @property
    def measured(self) -> int | None:
        """Most bytes of a process that made passes; None where nothing was measured."""
        return max(self.memory.get("measured", {}).values(), default=None)

    def __str__(self) -> str:
        from daskreg.design.host import format_bytes

        def sizes(names: dict[str, str]) -> str:
            held = {name: self.bytes.get(name, 0) for name in names}
            # Most machines have no cards.
            told = {name: n for name, n in held.items() if n or name != "device"}
            return ", ".join(f"{format_bytes(n)} {names[name]}" for name, n in told.items())

        lines = [f"{self.estimator}: {self.status}"]
        if math.isfinite(self.gap):
            lines[0] += f", relative gap {self.gap:.2g} (tol {self.tol:g})"
        lines.append(f"solver     {self.solver}: {self.reason}")
        if self.seconds:
            lines.append(
                f"passes     {self.n_passes:,} in {precise(self.seconds['passes'])} of "
                f"{precise(self.seconds['total'])}"
            )
            told = (f"{name} {precise(self.seconds[name])}" for name in PHASES)
            lines.append(f"seconds    {', '.join(told)}")
        if self.bytes:
            lines.append(f"bytes      {sizes(TIERS)}")
        if self.measured is not None:
            planned = self.memory.get("planned")
            known = "" if planned is None else f", {format_bytes(planned)} planned"
            lines.append(f"memory     {format_bytes(self.measured)} at most in a process{known}")
        for event in self.events[-10:]:
            lines.append(f"event      {duration(event['time'])}: {event['message']}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from .fit_report_html import summary_html

        return summary_html(self)


def _plain(value: Any) -> Any:
    """The same with None for floats that JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
