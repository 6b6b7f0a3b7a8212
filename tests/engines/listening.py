"""Which addresses the processes of a test listen on."""

from __future__ import annotations

from ipaddress import ip_address

import psutil


def beyond_loopback(process: psutil.Process) -> list[str]:
    """Where ``process`` and its descendants can be reached from other machines."""
    found = []
    for each in [process, *process.children(recursive=True)]:
        for connection in each.net_connections("inet"):
            listening = connection.status == psutil.CONN_LISTEN
            if listening and not ip_address(connection.laddr.ip).is_loopback:
                found.append(f"{each.name()} {connection.laddr.ip}:{connection.laddr.port}")
    return found


def hosts(port: int) -> set[str]:
    """The addresses on which anybody listens on ``port``."""
    return {
        connection.laddr.ip
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }
