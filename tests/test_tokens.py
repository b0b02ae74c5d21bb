"""Tokens are unique, also of processes that were forked."""

from __future__ import annotations

import subprocess
import sys

from daskreg._tokens import fresh_token

FORKED = """
import os, sys
from daskreg._tokens import fresh_token
fresh_token()
for _ in range(2):
    os.fork()
sys.stdout.write(fresh_token() + "\\n" + fresh_token() + "\\n")
sys.stdout.flush()
"""


def test_no_token_comes_twice():
    assert len({fresh_token() for _ in range(1000)}) == 1000
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=True
    )
    found = done.stdout.split()
    assert len(set(found)) == len(found)
