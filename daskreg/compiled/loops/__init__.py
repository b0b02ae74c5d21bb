"""Loops and what compiles them; imported where they are compiled, and by nobody else."""
