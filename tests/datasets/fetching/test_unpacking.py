"""Unpacking genuine and hostile archives."""

import contextlib
import io
import os
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.datasets.fetching import unpacking
from pipeline.datasets.fetching.unpacking import unpack

FILES = {"a/one.jpg": b"1" * 5000, "a/b c/zwei ü.jpg": b"2", "top.txt": b""}


def tar_member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = link
    return member


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def nothing_left(folder: Path, *but: str) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(but)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("x.tar", "w"), ("x.tgz", "w:gz")],
)
def test_tar(tmp_path: Path, name: str, mode: str) -> None:
    members = [(tar_member(path), content) for path, content in FILES.items()]
    folder = (tar_member("empty", tarfile.DIRTYPE), b"")
    unpack(write_tar(tmp_path / name, *members, folder, mode=mode), tmp_path / "deep" / "out")
    assert tree(tmp_path / "deep" / "out") == FILES
    assert (tmp_path / "deep" / "out" / "empty").is_dir()
    assert nothing_left(tmp_path / "deep", "out")


def test_zip(tmp_path: Path) -> None:
    unpack(write_zip(tmp_path / "x.zip", ("empty/", b""), *FILES.items()), tmp_path / "out")
    assert tree(tmp_path / "out") == FILES
    assert (tmp_path / "out" / "empty").is_dir()


@settings(max_examples=20)
@given(
    st.dictionaries(
        st.lists(st.sampled_from(["a", "b.jpg", "été", "sp ace", "c"]), min_size=1, max_size=3)
        .map("/".join)
        .map(lambda name: name + ".bin"),
        st.binary(max_size=200),
        max_size=6,
    )
)
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    tar = write_tar(folder / "x.tgz", *((tar_member(n), content) for n, content in files.items()))
    unpack(tar, folder / "tar")
    unpack(write_zip(folder / "x.zip", *files.items()), folder / "zip")
    assert tree(folder / "tar") == tree(folder / "zip") == files


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE])
def test_a_link_inside_becomes_a_copy(tmp_path: Path, kind: bytes) -> None:
    link = "a/one" if kind == tarfile.LNKTYPE else "one"
    members = [(tar_member("a/one"), b"1"), (tar_member("a/two", kind, link), b"")]
    unpack(write_tar(tmp_path / "x.tgz", *members), tmp_path / "out")
    assert tree(tmp_path / "out") == {"a/one": b"1", "a/two": b"1"}
    assert not (tmp_path / "out/a/two").is_symlink()
    assert (tmp_path / "out/a/two").stat().st_nlink == 1


