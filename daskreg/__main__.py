"""``python -m daskreg``: the same as the command ``daskreg``."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main(prog_name="daskreg")
