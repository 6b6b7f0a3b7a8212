from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_server import Server
from tests.support.served_file import CONTENT


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.bin").write_bytes(CONTENT)
    (folder / "mirror.bin").write_bytes(CONTENT)
    with Server(folder) as running:
        yield running


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "flowers"
