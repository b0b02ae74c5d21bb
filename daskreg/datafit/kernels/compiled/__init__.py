"""Kernels in machine code; imported only where the data are large enough to pay for it."""
