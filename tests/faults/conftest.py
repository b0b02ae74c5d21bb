"""What tests of lost workers define travels to them by value."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import cloudpickle
import pytest

from tests.design import helpers

from . import common


@pytest.fixture(scope="module", autouse=True)
def helpers_travel_by_value(request: pytest.FixtureRequest) -> Iterator[None]:
    modules = (helpers, common, sys.modules[request.module.__name__])
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    yield
    for module in modules:
        cloudpickle.unregister_pickle_by_value(module)
