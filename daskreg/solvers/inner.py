"""Steps that minimise a nonlinear model in memory: the rows of a sample, put right to first order.

The model at x is :math:`f_S(x + d) + (\\nabla f(x) - \\nabla f_S(x))^T d` plus the penalty, with
:math:`f_S` the mean loss of the sample: its gradient is exact at d = 0, and it bends as the loss
does, also far from x, where a quadratic does not.
"""

from __future__ import annotations

import numpy as np

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .metric import Metric
from .protocols import SampleView
from .sampled import SampleCurvature, sample_curvature
from .subproblem import Aim, candidate_step

#: Newton steps at most, and halvings of one.  The rows of a sample may be separable where all rows
#: are not: more steps than a few lead far beyond the optimum.
MAX_STEPS, MAX_HALVINGS = 4, 8
#: Newton steps at most to the optimum itself.
MAX_STEPS_WHOLE = 12
#: A step that gains less than this share of what all have gained is the last one.
ENOUGH = 0.01


def nonlinear_step(
    view: SampleView,
    penalty: ElasticNet,
    position: Float,
    grad: Float,
    n_outputs: int,
    least: float,
    aim: Aim,
    to_the_end: bool = False,
) -> Float:
    """Minimise the model of one problem by Newton's method, roughly.

    Parameters
    ----------
    view : SampleView
    penalty : ElasticNet
        Of one problem, with one weight per flattened coefficient.
    position, grad : arrays of shape (n,)
        Flattened point and exact gradient of the smooth part there.
    n_outputs : int
    least : float
        Smallest curvature of the loss by eta that counts.
    aim : Aim
        How far each quadratic is solved.
    to_the_end : bool
        Minimise it as far as is asked for: where the sample has all rows the model is the
        objective, and passes in which nothing new is learnt are saved.

    Returns
    -------
    array of shape (n,)
        Zeros where no step descends.

    References
    ----------
    Shamir, Srebro and Zhang (2014), Communication-efficient distributed optimization using an
    approximate Newton-type method, eq. 4.
    """
    q = n_outputs

    def at(where: Float) -> tuple[float, Float]:
        value, slope, slope0 = view.value_and_grad(where[:-q].reshape(-1, q), where[-q:])
        value += float(shift @ where + penalty.value(where[:-q, None, None])[0])
        return value, np.append(slope.ravel(), slope0) + shift

    shift = np.zeros_like(grad)
    value, slope = at(position)
    shift = grad - slope
    here, slope = position, grad
    value += float(shift @ position)
    first = value
    for n_steps in range(1, MAX_STEPS_WHOLE + 1):
        coef, intercept = here[:-q].reshape(-1, q), here[-q:]
        violation = penalty.violation(here[:-q, None, None], slope[:-q, None, None])
        n_active = int(np.count_nonzero((here[:-q] != 0.0) | (violation[:, 0, 0] > 0.0)))
        curvature = sample_curvature(view, coef, intercept, n_active, least)
        # The mean Hessian of too many coupled coefficients does not lead there.
        goes_on = to_the_end and isinstance(curvature, SampleCurvature)
        metric = Metric(curvature, np.zeros((len(grad), 0)), np.zeros(0))
        target = aim.of(metric, penalty, here[:-q], slope)
        step = candidate_step(metric, penalty, here[:-q], slope, target)
        for _ in range(MAX_HALVINGS):
            fresh, there = at(here + step)
            if fresh < value:
                break
            step = 0.5 * step
        else:
            break
        gained, value, slope, here = value - fresh, fresh, there, here + step
        if gained <= (aim.wanted if goes_on else ENOUGH * (first - value)):
            break
        if goes_on:
            aim = Aim(0.0, aim.wanted)  # what is left of the gap is not known
        elif n_steps >= MAX_STEPS:
            break
    return here - position
