"""A plan that is made again, for work that only the first pass tells of."""

import numpy as np
import pytest

from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.design import as_design
from daskreg.design.host import peak_memory
from daskreg.design.terms import HEADROOM
from daskreg.design.work import Beside
from daskreg.design.workers import LOCAL_SHARE
from daskreg.exceptions import MemoryPlanError


def test_what_shards_have_pinned_is_not_counted_against_them(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((60_000, 64)))
    limit = int((peak_memory() + HEADROOM + (200 << 20)) / LOCAL_SHARE)
    y = np.zeros(60_000)
    with as_design(str(tmp_path / "X.npy"), y, memory_limit=limit) as design:
        before = design.prepare(None, 1 << 20, 1 << 20)
        design.sum_over_rows(MomentsKernel())
        pinned = design.bytes_pinned
        assert pinned > 25 << 20
        after = design.prepare(None, 1 << 20, 2 << 20)
        term = "process as it stands"
        assert after.memory[term] == before.memory[term]
        assert after.memory["kernel temporaries"] == 2 * before.memory["kernel temporaries"]
        design.sum_over_rows(MomentsKernel())
        assert design.n_passes == 2
        assert design.bytes_pinned == after.bytes_pinned


def test_another_design_that_is_read_in_turn_has_its_place(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((60_000, 64)))
    needs = None, 1 << 20, 8 << 20
    with as_design(str(tmp_path / "X.npy"), np.zeros(60_000)) as design:
        alone = design.prepare(*needs)
        own = alone.beside
        assert own.kept == alone.memory["blocks pinned between passes"] > 0
        assert own.passing > 2 * (8 << 20)  # temporaries of a kernel, and blocks
        term = "other rows, read in turn"
        assert alone.memory[term] == 0
        # What passes take is there already where they do not need more than this one's.
        assert design.prepare(*needs, beside=Beside(5 << 20, own.passing)).memory[term] == 5 << 20
        plan = design.prepare(*needs, beside=Beside(5 << 20, own.passing + 1000))
        assert plan.memory[term] == (5 << 20) + 1000
    # So much that less of X is kept, and so much that nothing goes.
    free = alone.usable - alone.peak + own.kept
    with as_design(str(tmp_path / "X.npy"), np.zeros(60_000)) as design:
        less = design.prepare(*needs, beside=Beside(free - (10 << 20)))
        assert less.peak <= less.usable
        assert less.bytes_pinned < alone.bytes_pinned
        with pytest.raises(MemoryPlanError, match="other rows, read in turn"):
            design.prepare(*needs, beside=Beside(free + (10 << 20)))
