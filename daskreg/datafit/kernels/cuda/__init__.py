"""Kernels on a card: the same sums, as array functions and as CUDA C."""
