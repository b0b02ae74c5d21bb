"""Labelled arrays in, labelled coefficients out: one cell of a grid regressed on all the others.

The same works on a file: ``xarray.open_dataset("grid.nc")["tas"]``.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from daskreg import Lasso


def main() -> None:
    field = waves()
    cells = field.stack(cell=("latitude", "longitude"))
    here = (cells.latitude == 40) & (cells.longitude == 250)

    model = Lasso(alpha=0.1).fit(cells[:, ~here.values], cells[:, here.values].squeeze("cell"))

    coef = model.solution_["coef"].squeeze("target").to_series()
    print(coef[coef != 0])
    print(f"relative gap {model.relative_gap_:.1e}, passes: {model.n_passes_}")


def waves() -> xr.DataArray:
    """Noise that is alike in neighbouring cells."""
    noise = np.random.default_rng(0).normal(size=(500, 8, 10))
    smooth = noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=2)
    return xr.DataArray(
        smooth,
        dims=("time", "latitude", "longitude"),
        coords={"latitude": np.linspace(20, 55, 8), "longitude": np.linspace(230, 275, 10)},
        name="tas",
    )


if __name__ == "__main__":
    main()
