"""A page on the Dask dashboard that shows fits as they run.

`install` puts it on a running cluster; ``dask scheduler --preload daskreg.dashboard`` starts a
scheduler with it, and `install` then only makes the fits of this process tell of themselves.
"""

from __future__ import annotations

from typing import Any

from .feed import Feed, install

__all__ = ["Feed", "dask_setup", "install"]


async def dask_setup(scheduler: Any) -> None:
    """Add the page to a scheduler that starts with ``--preload daskreg.dashboard``."""
    from .plugin import FitsPlugin

    plugin = FitsPlugin()
    await plugin.start(scheduler)
    scheduler.add_plugin(plugin, name=plugin.name, idempotent=True)
