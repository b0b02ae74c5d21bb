"""What a fit tells its user: the warning when it did not converge, and the labelled result."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from daskreg._array import places
from daskreg._callers import outside
from daskreg.design.host import format_bytes

from ._scikit_learn import ConvergenceWarning


def warn_unconverged(name: str, solution: Any, n_passes: int, max_iter: int, tol: float) -> None:
    """Warn, naming gap, passes and what to change, unless every problem converged."""
    bad = places(~solution.converged)
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
        stacklevel=outside(),
    )


def warn_of_memory(fitted: Any) -> None:
    """Warn, naming the alphas, where paths ended since their columns fill the memory.

    Parameters
    ----------
    fitted : Fitted
        Of all problems.
    """
    status, alpha = fitted.solution.status, fitted.alpha
    ended = status == "memory"
    if not ended.any():
        return
    room, limit = fitted.room
    solved = alpha[fitted.solution.converged]
    reached = f"alphas down to {solved.min():.4g} are solved" if solved.size else "none is solved"
    warnings.warn(
        f"{int(ended.sum())} of {ended.size} problems use more columns than the memory holds "
        f"beside the rest of the fit ({room}, under memory_limit {format_bytes(limit)}), the "
        f"largest at alpha={alpha[ended].max():.4g}; {reached}. {status[ended][0].sentence}",
        ConvergenceWarning,
        stacklevel=outside(),
    )


def solution_dataset(estimator: Any, labels: Any) -> Any:
    """Return the fitted arrays as an ``xarray.Dataset`` labelled with feature and output names.

    ``labels`` is ``design.labels`` or None.  Where X was an xarray object the feature dimensions
    and their coordinates come back; several stacked ones are unstacked.
    """
    import xarray as xr

    coef = np.atleast_2d(estimator.coef_)
    output, outputs = _outputs(estimator, coef.shape[0])
    coef_array = _labelled(coef, (output,), {output: outputs}, estimator, labels)
    data: dict[str, Any] = {"coef": coef_array}
    for name in ("intercept", "dual_gap", "relative_gap", "n_iter", "status", "certificate"):
        value = np.atleast_1d(np.asarray(getattr(estimator, f"{name}_")))
        if value.dtype == object:
            value = value.astype(str)
        value = np.broadcast_to(value, (coef.shape[0],))
        data[name] = (output, value.copy())
    return xr.Dataset(data, attrs=_attributes(estimator))


def path_dataset(estimator: Any, paths: Any, labels: Any) -> Any:
    """Return a whole path as an ``xarray.Dataset``, whatever was chosen of it.

    ``coef`` has the dimensions (target, l1_ratio, alpha, feature), of which target and l1_ratio
    are there only where there are several; ``scores``, if folds have chosen, has the folds in
    front.  Where every path
    has the same alphas these are the coordinate of alpha; ``alphas`` holds them in any case.
    """
    import xarray as xr

    n_targets, n_ratios, n_alphas = paths.alpha.shape
    single = n_targets == 1, n_ratios == 1, False
    places = tuple(axis for axis, alone in enumerate(single) if alone)
    output, outputs = _outputs(estimator, n_targets)
    names = (output, "l1_ratio", "alpha")
    dims = tuple(name for name, alone in zip(names, single, strict=True) if not alone)
    same = bool((paths.alpha == paths.alpha[0, 0]).all())
    values = {
        output: outputs,
        "l1_ratio": paths.l1_ratio,
        "alpha": paths.alpha[0, 0] if same else np.arange(n_alphas),
    }
    coords = {name: values[name] for name in dims}
    coef = _labelled(paths.coef.squeeze(places), dims, coords, estimator, labels)
    data: dict[str, Any] = {"coef": coef, "alphas": (dims, paths.alpha.squeeze(places))}
    for name in ("intercept", "dual_gap", "relative_gap", "n_iter", "n_passes", "status"):
        data[name] = (dims, getattr(paths, name).squeeze(places))
    data["n_nonzero"] = (dims, np.count_nonzero(paths.coef, axis=-1).squeeze(places))
    for name, values_of in paths.further.items():
        data[name] = (dims, values_of.squeeze(places))
    if paths.scores is not None:
        scores = paths.scores.squeeze(tuple(place + 1 for place in places))
        data["scores"] = (("fold", *dims), scores)
    return xr.Dataset(data, attrs=_attributes(estimator))


def _attributes(estimator: Any) -> dict[str, Any]:
    return {
        "estimator": type(estimator).__name__,
        "solver": str(estimator.solver_),
        "n_passes": int(estimator.n_passes_),
        "bytes_read": int(estimator.bytes_read_),
    }


def _labelled(
    coef: Any, dims: tuple[str, ...], coords: dict[str, Any], estimator: Any, labels: Any
) -> Any:
    """Return coefficients, features last, with the names that the columns of X have."""
    import xarray as xr

    places, shape = getattr(labels, "dims", ()), getattr(labels, "shape", ())
    if places:
        return xr.DataArray(
            coef.reshape((*coef.shape[:-1], *shape)),
            dims=(*dims, *places),
            coords={**coords, **labels.coords},
        )
    names = getattr(estimator, "feature_names_in_", None)
    feature = np.asarray(names if names is not None else np.arange(coef.shape[-1]))
    return xr.DataArray(coef, dims=(*dims, "feature"), coords={**coords, "feature": feature})


def _outputs(estimator: Any, n_outputs: int) -> tuple[str, Any]:
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        return "class", np.asarray(classes[1:] if n_outputs == 1 else classes)
    names = getattr(estimator, "target_names_", None) or ()
    return "target", np.asarray(names if len(names) == n_outputs else np.arange(n_outputs))
