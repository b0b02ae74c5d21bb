"""A card for each fit: where it stands, in numbers."""

from __future__ import annotations

import html
import time

from daskreg.callbacks.pace import amount, duration

from .fits import Fit

_NONE = (
    '<p style="font-size:15px;opacity:.7;margin:12px">No fit has run on this cluster since the '
    "page was installed.</p>"
)


def cards_html(fits: list[Fit], colours: list[str]) -> str:
    """The cards side by side."""
    if not fits:
        return _NONE
    cards = "".join(_card(fit, colour) for fit, colour in zip(fits, colours, strict=True))
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px;padding:6px">{cards}</div>'


def _card(fit: Fit, colour: str) -> str:
    rows = "".join(
        f'<tr><td style="opacity:.65;padding-right:10px">{name}</td><td>{value}</td></tr>'
        for name, value in _numbers(fit).items()
    )
    return (
        f'<div style="border-left:5px solid {colour};padding:2px 12px;min-width:230px">'
        f'<b style="font-size:15px">{html.escape(fit.name)}</b> '
        f'<span style="opacity:.65">{html.escape(fit.status)}</span>'
        f'<div style="opacity:.65">{html.escape(fit.source)}</div>'
        f'<table style="font-variant-numeric:tabular-nums">{rows}</table></div>'
    )


def _numbers(fit: Fit) -> dict[str, str]:
    point, (done, n_rows, n_pass) = fit.latest, fit.rows
    known: dict[str, str] = {}
    passes = len(fit.passes)
    if fit.ended is None:
        share = f", {done / n_rows:.0%} of it" if n_rows and done else ""
        known["pass"] = f"{max(n_pass, passes)}{share}"
    else:
        known["passes"] = f"{passes:,}"
    if point is not None:
        if point["gap"] == point["gap"]:
            known["gap"] = f"{point['gap']:.1e} (tol {fit.tol:.0e})"
        known["objective"] = f"{point['objective']:.5g}"
        known["nonzeros"] = f"{point['n_nonzero']:,.0f}"
        known["problems left"] = f"{point['n_active']:,.0f}"
        known["read"] = amount(point["bytes_read"])
    end = time.time() if fit.ended is None else fit.ended
    known["time"] = duration(end - fit.began)
    if fit.ended is None and fit.seconds_left == fit.seconds_left:
        known["time"] += f", about {duration(fit.seconds_left)} left"
    return known
