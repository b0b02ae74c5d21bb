"""TF32 on request: set around products of passes, put back, and never there for a Gram matrix."""

import sys
import threading
import types

import numpy as np
import pytest

from daskreg._device import tf32_is_wanted
from daskreg.datafit.kernels.cuda.tf32 import rough_products
from daskreg.datafit.kernels.gradient import GradientKernel
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.losses import Multinomial, Squared

from .blocks import blocks, close, device_block
from .emulated import KIND, needs_compiler
from .test_gradient import on_card, on_host, problem

DEFAULT, TF32 = 1, 7


@pytest.fixture
def mode(monkeypatch):
    """What looks like the setting of CuPy; ``during`` has what it was at each product."""
    monkeypatch.setattr("daskreg.datafit.kernels.cuda.launch.tile_lines", lambda n_columns: 2)
    setting = types.SimpleNamespace(now=DEFAULT, during=[])

    def change(dtype, value):
        assert dtype == np.float32
        setting.now = value

    products = types.ModuleType("cupy._core._routines_linalg")
    products.COMPUTE_TYPE_TF32 = TF32
    products.get_compute_type = lambda dtype: setting.now
    products.set_compute_type = change
    core = types.ModuleType("cupy._core")
    core._routines_linalg = products
    monkeypatch.setitem(sys.modules, "cupy", types.ModuleType("cupy"))
    monkeypatch.setitem(sys.modules, "cupy._core", core)
    matmul = KIND.xp.matmul

    def noted(a, b):
        setting.during.append((a.dtype.name, setting.now))
        return matmul(a, b)

    monkeypatch.setattr(KIND.xp, "matmul", noted)
    return setting


@needs_compiler
@pytest.mark.parametrize("wanted", [None, "0", "1"])
@pytest.mark.parametrize("loss", [Squared(), Multinomial()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_mode_is_set_around_products_of_passes_alone(mode, monkeypatch, wanted, loss, dtype):
    monkeypatch.delenv("DASKREG_TF32", raising=False)
    if wanted is not None:
        monkeypatch.setenv("DASKREG_TF32", wanted)
    X, y, weight, offset, kernel, state = problem(loss, 4)
    kernel = GradientKernel(loss, dtype, kernel.labels)
    parts = blocks(X.astype(dtype), y, weight, offset, borders=(100,))
    found = on_card(KIND, kernel, state, parts)
    close(found, on_host(kernel, state, parts), 1e-5)
    expected = TF32 if (wanted, dtype) == ("1", "float32") else DEFAULT
    assert {(dtype, expected)} == set(mode.during)
    assert mode.now == DEFAULT


def test_a_gram_matrix_is_never_rounded(mode, monkeypatch):
    monkeypatch.setenv("DASKREG_TF32", "1")
    X = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    (part,) = blocks(X, X[:, :1].astype(float))
    for gram_dtype in ("float32", "float64"):
        kernel = MomentsKernel(columns=None, gram_dtype=gram_dtype)
        kernel.on_device(device_block(KIND, part), {})
    assert {now for _, now in mode.during} == {DEFAULT}


def test_the_last_of_several_threads_puts_it_back(mode, monkeypatch):
    monkeypatch.setenv("DASKREG_TF32", "1")
    float32, inside, leave = np.dtype("float32"), threading.Event(), threading.Event()

    def other():
        with rough_products(KIND.xp, float32):
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with rough_products(KIND.xp, float32):
        thread.start()
        inside.wait()
    assert mode.now == TF32
    leave.set()
    thread.join()
    assert mode.now == DEFAULT


def test_anything_else_is_refused(monkeypatch):
    monkeypatch.setenv("DASKREG_TF32", "yes")
    with pytest.raises(ValueError, match="DASKREG_TF32 must be 0 or 1; got 'yes'"):
        tf32_is_wanted()
