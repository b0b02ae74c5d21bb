"""What a fit tells its user: the warning when it did not converge, and the labelled result."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning


def warn_unconverged(name: str, solution: Any, n_passes: int, max_iter: int, tol: float) -> None:
    """Warn, naming gap, passes and what to change, unless every problem converged.

    Called from ``fit`` or a path function, whose caller is shown as the place.
    """
    bad = np.flatnonzero(~solution.converged)
    if not bad.size:
        return
    first = solution.status[bad[0]]
    gap = solution.relative_gap[bad]
    if np.isfinite(gap).any():
        measure = f"relative gap {np.nanmax(gap):.2g} against tol={tol:g}"
    else:
        measure = f"optimality violation {solution.violation[bad].max():.2g}, tol={tol:g}"
    who = (
        f"{bad.size} of {solution.status.size} problems" if solution.status.size > 1 else "the fit"
    )
    warnings.warn(
        f"{name}: {who} did not converge ({first}): {measure} after {n_passes} passes over X, "
        f"max_iter={max_iter}. {first.sentence}",
        ConvergenceWarning,
        stacklevel=3,
    )


def solution_dataset(estimator: Any, labels: Any) -> Any:
    """Return the fitted arrays as an ``xarray.Dataset`` labelled with feature and output names.

    ``labels`` is ``design.labels`` or None.  Where X was an xarray object the feature dimensions
    and their coordinates come back; several stacked ones are unstacked.
    """
    import xarray as xr

    coef = np.atleast_2d(estimator.coef_)
    names = getattr(estimator, "feature_names_in_", None)
    output, outputs = _outputs(estimator, coef.shape[0])
    dims, shape = getattr(labels, "dims", ()), getattr(labels, "shape", ())
    if dims:
        coef_array = xr.DataArray(
            coef.reshape((len(coef), *shape)),
            dims=(output, *dims),
            coords={output: outputs, **labels.coords},
        )
    else:
        feature = np.asarray(names if names is not None else np.arange(coef.shape[1]))
        coef_array = xr.DataArray(
            coef, dims=(output, "feature"), coords={output: outputs, "feature": feature}
        )
    data: dict[str, Any] = {"coef": coef_array}
    for name in ("intercept", "dual_gap", "relative_gap", "n_iter", "status", "certificate"):
        value = np.atleast_1d(np.asarray(getattr(estimator, f"{name}_")))
        if value.dtype == object:
            value = value.astype(str)
        value = np.broadcast_to(value, (coef.shape[0],))
        data[name] = (output, value.copy())
    attributes = {
        "estimator": type(estimator).__name__,
        "solver": str(estimator.solver_),
        "n_passes": int(estimator.n_passes_),
        "bytes_read": int(estimator.bytes_read_),
    }
    return xr.Dataset(data, attrs=attributes)


def _outputs(estimator: Any, n_outputs: int) -> tuple[str, Any]:
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        return "class", np.asarray(classes[1:] if n_outputs == 1 else classes)
    names = getattr(estimator, "target_names_", None) or ()
    return "target", np.asarray(names if len(names) == n_outputs else np.arange(n_outputs))
