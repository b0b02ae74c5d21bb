"""All CUDA C compiles for three generations of cards, and keeps its numbers in registers."""

import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from daskreg.datafit.kernels.cuda.descent import descent_source
from daskreg.datafit.kernels.cuda.program import MOST_FEATURES, OPTIONS, Program
from daskreg.losses import Logistic, Squared

from .nvrtc import compiled

pytestmark = [
    pytest.mark.nvrtc,
    pytest.mark.skipif(
        importlib.util.find_spec("cuda") is None or importlib.util.find_spec("nvidia") is None,
        reason="needs the extra nvrtc: pip install 'daskreg[nvrtc]'",
    ),
]


def lone(stored, n_features, product="float32", shifted=True, loss=None):
    return Program(loss or Logistic(), stored, product, n_features, shifted, has_offset=True)


PROGRAMS = [
    lone("float32", 10),
    lone("float32", 256, shifted=False),
    lone("float32", MOST_FEATURES["float32"]),
    lone("float32", 999),
    lone("float16", MOST_FEATURES["float32"]),
    lone("int8", 256),
    lone("uint8", MOST_FEATURES["float32"]),
    lone("bool", 500),
    lone("int16", 300),
    lone("float16", 256),
    lone("float16", 256, shifted=False),
    lone("bfloat16", 256),
    lone("bfloat16", MOST_FEATURES["float32"]),
    lone("uint16", 155),
    # Two bytes a number and many rows, which a compiler may keep decoded.
    lone("float16", 256, shifted=False, loss=Squared()),
    lone("bfloat16", 256, loss=Squared()),
    lone("int16", 255, shifted=False),
    lone("bfloat16", 223),
    lone("float16", 126, loss=Squared()),
    lone("uint16", 252, loss=Squared()),
    lone("float16", 512, shifted=False),
    lone("int8", 512),
    lone("bool", 256, shifted=False),
    lone("int8", 160),
    lone("float64", MOST_FEATURES["float64"], "float64"),
    lone("float16", MOST_FEATURES["float64"], "float64"),
    lone("bool", 128, "float64"),
    lone("int8", MOST_FEATURES["float64"], "float64"),
    lone("float64", 96, "float64", shifted=False, loss=Squared()),
    Program(Logistic(), "float32", "float32", has_offset=True),
    Program(Logistic(), "float64", "float64"),
    Program(Squared(), "float32", "float32"),
    Program(Logistic(), "float32", "float64", has_offset=True, indices=("int32", "int32")),
    Program(Squared(), "float64", "float64", indices=("int64", "int64")),
]


CARDS = ["sm_75", "sm_80", "sm_90"]


@pytest.fixture(scope="module")
def all_compiled():
    """Everything for every card, by as many threads as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            (place, card): pool.submit(compiled, program.source, card, OPTIONS)
            for place, program in enumerate(PROGRAMS)
            for card in CARDS
        }


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("place", range(len(PROGRAMS)))
def test_nothing_spills(place, card, all_compiled):
    program = PROGRAMS[place]
    found = all_compiled[place, card].result()
    assert {usage.name for usage in found} == set(program.kernels)
    for usage in found:
        assert usage.card == card
        assert usage.spilled == 0, usage
        assert usage.stack == 0, usage


@pytest.mark.parametrize("card", ["sm_75", "sm_80", "sm_90"])
def test_descent_keeps_its_numbers_in_registers(card):
    (usage,) = compiled(descent_source(), card, OPTIONS)
    assert (usage.name, usage.card) == ("descend", card)
    assert usage.spilled == usage.stack == 0, usage


def test_a_spill_would_be_seen():
    # Far too many rows for the registers that the launch bounds leave.
    program = lone("float32", 1024)
    crowded = program.source.replace("#define ROWS 2\n", "#define ROWS 16\n")
    assert crowded != program.source
    assert any(usage.spilled for usage in compiled(crowded, "sm_80", OPTIONS))