def test_a_chain_of_links_costs_a_few_looks_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each names the next one, so only the last can be copied at first."""
    count = 1000
    links = [(tar_member(f"{n}", tarfile.SYMTYPE, f"{n + 1}"), b"") for n in range(count)]
    archive = write_tar(tmp_path / "x.tgz", *links, (tar_member(f"{count}"), b"1"))
    looks, is_file = [], Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: looks.append(path) or is_file(path))
    unpack(archive, tmp_path / "out")
    assert len(looks) < 3 * count
    assert tree(tmp_path / "out") == {f"{n}": b"1" for n in range(count + 1)}


def test_modes_and_owners_of_the_archive_do_not_count(tmp_path: Path) -> None:
    member = tar_member("run")
    member.mode, member.uid = 0o6777, 12345
    unpack(write_tar(tmp_path / "x.tgz", (member, b"#!/bin/sh")), tmp_path / "out")
    state = (tmp_path / "out/run").stat()
    assert state.st_uid == os.getuid()
    assert not state.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)


def traversal(path: Path) -> Path:
    return write_tar(path, (tar_member("ok"), b"1"), (tar_member("../evil"), b"1"))


def inner_traversal(path: Path) -> Path:
    return write_tar(path, (tar_member("a/../../evil"), b"1"))


def absolute(path: Path) -> Path:
    return write_tar(path, (tar_member(f"{path.parent}/evil"), b"1"))


def symlink_out(path: Path) -> Path:
    return write_tar(path, (tar_member("door", tarfile.SYMTYPE, "../.."), b""))


def through_a_symlink(path: Path) -> Path:
    door = tar_member("door", tarfile.SYMTYPE, str(path.parent))
    return write_tar(path, (door, b""), (tar_member("door/evil"), b"1"))


def hardlink_out(path: Path) -> Path:
    (path.parent / "secret").write_bytes(b"secret")
    return write_tar(path, (tar_member("copy", tarfile.LNKTYPE, f"{path.parent}/secret"), b""))


def links_in_a_circle(path: Path) -> Path:
    one, two = tar_member("1", tarfile.SYMTYPE, "2"), tar_member("2", tarfile.SYMTYPE, "1")
    return write_tar(path, (one, b""), (two, b""))


def device(path: Path) -> Path:
    return write_tar(path, (tar_member("null", tarfile.CHRTYPE), b""))


def pipe(path: Path) -> Path:
    return write_tar(path, (tar_member("pipe", tarfile.FIFOTYPE), b""))


def zip_traversal(path: Path) -> Path:
    return write_zip(path, ("ok", b"1"), ("../evil", b"1"))


def zip_without_a_name(path: Path) -> Path:
    write_zip(path, ("x", b"1"))
    data = path.read_bytes()
    for start in (data.index(b"PK\1\2") + 28, 26):  # the length of the name, then the name
        data = data[:start] + b"\0\0" + data[start + 2 :]
    end = data.index(b"PK\5\6")
    name = data.rindex(b"x", 0, end)
    data = data[:name] + data[name + 1 :]
    at = data.index(b"PK\5\6") + 12
    size = int.from_bytes(data[at : at + 4], "little") - 1
    path.write_bytes(data[:at] + size.to_bytes(4, "little") + data[at + 4 :])
    return path


def zip_absolute(path: Path) -> Path:
    return write_zip(path, (f"{path.parent}/evil", b"1"))


def zip_symlink(path: Path) -> Path:
    link = zipfile.ZipInfo("door")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return write_zip(path, (link, b"/etc"))


def bomb(path: Path) -> Path:
    return write_tar(path, (tar_member("zeros"), bytes(3_000_000)))


def zip_bomb(path: Path) -> Path:
    return write_zip(path, ("zeros", bytes(3_000_000)))


def bomb_of_links(path: Path) -> Path:
    links = [(tar_member(f"{i}", tarfile.LNKTYPE, "first"), b"") for i in range(30)]
    return write_tar(path, (tar_member("first"), os.urandom(100_000)), *links)


def too_many(path: Path) -> Path:
    return write_tar(path, *((tar_member(f"{i}"), b"") for i in range(60)))


def a_file_for_a_folder(path: Path) -> Path:
    return write_tar(path, (tar_member("a"), b"1"), (tar_member("a/b"), b"1"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (traversal, "'../evil', which lies outside"),
        (inner_traversal, "which lies outside"),
        (absolute, "which lies outside"),
        (symlink_out, "a link to '../..'"),
        (through_a_symlink, "a link to"),
        (hardlink_out, "a link to"),
        (links_in_a_circle, "a link to '2'"),
        (device, "'null', which is a device"),
        (pipe, "'pipe', which is a device or a pipe"),
        (zip_traversal, "which lies outside"),
        (zip_absolute, "which lies outside"),
        (zip_without_a_name, "a file without a name"),
        (zip_symlink, "'door', which is a link"),
        (bomb, "more than 2,000,000 bytes"),
        (zip_bomb, "more than 2,000,000 bytes"),
        (bomb_of_links, "more than .* bytes"),
        (too_many, "more than 50 members"),
        (a_file_for_a_folder, "was not unpacked"),
    ],
)
def test_hostile_archives_are_refused_and_leave_nothing(
    tmp_path: Path, make: Callable[[Path], Path], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "LEAST_ALLOWANCE", 2_000_000)
    monkeypatch.setattr(unpacking, "MOST_EXPANSION", 3)
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 50)
    work = tmp_path / "work"
    work.mkdir()
    archive = make(work / "x.tgz")
    before = sorted(work.iterdir())
    with pytest.raises(UserError, match=reason) as caught:
        unpack(archive, work / "out")
    assert str(archive) in str(caught.value)
    assert sorted(work.iterdir()) == before
    assert nothing_left(tmp_path, "work")


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.text(alphabet="./a\\~\n", min_size=1, max_size=8),
            st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
            st.text(alphabet="./a", max_size=6),
        ),
        max_size=4,
    )
)
def test_no_name_leads_out(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]]
) -> None:
    work = tmp_path_factory.mktemp("names") / "a" / "a"
    work.mkdir(parents=True)
    archive = write_tar(work / "x.tgz", *((tar_member(*member), b"") for member in members))
    outside = sorted(work.parent.parent.rglob("*"))
    with contextlib.suppress(UserError):
        unpack(archive, work / "out")
    inside = [work / "out", *(work / "out").rglob("*")] if (work / "out").exists() else []
    assert sorted(work.parent.parent.rglob("*")) == sorted([*outside, *inside])
    assert not any(path.is_symlink() for path in inside)


@pytest.mark.parametrize("name", ["x.tgz", "x.zip", "x.tar"])
def test_half_an_archive_is_damaged_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    archive = tmp_path / name
    content = os.urandom(400_000)
    if name == "x.zip":
        write_zip(archive, ("one", content))
    else:
        mode = "w:gz" if name == "x.tgz" else "w"
        write_tar(archive, (tar_member("one"), content), mode=mode)
    archive.write_bytes(archive.read_bytes()[:200_000])
    with pytest.raises(UserError, match=r"damaged|not a tar, tar\.gz or zip"):
        unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, name)


def test_a_flipped_bit_in_a_zip_is_damage(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "x.zip", ("one", os.urandom(10_000)))
    content = bytearray(archive.read_bytes())
    content[5000] ^= 1
    archive.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        unpack(archive, tmp_path / "out")


def test_a_web_page_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_text("<html>not found</html>")
    with pytest.raises(UserError, match=r"is not a tar, tar\.gz or zip file"):
        unpack(tmp_path / "x.tgz", tmp_path / "out")


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    archive = write_zip(tmp_path / "x.zip", ("one", b"1"))
    with pytest.raises(FileExistsError):
        unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


KILLED = """
import sys
from pathlib import Path
from pipeline.datasets.fetching import unpacking

def place(self, name):
    if name == "5":
        print("half way", flush=True)
        sys.stdin.read()
    return self.root / name

unpacking._Writer._place = place
unpacking.unpack(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_extraction_never_looks_complete(tmp_path: Path) -> None:
    members = [(tar_member(f"{i}"), b"1" * 1000) for i in range(9)]
    archive = write_tar(tmp_path / "x.tgz", *members)
    command = [sys.executable, "-c", KILLED, archive, tmp_path / "out"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "half way\n"
    assert not (tmp_path / "out").exists()
    half = [path for path in tmp_path.iterdir() if "unpacking" in path.name]
    assert len(tree(half[0])) == 5

    unpack(archive, tmp_path / "other")  # leaves the half of a living process alone
    assert half[0].exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    unpack(archive, tmp_path / "out")
    assert len(tree(tmp_path / "out")) == 9
    assert nothing_left(tmp_path, "x.tgz", "out", "other")


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    archive = write_zip(tmp_path / "x.zip", ("one", b"1"))
    monkeypatch.setattr(unpacking._Writer, "file", full)
    with pytest.raises(UserError, match="No space left on device; make room"):
        unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, "x.zip")
