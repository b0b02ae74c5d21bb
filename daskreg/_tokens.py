"""Names that nothing else has, in this process or in another."""

from __future__ import annotations

import os
from itertools import count
from uuid import uuid4

_numbers = count()
#: What the tokens of this process begin with.
_own = uuid4().hex


def fresh_token() -> str:
    """Return a token that no other call returns anywhere, in a fraction of the time of a UUID."""
    return f"{_own}-{next(_numbers)}"


def _begin_anew() -> None:
    global _own
    _own = uuid4().hex


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
