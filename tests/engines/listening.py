"""Which addresses the processes of a test listen on."""

from contextlib import suppress
from ipaddress import IPv6Address, ip_address

import psutil


def beyond_loopback(process: psutil.Process) -> list[str]:
    """Where ``process`` and its descendants can be reached from other machines."""
    found = []
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # it ended after it was listed
            name = each.name()
            found += [
                f"{name} {connection.laddr.ip}:{connection.laddr.port}"
                for connection in each.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN and not _is_loopback(connection.laddr.ip)
            ]
    return found


def _is_loopback(host: str) -> bool:
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def hosts(port: int) -> set[str]:
    """The addresses on which anybody listens on ``port``."""
    return {
        connection.laddr.ip
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }
