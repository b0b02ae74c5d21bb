"""Labelled arrays in, labelled coefficients out: one time series on a grid of others."""

from __future__ import annotations

import numpy as np
import xarray as xr

from daskreg import ElasticNet


def main() -> None:
    rng = np.random.default_rng(0)
    field = xr.DataArray(
        rng.normal(size=(500, 6, 8)),
        dims=("time", "latitude", "longitude"),
        coords={"latitude": np.linspace(20, 70, 6), "longitude": np.linspace(-130, -60, 8)},
    )
    index = 2 * field.sel(latitude=40, longitude=-90) - field[:, 0, 0]

    model = ElasticNet(alpha=0.05, l1_ratio=0.9).fit(field, index, sample_dim="time")

    coef = model.solution_["coef"].squeeze()
    print(coef.dims, coef.shape)
    print(coef.where(abs(coef) > 0.5).to_series().dropna())


if __name__ == "__main__":
    main()
