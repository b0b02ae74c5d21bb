"""Dask collections as rows: their graphs cut into recipes."""
