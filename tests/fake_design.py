"""A design that holds its rows in memory and cuts them into blocks as it is told."""

from __future__ import annotations

import numpy as np

from daskreg.design.blocks import Block


class FakeDesign:
    """Rows cut at ``borders``; partials are added pairwise, neighbours first."""

    def __init__(self, X, y, sample_weight=None, offset=None, borders=()):
        self.X, self.y = X, np.asarray(y)
        if self.y.ndim == 1:
            self.y = self.y[:, None]
        self.sample_weight = sample_weight
        self.offset = None if offset is None else np.asarray(offset).reshape(len(self.y), -1)
        self.borders = [0, *borders, X.shape[0]]
        self.n_samples, self.n_features = X.shape
        self.n_targets = self.y.shape[1]
        self.dtype = X.dtype
        self.sparse = hasattr(X, "indptr")
        self.has_weights = sample_weight is not None
        self.has_offset = offset is not None
        self.reads_columns = True
        self.journal = None
        self.memory_limit = self.process_memory = None
        self.n_passes = 0
        self.n_sweeps = 0

    @property
    def row_nbytes(self):
        if self.sparse:
            return self.X.nnz * (self.dtype.itemsize + 4) / self.n_samples
        return self.n_features * self.dtype.itemsize

    @property
    def most_columns(self):
        return self.n_features

    @property
    def spare_bytes(self):
        return 1 << 30

    @property
    def hands(self):
        """Two shards."""
        return [None, None]

    def select(self, columns):
        """Some of the columns; where they cannot be read alone this is a pass."""
        self.n_passes += not self.reads_columns
        part = FakeDesign(self.X[:, columns], self.y, self.sample_weight, self.offset)
        part.borders = self.borders
        return part

    def prepare(self, **work):
        """Nothing is placed."""

    def close(self):
        self.closed = True

    def blocks(self):
        for index, (start, stop) in enumerate(zip(self.borders, self.borders[1:], strict=False)):
            if stop > start:
                rows = slice(start, stop)
                weight = None if self.sample_weight is None else self.sample_weight[rows]
                offset = None if self.offset is None else self.offset[rows]
                yield Block(self.X[rows], self.y[rows], weight, offset, start, index)

    def sum_over_rows(self, kernel, state=None):
        if getattr(kernel, "reads_X", True):
            self.n_passes += 1
        else:
            self.n_sweeps += 1
        partials = [kernel(block, state or {}) for block in self.blocks()]
        while len(partials) > 1:
            pairs = [partials[i : i + 2] for i in range(0, len(partials), 2)]
            partials = [pair[0] + pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
        return partials[0]
