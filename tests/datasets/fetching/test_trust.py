"""Which bytes a download trusts: certificates, digests seen first, and other processes at work."""

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.datasets.fetching.fetch import NotFetchedError, fetch
from pipeline.datasets.fetching.transfer import Patience
from pipeline.download import download
from pipeline.settings.dataset import ArchiveConfig, DatasetConfig
from tests.support.http_server import Replace, Server, Status, Trickle

CONTENT = bytes(range(256)) * 4000
QUICK = Patience(attempts=2, pause=0.001)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.bin").write_bytes(CONTENT)
    with Server(tmp_path / "served") as running:
        yield running


def certificate(folder: Path, host: str, ends: datetime.datetime) -> ssl.SSLContext:
    """Make a self-signed certificate and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - datetime.timedelta(days=30))
        .not_valid_after(ends)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    ("host", "days", "trusted", "reason"),
    [
        ("127.0.0.1", 10, False, "self-signed certificate"),
        ("127.0.0.1", -10, True, "certificate has expired"),
        ("127.0.0.2", 10, True, "certificate is not valid for '127.0.0.1'"),
        ("127.0.0.1", 10, True, None),
    ],
)
def test_a_certificate_that_does_not_hold_is_refused_before_a_byte_is_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    days: int,
    trusted: bool,
    reason: str | None,
) -> None:
    """The last case shows that nothing else is wrong."""
    (tmp_path / "a.bin").write_bytes(CONTENT)
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    context = certificate(tmp_path, host, ends)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with Server(tmp_path, context) as server:
        asked = ArchiveConfig(file="a.bin", urls=[f"{server.url}/a.bin"], size=len(CONTENT))
        raw = tmp_path / "raw" / "d"
        if reason is None:
            assert fetch(asked, raw, QUICK).read_bytes() == CONTENT
            return
        with pytest.raises(NotFetchedError, match=reason):
            fetch(asked, raw, QUICK)
        assert server.requests == []
        assert not any(raw.iterdir())


def test_a_second_mirror_must_have_what_was_seen_first(server: Server, tmp_path: Path) -> None:
    """No digest is stated; the first mirror served the file once and is gone now."""
    raw = tmp_path / "raw" / "d"
    urls = [f"{server.url}/a.bin", f"{server.url}/mirror.bin"]
    asked = ArchiveConfig(file="a.bin", urls=urls)
    fetch(asked, raw, QUICK).unlink()
    server.faults["a.bin"] = [Status(404)] * 4
    server.faults["mirror.bin"] = [Replace(CONTENT[::-1])]
    with pytest.raises(NotFetchedError, match="first seen and kept in"):
        fetch(asked, raw, QUICK)
    assert [path.name for path in raw.iterdir()] == ["digests.yaml"]
    (server.folder / "mirror.bin").write_bytes(CONTENT)
    assert fetch(asked, raw, QUICK).read_bytes() == CONTENT


def test_a_file_is_downloaded_once_by_all_who_want_it(server: Server, tmp_path: Path) -> None:
    asked = ArchiveConfig(file="a.bin", urls=[f"{server.url}/a.bin"])
    dataset = DatasetConfig(name="d", title="d", reader="dtd", archives=[asked])
    server.faults["a.bin"] = [Trickle(0.0002)]
    (server.folder / "a.bin").write_bytes(CONTENT[:2000])
    raw = tmp_path / "raw" / "d"
    threads = [threading.Thread(target=download, args=(dataset, raw, QUICK)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (raw / "a.bin").read_bytes() == CONTENT[:2000]
    assert [request.method for request in server.requests].count("GET") == 1
    assert sorted(path.name for path in raw.iterdir()) == ["a.bin", "digests.yaml"]
