"""A plan that is made again, for work that only the first pass tells of."""

import numpy as np

from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.design import as_design
from daskreg.design.host import peak_memory
from daskreg.design.plan import HEADROOM
from daskreg.design.workers import LOCAL_SHARE


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
