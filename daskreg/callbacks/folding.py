"""Long lines of plans and reports, folded for a screen."""

from __future__ import annotations

import textwrap

_LABEL = 11  # characters of the labels of plans and reports


def fold(text: str, width: int, indent: int = _LABEL) -> str:
    """Fold lines longer than ``width`` at spaces; what follows begins below the text.

    Examples
    --------
    >>> print(fold("passes     one and two and three", 24))
    passes     one and two
               and three
    """
    return "\n".join(
        line
        if len(line) <= width
        else textwrap.fill(
            line,
            max(width, 2 * indent),
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        for line in text.splitlines()
    )
