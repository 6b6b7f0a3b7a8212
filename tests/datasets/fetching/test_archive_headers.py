"""Archives whose headers cost more than their content."""

import gc
import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.base.errors import UserError
from pipeline.datasets.fetching import archive_headers
from pipeline.datasets.fetching.unpacking import unpack

MIB = 2**20


def header(name: str, size: int, kind: bytes) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.USTAR_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def announced(kind: bytes) -> Callable[[Path], None]:
    """Make a tar that says that 40 MiB of a name or of attributes follow, and holds them."""

    def make(path: Path) -> None:
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(header("x", 40 * MIB, kind))
            for _ in range(40):
                file.write(bytes(MIB))
            file.write(header("a.txt", 0, tarfile.REGTYPE) + bytes(1024))

    return make


def pax(**fields: str) -> bytes:
    content = tarfile.TarInfo._create_pax_generic_header(fields, tarfile.XHDTYPE, "utf-8")
    return bytes(content)


def sparse_map(path: Path) -> None:
    """A sparse file of pax 1.0 whose map, at the start of the content, has 40 million numbers."""
    start = pax(**{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a"})
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(start + header("a", 80 * MIB, tarfile.REGTYPE) + b"20000000\n")
        for _ in range(80):
            file.write(b"0\n" * (MIB // 2))


def old_sparse_map(path: Path) -> None:
    """A sparse file of GNU tar before pax, whose map goes on for 40 MiB."""
    first = bytearray(header("a", 0, tarfile.GNUTYPE_SPARSE))
    first[482] = 1
    part = (b"00000000000\0" * 42)[:504] + b"\1" + bytes(7)
    first[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(first))[0]
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(first)
        for _ in range(40):
            file.write(part * (MIB // 512))


def headers_before_headers(path: Path) -> None:
    with gzip.open(path, "wb") as file:
        for _ in range(5000):
            file.write(pax(comment="again"))


def endless_defaults(path: Path) -> None:
    with gzip.open(path, "wb") as file:
        for number in range(300):
            fields = {f"key{number}.{each}": "x" for each in range(5)}
            file.write(
                tarfile.TarInfo._create_pax_generic_header(fields, tarfile.XGLTYPE, "utf-8")
                + header(f"{number}", 0, tarfile.REGTYPE)
            )


def deep_folders(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a/" * 500 + "b"))


def many_links(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for number in range(10_100):
            member = tarfile.TarInfo(f"{number}")
            member.type, member.linkname = tarfile.SYMTYPE, "later"
            tar.addfile(member)


def negative_size(path: Path) -> None:
    """After this member tarfile would read its header again, and so on."""
    member = bytearray(header("b", 0, tarfile.REGTYPE))
    member[124:136] = b"\xff" + (256**11 - 1024).to_bytes(11, "big")
    member[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(member))[0]
    path.write_bytes(header("a", 0, tarfile.REGTYPE) + member + bytes(1024))


def negative_size_in_attributes(path: Path) -> None:
    path.write_bytes(pax(size="-1536") + header("b", 0, tarfile.REGTYPE) + bytes(1024))


def large_dictionary_in_a_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"12345")


def many_extra_fields(path: Path) -> None:
    """16,000 empty fields of an entry: zipfile copies the rest after each."""
    member = zipfile.ZipInfo("a")
    member.extra = b"\x99\x99\0\0" * 16_000
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"")


def zip_of(count: int, *, stated: int | None = None, wide: bool = True) -> Callable[[Path], None]:
    """Make a zip whose directory names one empty member ``count`` times."""

    def make(path: Path) -> None:
        local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
        fixed = (20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
        entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", *fixed) + b"a"
        size, stated_count = len(entry) * count, count if stated is None else stated
        content = local + entry * count
        if wide:
            totals = (44, 45, 45, 0, 0, stated_count, stated_count, size, len(local))
            content += struct.pack("<4sQ2H2I4Q", b"PK\6\6", *totals)
            content += struct.pack("<4sIQI", b"PK\6\7", 0, len(local) + size, 1)
            last = (0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        else:
            last = (0, 0, stated_count & 0xFFFF, stated_count & 0xFFFF, size, len(local), 0)
        path.write_bytes(content + struct.pack("<4s4H2IH", b"PK\5\6", *last))

    return make


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (announced(tarfile.XHDTYPE), "a name or attributes of 41,943,040 bytes"),
        (announced(tarfile.XGLTYPE), "a name or attributes of"),
        (announced(tarfile.SOLARIS_XHDTYPE), "a name or attributes of"),
        (announced(tarfile.GNUTYPE_LONGNAME), "a name or attributes of"),
        (announced(tarfile.GNUTYPE_LONGLINK), "a name or attributes of"),
        (sparse_map, "more than 65,536 bytes of headers before one member"),
        (old_sparse_map, "more than 65,536 bytes of headers"),
        (headers_before_headers, "more than 65,536 bytes of headers"),
        (endless_defaults, "more than 100 fields of global attributes"),
        (deep_folders, "more than 64 folders deep"),
        (many_links, "more than 10,000 links"),
        (negative_size, "'b', a member of -1,024 bytes"),
        (negative_size_in_attributes, "'b', a member of -1,536 bytes"),
        (large_dictionary_in_a_zip, "'a', which is compressed with LZMA"),
        (many_extra_fields, "extra fields of 64,000 bytes in an entry"),
        (zip_of(1_000_000), "a directory of 47,000,000 bytes"),
        (zip_of(400_000, stated=1), "more than 250,000 entries"),
        (zip_of(400_000, stated=1, wide=False), "more than 250,000 entries"),
    ],
)
def test_headers_are_bounded_before_they_are_parsed(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    archive = tmp_path / "x.tgz"
    make(archive)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=reason):
            unpack(archive, tmp_path / "out")
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["x.tgz"]


def test_memory_does_not_grow_with_the_number_of_members(tmp_path: Path) -> None:
    peaks = []
    gc.collect()
    gc.freeze()  # many objects of other tests would put off collecting those of this one
    gc.collect()
    for count in (200, 2000):
        with tarfile.open(tmp_path / f"{count}.tar", "w") as tar:
            for number in range(count):
                tar.addfile(tarfile.TarInfo(f"{number}"))
        tracemalloc.start()
        unpack(tmp_path / f"{count}.tar", tmp_path / f"{count}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    gc.unfreeze()
    assert peaks[1] < peaks[0] + 100_000


def test_genuine_long_names_and_attributes_are_read(tmp_path: Path) -> None:
    name = "/".join(["folder ü" * 8] * 4) + "/image.jpg"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / f"{form}.tar", "w", format=form) as tar:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = 1, 1.5
            if form == tarfile.PAX_FORMAT:
                member.pax_headers = {"LIBARCHIVE.xattr.x": "y" * 2000}
            tar.addfile(member, io.BytesIO(b"1"))
        unpack(tmp_path / f"{form}.tar", tmp_path / f"{form}")
        assert (tmp_path / f"{form}" / name).read_bytes() == b"1"


def test_a_directory_within_the_limit_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.comment = b"a comment"
        for number in range(20):
            archive.writestr(f"{number}", b"1")
    monkeypatch.setattr(archive_headers, "MOST_ENTRIES", 19)
    with pytest.raises(UserError, match="more than 19 entries"):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    monkeypatch.setattr(archive_headers, "MOST_ENTRIES", 20)
    unpack(tmp_path / "x.zip", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 20
