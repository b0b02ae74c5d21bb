"""How hypothesis searches: without a clock, and the same examples each time where CI is set."""

import os

from hypothesis import settings

settings.register_profile("local", deadline=None)
settings.register_profile("repeated", deadline=None, derandomize=True, database=None)
settings.load_profile("repeated" if os.environ.get("CI") else "local")
