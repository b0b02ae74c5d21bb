"""Where a warning belongs: at the line of the user that asked for what went wrong."""

from __future__ import annotations

import contextlib
import functools
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def outside() -> int:
    """Return the ``stacklevel`` of the nearest caller outside this package and scikit-learn.

    scikit-learn wraps ``fit`` for its callbacks, and its pipelines and searches call it, through
    joblib and the standard library.  For use as ``warnings.warn(message, stacklevel=outside())``.
    """
    between = [_HERE, contextlib.__file__, functools.__file__]
    for name in ("sklearn", "joblib"):
        wrapping = getattr(sys.modules.get(name), "__file__", None)
        if wrapping:
            between.append(os.path.dirname(wrapping) + os.sep)
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(tuple(between)):
        level, frame = level + 1, frame.f_back
    return level
