"""How hypothesis searches: without a clock, and the same examples each time where CI is set.

Where there is a GPU, tests use it without the warning that nobody has asked for it.
"""

import os

from hypothesis import settings

settings.register_profile("local", deadline=None)
settings.register_profile("repeated", deadline=None, derandomize=True, database=None)
settings.load_profile("repeated" if os.environ.get("CI") else "local")

os.environ.setdefault("DASKREG_DEVICE", "auto")
