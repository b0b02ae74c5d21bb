"""Time limits of batch jobs, and when workers leave before them."""

from __future__ import annotations

import re

#: Seconds between SLURM's signal and its limit: it looks about every 30 s, and a worker needs some
#: to hand over what it holds.
GRACE = 60
_FORMS = re.compile(
    r"(?:(?P<days>\d+)-(?P<dh>\d+)(?::(?P<dm>\d+)(?::(?P<ds>\d+))?)?"
    r"|(?P<h>\d+):(?P<hm>\d+):(?P<hs>\d+)|(?P<m>\d+)(?::(?P<ms>\d+))?)"
)


def seconds_of(walltime: str) -> int:
    """Return the seconds of a time limit as SLURM writes it.

    Parameters
    ----------
    walltime : str
        "minutes", "minutes:seconds", "hours:minutes:seconds", "days-hours", with ":minutes" and
        ":seconds" if need be.

    Raises
    ------
    ValueError
        For anything else, and for less than a minute, which SLURM does not count.

    Examples
    --------
    >>> seconds_of("90"), seconds_of("01:30:00"), seconds_of("1-12")
    (5400, 5400, 129600)
    """
    found = _FORMS.fullmatch(str(walltime).strip())
    if found is None:
        raise ValueError(
            f"walltime must be minutes, HH:MM:SS or D-HH:MM:SS, such as '01:30:00'; "
            f"got {walltime!r}"
        )
    part = {name: int(value or 0) for name, value in found.groupdict().items()}
    hours = 24 * part["days"] + part["dh"] + part["h"]
    minutes = part["dm"] + part["hm"] + part["m"]
    seconds = 3600 * hours + 60 * minutes + part["ds"] + part["hs"] + part["ms"]
    if seconds < 60:
        raise ValueError(f"walltime must be at least a minute; got {walltime!r}")
    return seconds


def lifetime_options(walltime: str) -> list[str]:
    """Return options of ``dask worker`` that retire workers before their jobs end, not all at once.

    A worker leaves at a random moment of the last fifth of its time, some minutes before the end.
    Short jobs only get a signal.

    Examples
    --------
    >>> lifetime_options("24:00:00")
    ['--lifetime', '84420s', '--lifetime-stagger', '1800s']
    >>> lifetime_options("10")
    []
    """
    seconds = seconds_of(walltime)
    stagger, margin = min(seconds // 10, 1800), 3 * GRACE
    if stagger < margin // 2:
        return []
    return ["--lifetime", f"{seconds - margin - stagger}s", "--lifetime-stagger", f"{stagger}s"]


def signal_seconds(walltime: str) -> int:
    """Return how many seconds before its limit a job is told: GRACE, or a third of a short one."""
    return min(GRACE, seconds_of(walltime) // 3)
