"""NetCDF files, opened lazily through xarray."""

from __future__ import annotations

import os
from collections.abc import Sequence

from daskreg.exceptions import DataError, MissingDependencyError

from .checks import existing
from .xr import XarrayTable


def netcdf_table(
    path: str | os.PathLike[str], *, sample_dim: str | Sequence[str] | None = None
) -> XarrayTable:
    """Variables of a ``.nc`` file; its header and coordinates are read here.

    Raises
    ------
    DataError
        No such file, not NetCDF, or no such dimension.
    MissingDependencyError
        No library that reads this kind of NetCDF file.
    """
    import xarray

    file = existing(path)
    try:
        data = xarray.open_dataset(file, cache=False)
    except ValueError as error:
        if "engine" in str(error) or "IO backend" in str(error) or "xarray's" in str(error):
            raise MissingDependencyError(
                f"no installed library reads {file}: pip install 'daskreg[netcdf]' ({error})"
            ) from error
        raise DataError(f"{file} cannot be opened: {error}") from error
    except OSError as error:
        raise DataError(f"{file} is not a readable NetCDF file: {error}") from error
    return XarrayTable(data, sample_dim=sample_dim, describe=f"netcdf {file.name}")
