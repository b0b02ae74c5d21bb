"""``as_design``: from what users have to rows that can be summed over."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from daskreg.exceptions import DaskregError, DataError

from .columns import Columns
from .design import Design
from .host import parse_bytes
from .passes.retries import passes, persistently
from .passes.tier import check_cache
from .ready import Readiness
from .recognise import open_rows
from .sources.base import Rows, Table


def as_design(
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    *,
    groups: Any = None,
    memory_limit: str | int | None = None,
    block_size: str | int | None = None,
    missing_chunks: str = "raise",
    sample_dim: str | Sequence[str] | None = None,
    scratch: str | None = None,
    cache: str | None = "auto",
    worker_timeout: float | None = None,
    feature_names: Sequence[str] | None = None,
) -> Design:
    """Look at data where it lies; nothing is read yet.

    Parameters
    ----------
    X : array, data frame, collection, store or path of shape (n_samples, n_features)
        numpy, ``np.memmap``, scipy.sparse, pandas, polars, Dask array or frame, xarray DataArray
        or Dataset, zarr array, or the path of a ``.npy``, ``.zarr``, ``.parquet``, ``.nc`` or
        ``.csv``.
    y : array of shape (n_samples,) or (n_samples, n_targets), or column name(s) of X, optional
        May be chunked otherwise than X, or be the path of a file of its own.
    sample_weight : array of shape (n_samples,) or column name, optional
    offset : array of shape (n_samples,) or (n_samples, n_targets), or column name, optional
    groups : array of shape (n_samples,) or column name, optional
        Which rows belong together, of any type that has no missing values: numbers or strings.
    memory_limit : str or int, optional
        Bytes a process may use, as in Dask: ``"4GiB"``. Default: what the workers have, or the
        memory of the machine.
    block_size : str or int, optional
        Bytes of a block; default ``min(64 MiB, 1/8 of the memory left)``, smaller for small data.
    missing_chunks : {'raise', 'fill'}
        What to do about chunks that a zarr store lacks.
    sample_dim : str or sequence of str, optional
        The dimension(s) of xarray data that are rows; default the first one.
    scratch : path, optional
        Folder for temporary files; on a cluster of several machines one that they share.
    cache : {'auto', 'memory', 'disk', None}
        Where blocks stay between passes, as far as they fit: in memory, the rest on a local disk
        where the first reads show that this is faster than their source ('auto') or in any case
        ('disk'); in memory alone; or nowhere.  Workers use their own local folders for it.
    worker_timeout : float, optional
        Seconds that a pass waits while a Dask cluster has no worker at all; default Dask's
        ``no-workers-timeout``, else 300.
    feature_names : sequence of str, optional
        Of a table: the columns to use, in this order. Otherwise: the names of the columns.

    Returns
    -------
    Design

    Raises
    ------
    DataError
        Unusable types, shapes and names.
    ValueError
        Another ``cache``.

    Examples
    --------
    >>> import numpy as np
    >>> design = as_design(np.eye(3), [1.0, 2.0, 3.0])
    >>> design.n_samples, design.n_features
    (3, 3)
    """
    check_cache(cache)
    opened = _open(X, "X", missing_chunks, sample_dim)
    named = {"y": y, "sample_weight": sample_weight, "offset": offset, "groups": groups}
    table = opened if isinstance(opened, Table) else None
    names = {role: _names(value, table) for role, value in named.items()}
    taken = [name for chosen in names.values() for name in chosen]
    rows = _features(opened, feature_names, taken)
    others: dict[str, Rows | None] = {}
    for role, value in named.items():
        beside = _member_beside(X, names[role]) if table is None else None
        if value is None:
            others[role] = None
        elif names[role] and beside is None:
            others[role] = _columns_of(table, opened, names[role], role)
        else:
            found = _open(beside or value, role, missing_chunks, sample_dim)
            others[role] = found.rows(found.columns) if isinstance(found, Table) else found
    columns = Columns(rows, **others)
    ready = Readiness(scratch)
    return Design(
        columns,
        memory_limit=parse_bytes(memory_limit),
        block_size=parse_bytes(block_size, "block_size"),
        feature_names=_text_names(feature_names, rows),
        ready=ready,
        cache=cache,
        worker_timeout=worker_timeout,
    )


def _open(value: Any, role: str, missing_chunks: str, sample_dim: Any) -> Rows | Table:
    """What is given for a role; storage that fails for the moment is asked again."""

    def opened() -> Rows | Table:
        return open_rows(value, missing_chunks=missing_chunks, sample_dim=sample_dim, role=role)

    try:
        return persistently(opened, lambda: None, role)
    except Exception as error:
        if isinstance(error, DaskregError) or not passes(error):
            raise
        what = os.fspath(value) if isinstance(value, str | os.PathLike) else type(value).__name__
        raise DataError(
            f"{role} ({what}) cannot be opened: {type(error).__name__}: {error}. The storage "
            "failed again and again: try later"
        ) from error


def _names(value: Any, table: Table | None) -> list[str]:
    """Column names, where that is what was given for something beside X (and no path)."""
    if isinstance(value, str):
        known = table is not None and value in table.columns
        return [] if not known and _is_path(value) else [value]
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        return list(value)
    return []


def _member_beside(X: Any, names: list[str]) -> str | None:
    """The path of a member of the zarr group that X lies in, if it is called so."""
    if not isinstance(X, str | os.PathLike) or len(names) != 1:
        return None
    path = os.path.join(os.fspath(X), names[0])
    return path if ".zarr" in path and os.path.isdir(path) else None


def _is_path(text: str) -> bool:
    return os.path.exists(text) or (os.sep in text and bool(os.path.splitext(text)[1]))


def _features(
    opened: Rows | Table, feature_names: Sequence[str] | None, taken: Sequence[str]
) -> Rows:
    if isinstance(opened, Table):
        opened.require(taken)
        left = [name for name in opened.columns if name not in taken]
        chosen = list(feature_names) if feature_names is not None else left
        opened.require(chosen)
        if not chosen:
            beside = f" beside {', '.join(map(repr, taken))}" if taken else ""
            raise DataError(f"{opened.describe} has no column that can be X{beside}")
        twice = [name for name in chosen if name in taken]
        if twice:
            raise DataError(
                f"{twice[0]!r} cannot be a feature: it is y, the weights, the offset or the groups"
            )
        return opened.rows(chosen)
    if feature_names is not None and len(feature_names) != opened.n_columns:
        raise DataError(
            f"feature_names has {len(feature_names)} names but X has {opened.n_columns} columns"
        )
    return opened


def _columns_of(table: Table | None, opened: Any, names: list[str], role: str) -> Rows:
    if table is None:
        raise DataError(
            f"{role}={names[0]!r} names a column, but X ({opened.describe}) has no named columns: "
            f"pass {role} as an array or X as a table"
        )
    return table.rows(names)


def _text_names(feature_names: Sequence[str] | None, rows: Rows) -> tuple[str, ...] | None:
    names = rows.names  # a variable of labelled arrays is many columns
    if feature_names is not None and len(feature_names) == rows.n_columns:
        names = tuple(feature_names)
    if names is None or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)
