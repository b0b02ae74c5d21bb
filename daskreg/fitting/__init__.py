"""From a design and what is asked of it to solutions: the choice of solver, the plan, the loop.

Estimators and path functions say what they want as :class:`settings.Settings` and receive a
:class:`settings.Fitted` from :func:`solve.fit_problems`.  Cross-validation, resamples and the
slices of a batch that memory does not hold are batches of the same problems.  Nothing here knows
scikit-learn.
"""
