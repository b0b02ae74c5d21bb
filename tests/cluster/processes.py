"""What runs on this machine: which sockets listen, which processes belong to a cluster."""

from __future__ import annotations

import psutil


def family() -> list[psutil.Process]:
    """This process and all that it has started."""
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def mentioning(text: str) -> list[psutil.Process]:
    """Processes with this text among their arguments, such as workers of a scheduler."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(text in argument for argument in process.info["cmdline"] or ()):
            found += [process, *process.children(recursive=True)]
    return found


def listening(processes: list[psutil.Process]) -> dict[int, set[str]]:
    """Addresses that each of the processes listens on, by process number."""
    told: dict[int, set[str]] = {}
    for process in processes:
        try:
            sockets = process.net_connections(kind="inet")
        except psutil.NoSuchProcess:
            continue
        hosts = {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}
        if hosts:
            told[process.pid] = hosts
    return told
