"""No sum and no state is forgotten: what passes return and loops hold can be kept."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import daskreg.datafit
import daskreg.solvers
from daskreg.design.partials import Sums
from daskreg.linear_model._checkpoint import KEPT


def classes_of(package: object) -> Iterator[type]:
    path, name = package.__path__, package.__name__  # type: ignore[attr-defined]
    for found in pkgutil.walk_packages(path, f"{name}."):
        module = importlib.import_module(found.name)
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ == found.name:
                yield cls


def test_every_sum_over_rows_can_be_kept() -> None:
    # Other kinds of ``Sums`` live on a card alone: what is fetched from it is plain.
    sums = [
        cls
        for cls in classes_of(daskreg.datafit)
        if "__add__" in vars(cls) and not issubclass(cls, Sums)
    ]
    assert len(sums) >= 6
    for cls in sums:
        assert KEPT.name(cls)


def test_every_state_of_a_solver_can_be_kept() -> None:
    states = [
        cls
        for cls in classes_of(daskreg.solvers)
        if is_dataclass(cls) and "candidates" in {field.name for field in fields(cls)}
    ]
    assert len(states) >= 4
    for cls in states:
        assert KEPT.name(cls)
