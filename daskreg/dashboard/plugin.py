"""The scheduler's side: remembers what fits tell and serves the page."""

from __future__ import annotations

import functools
import logging
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin  # noqa: TID253 - loaded with a client

from .fits import Fits
from .messages import NAME, PAGE, TOPIC

logger = logging.getLogger(__name__)


class FitsPlugin(SchedulerPlugin):
    """Keeps the fits that were told of, and adds a page for them to the dashboard.

    Attributes
    ----------
    fits : Fits
    page : str or None
        Path of the page; None: the scheduler has no dashboard.
    """

    name = NAME
    idempotent = True

    def __init__(self) -> None:
        self.fits = Fits()
        self.page: str | None = None

    async def start(self, scheduler: Any) -> None:
        """Add the page, where there is a dashboard."""
        if self.page is None:
            self.page = add_page(scheduler, self.fits)

    def log_event(self, topic: str, msg: Any) -> None:
        """Take what concerns fits."""
        if topic == TOPIC:
            self.fits.take(msg)


def add_page(scheduler: Any, fits: Fits) -> str | None:
    """Add the page to the applications of a scheduler's HTTP server.

    Returns
    -------
    str or None
        Its path; None, with a line in the scheduler's log, where there is no dashboard.
    """
    applications = getattr(getattr(scheduler, "http_application", None), "applications", ())
    prefixes = [one.prefix for one in applications if hasattr(one, "prefix")]
    if not prefixes:
        logger.warning("daskreg shows no fits here: this scheduler runs without bokeh's dashboard")
        return None
    from distributed.dashboard.core import BokehApplication
    from distributed.dashboard.scheduler import template_variables
    from tornado.ioloop import IOLoop

    from .page import make_document

    variables = template_variables(scheduler)
    # One list for all pages of a scheduler: each of them gets a link to this one.
    if PAGE not in variables["pages"]:
        variables["pages"].append(PAGE)
    application = BokehApplication(
        {f"/{PAGE}": functools.partial(make_document, fits)},
        scheduler,
        prefix=prefixes[0],
        template_variables=variables,
    )
    scheduler.http_application.add_application(application)
    application.initialize(IOLoop.current())
    application.start()
    return f"{prefixes[0].rstrip('/')}/{PAGE}"


def page_of(dask_scheduler: Any) -> str | None:
    """Path of the page of a scheduler."""
    plugin = dask_scheduler.plugins.get(NAME)
    return None if plugin is None else plugin.page
