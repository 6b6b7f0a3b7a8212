"""The download stage, as a function and through its front door."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.transfer import Patience
from pipeline.download import download
from pipeline.settings.dataset import ArchiveConfig, DatasetConfig
from pipeline.settings.folders import CONF
from tests.support.http_server import Drop, Server, Status

QUICK = Patience(attempts=3, pause=0.001)
IMAGES = b"images" * 1000
LABELS = b"labels"
CONFIGS = sorted((CONF / "dataset").glob("*.yaml"))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "images.tgz").write_bytes(IMAGES)
    (folder / "labels.mat").write_bytes(LABELS)
    with Server(folder) as running:
        yield running


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw" / "flowers102"


def dataset(url: str, **facts: object) -> DatasetConfig:
    archives = [
        ArchiveConfig(file="images.tgz", urls=[f"{url}/images.tgz"], sha256=sha256(IMAGES)),
        ArchiveConfig(file="labels.mat", urls=[f"{url}/labels.mat"], size=len(LABELS)),
    ]
    given = {"name": "flowers102", "title": "Flowers", "reader": "flowers102", **facts}
    return DatasetConfig(archives=archives, **given)


def test_fetches_every_file(server: Server, raw: Path) -> None:
    server.faults["images.tgz"] = [Drop(after=2000), Status(503)]
    paths = download(dataset(server.url), raw, QUICK)
    assert [path.read_bytes() for path in paths] == [IMAGES, LABELS]


def test_again_costs_nothing(server: Server, raw: Path) -> None:
    download(dataset(server.url), raw, QUICK)
    before = {path: path.stat().st_mtime_ns for path in raw.iterdir()}
    server.requests.clear()
    download(dataset(server.url), raw, QUICK)
    assert server.requests == []
    assert {path: path.stat().st_mtime_ns for path in raw.iterdir()} == before


def test_everything_missing_is_named_at_once_and_the_rest_is_kept(
    server: Server, raw: Path
) -> None:
    (server.folder / "images.tgz").unlink()
    asked = dataset(server.url, homepage="https://example.org/flowers")
    with pytest.raises(UserError) as caught:
        download(asked, raw, QUICK)
    message = str(caught.value)
    assert "flowers102: 1 of 2 files are missing" in message
    assert f"put it at {raw / 'images.tgz'}" in message
    assert "(tried: HTTP 404" in message
    assert "https://example.org/flowers" in message
    assert (raw / "labels.mat").read_bytes() == LABELS
    (raw / "images.tgz").write_bytes(IMAGES)
    assert len(download(asked, raw, QUICK)) == 2


def test_files_placed_by_hand_need_no_network(raw: Path) -> None:
    raw.mkdir(parents=True)
    (raw / "images.tgz").write_bytes(IMAGES)
    (raw / "labels.mat").write_bytes(LABELS)
    assert len(download(dataset("http://127.0.0.1:1"), raw, QUICK)) == 2


def test_originals_are_used_once_those_without_an_address_are_placed(
    server: Server, raw: Path
) -> None:
    (server.folder / "lists.zip").write_bytes(b"lists")
    gone = ArchiveConfig(file="SUN.tar.gz", sha256=sha256(b"sun"))
    lists = ArchiveConfig(file="lists.zip", urls=[f"{server.url}/lists.zip"])
    asked = dataset("http://127.0.0.1:1", originals=[gone, lists])
    with pytest.raises(UserError, match="the creators' own files") as caught:
        download(asked, raw, QUICK)
    assert f"{raw / 'SUN.tar.gz'} (size unstated, sha256 {gone.sha256})" in str(caught.value)
    (raw / "SUN.tar.gz").write_bytes(b"sun")
    assert download(asked, raw, QUICK) == [raw / "SUN.tar.gz", raw / "lists.zip"]


def test_disk_is_checked_over_all_files_before_the_first(server: Server, raw: Path) -> None:
    huge = ArchiveConfig(file="huge.tgz", urls=[f"{server.url}/huge.tgz"], size=10**18)
    small = dataset(server.url).archives[0]
    asked = dataset(server.url).model_copy(update={"archives": [small, huge]})
    with pytest.raises(UserError, match=r"not enough disk: 1000000000\.00 GB"):
        download(asked, raw, QUICK)
    assert server.requests == []


def test_digits_and_own_folders_fetch_nothing_but_leave_a_note(raw: Path) -> None:
    digits = DatasetConfig(name="digits", title="Digits", reader="digits")
    assert "scikit-learn" in download(digits, raw)[0].read_text()
    own = DatasetConfig(name="own", title="Own", reader="folder", root="/photos")
    assert "/photos" in download(own, raw)[0].read_text()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_dataset_states_what_a_reader_needs(path: Path) -> None:
    facts = yaml.safe_load(path.read_text())
    own = facts["reader"] == "folder"
    stated = DatasetConfig.model_validate(facts | ({"root": "/photos"} if own else {}))
    assert stated.name == path.stem
    assert path.read_text().startswith("# ")
    assert "# Run: " in path.read_text()
    if own:
        return
    assert stated.licence
    assert stated.citation
    assert stated.classes
    assert stated.counts
    assert stated.counts.train
    assert stated.homepage.startswith("https://")
    names = [one.file for one in [*stated.archives, *stated.originals]]
    assert len(names) == len(set(names))
    assert all(one.urls for one in stated.archives)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_data_readme_tells_of_each_dataset(path: Path) -> None:
    readme = (CONF.parent / "data" / "README.md").read_text()
    facts = yaml.safe_load(path.read_text())
    for archive in facts.get("archives", [])[:1] + facts.get("originals", []):
        assert archive["file"] in readme
    assert f"`{path.stem}`" in readme


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.download", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_front_door(server: Server, tmp_path: Path) -> None:
    archive = f"{{file: labels.mat, urls: ['{server.url}/labels.mat'], size: 6}}"
    where = ["--config-path", str(CONF.parent), "dataset=flowers102"]
    done = run(*where, f"dataset.archives=[{archive}]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["data/raw/flowers102/labels.mat"]
    assert (tmp_path / "data/raw/flowers102/labels.mat").read_bytes() == LABELS

    wrong = f"{{file: labels.mat, urls: ['{server.url}/labels.mat'], size: 7}}"
    failed = run(*where, f"dataset.archives=[{wrong}]", cwd=tmp_path)
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith("error: data/raw/flowers102/labels.mat is not")
    assert "Traceback" not in failed.stderr


def test_a_second_download_of_a_dataset_waits_for_the_first(tmp_path: Path) -> None:
    raw = tmp_path / "data" / "raw"
    raw.mkdir(parents=True)
    command = [sys.executable, "-m", "pipeline.download", "--config-path", str(CONF.parent)]
    with FileLock(raw / ".digits.lock"):
        second = subprocess.Popen(
            [*command, "dataset=digits"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        assert second.stderr is not None
        assert (
            "download to data/raw/digits is under way in another process"
            in second.stderr.readline()
        )
        assert not (raw / "digits" / "source.txt").exists()
    second.communicate()
    assert second.returncode == 0
    assert (raw / "digits" / "source.txt").exists()
