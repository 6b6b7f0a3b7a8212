"""Ports on loopback that are kept for the servers of a test."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def kept_ports(count: int) -> Iterator[list[int]]:
    """Keep different free ports during the block, and yield them.

    A bound socket keeps each: the system then gives it to no program that asks for any free port,
    before a server starts and while one is away. A server that sets SO_REUSEADDR, as all do here,
    still gets it, because the socket does not listen.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(_bound(0)) for _ in range(count)]
        yield [each.getsockname()[1] for each in sockets]


@contextmanager
def kept_pair() -> Iterator[int]:
    """Keep two neighbouring ports during the block, and yield the first."""
    with ExitStack() as stack:
        while True:
            # Those without a free neighbour are kept, too: else we might be given them again.
            port = stack.enter_context(_bound(0)).getsockname()[1]
            try:
                stack.enter_context(_bound(port + 1))
            except (OSError, OverflowError):
                continue
            break
        yield port


def _bound(port: int) -> socket.socket:
    """Bind a socket to a port that nobody else has. Raises OSError if somebody has."""
    bound = socket.socket()
    try:
        bound.bind(("127.0.0.1", port))
    except BaseException:
        bound.close()
        raise
    # Only now: with it, a port that another test keeps would be given a second time.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return bound
