"""Names that nothing else has, in this process or in another."""

from __future__ import annotations

import os
from itertools import count
from uuid import uuid4

_numbers = count()
#: A process, which may be forked, and what its tokens begin with.
_own: tuple[int, str] = (0, "")


def fresh_token() -> str:
    """Return a token that no other call returns anywhere, in a fraction of the time of a UUID."""
    global _own
    own = _own
    if own[0] != os.getpid():
        own = _own = os.getpid(), uuid4().hex
    return f"{own[1]}-{next(_numbers)}"
