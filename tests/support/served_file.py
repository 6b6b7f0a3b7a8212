"""A file on a server that may misbehave, and how to ask for it."""

import hashlib

from pipeline.datasets.fetching.transfer import Patience
from pipeline.settings.dataset import ArchiveConfig
from tests.support.http_server import Server

CONTENT = bytes(range(256)) * 4000  # 1.02 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
QUICK = Patience(attempts=4, pause=0.001)
"""For a server that answers, however late: on a busy machine nothing is given up by the clock."""


def archive(*urls: str, **facts: object) -> ArchiveConfig:
    return ArchiveConfig(file="a.bin", urls=list(urls), **facts)


def ranges(server: Server, path: str = "a.bin") -> list[str | None]:
    return [request.range for request in server.requests if request.path == path]
