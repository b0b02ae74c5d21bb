"""Who can reach a cluster: the loopback interface, and keys for anything wider."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from daskreg.exceptions import ClusterError, MissingDependencyError

LOOPBACK = "127.0.0.1"
#: A dashboard shows data and has no password: on this machine only, at a free port.
DASHBOARD = f"{LOOPBACK}:0"
#: Files in a folder of keys: who is trusted, who one is, and the proof of it.
FILES = {"ca_file": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
ROLES = ("scheduler", "worker", "client")


def interface_of(interface: str | None) -> str:
    """Return the interface to listen on; the loopback one for None.

    Raises
    ------
    ValueError
        For one that this machine lacks.
    """
    import psutil

    known = psutil.net_if_addrs()
    if interface is None:
        return next(
            name
            for name, addresses in known.items()
            if any(a.family == socket.AF_INET and a.address == LOOPBACK for a in addresses)
        )
    if interface not in known:
        raise ValueError(
            f"this machine has no network interface {interface!r}, only {', '.join(sorted(known))}"
        )
    return interface


def security_of(security: Any) -> Any:
    """Return the ``distributed.Security`` that is meant, or None for no encryption.

    Parameters
    ----------
    security : None, False, True, Security or path
        True: keys made now, in memory.  A path: a folder with ca.pem, cert.pem and key.pem.

    Raises
    ------
    ValueError
        For a folder without these files, and for anything else.
    MissingDependencyError
        Keys cannot be made without ``cryptography``.
    """
    from distributed import Security

    if security is None or security is False:
        return None
    if isinstance(security, Security):
        return security
    if security is True:
        return _temporary()
    if not isinstance(security, str | os.PathLike):
        raise ValueError(
            f"security must be True, a folder with keys or a distributed.Security; got {security!r}"
        )
    folder = Path(security)
    missing = [name for name in FILES.values() if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"security: the folder {folder} has no {', '.join(missing)}; "
            "daskreg.cluster.tls_files(folder) makes them"
        )
    given = {"tls_ca_file": str(folder / FILES["ca_file"])}
    for role in ROLES:
        given |= {f"tls_{role}_{part}": str(folder / FILES[part]) for part in ("cert", "key")}
    return Security(require_encryption=True, **given)


def protocol_of(security: Any) -> str:
    """Return the protocol in addresses of a cluster with this ``Security`` or None."""
    return "tcp://" if security is None else "tls://"


def as_config(security: Any) -> dict[str, Any]:
    """Return Dask's configuration that means this ``Security``, for who takes no other."""
    roles = {role: security.get_tls_config_for_role(role) for role in ROLES}
    settings = {
        f"distributed.comm.tls.{role}.{part}": roles[role][part]
        for role in ROLES
        for part in ("cert", "key")
    }
    return settings | {
        "distributed.comm.tls.ca-file": roles["client"]["ca_file"],
        "distributed.comm.require-encryption": True,
    }


def tls_files(folder: str | os.PathLike[str]) -> Path:
    """Write keys for the scheduler, workers and clients of one cluster to a new folder.

    The folder, which only its owner can read, appears whole or not at all.  Every process that is
    given it as ``security`` belongs to the cluster, others cannot connect.

    Parameters
    ----------
    folder : str or path-like
        A name that is free.

    Returns
    -------
    Path
        The folder, with ca.pem, cert.pem and key.pem.

    Raises
    ------
    ClusterError
        If there is one already.
    MissingDependencyError
        Without the library ``cryptography``.
    """
    folder = Path(folder)
    contents = _temporary().get_tls_config_for_role("client")
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
    try:
        for name, file in FILES.items():
            descriptor = os.open(part / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w") as stream:
                stream.write(contents[name])
        if folder.exists():
            raise ClusterError(f"{folder} is there already: give another name or remove it first")
        os.rename(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _temporary() -> Any:
    from distributed import Security

    try:
        return Security.temporary()
    except ImportError as error:
        raise MissingDependencyError(
            "keys for an encrypted cluster need the library cryptography: "
            "pip install 'daskreg[tls]'"
        ) from error
