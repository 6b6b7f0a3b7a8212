"""prepare from archives and folders to manifest, pixels and stats."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from PIL import Image

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.placed_files import Archives
from pipeline.datasets.manifest import MANIFEST, PIXELS, STATS, Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.datasets.stats import copied_from_test
from pipeline.download import main as download
from pipeline.prepare import prepare
from pipeline.prepare import run as run_stage
from pipeline.settings.compose import compose, quote
from pipeline.settings.dataset import DatasetConfig
from tests.support import miniatures
from tests.support.miniatures import encoded, jpeg, picture

ROOT = Path(__file__).parents[1]

STATED = {
    # classes, train, val, test as the creators state them
    "oxford_iiit_pet": (37, 3680, 0, 3669),
    "flowers102": (102, 1020, 1020, 6149),
    "food101": (101, 75750, 0, 25250),
    "sun397": (397, 19850, 0, 19850),
    "caltech101": (102, 3060, 0, 6084),
    "dtd": (47, 1880, 1880, 1880),
    "stanford_cars": (196, 8144, 0, 8041),
    "fgvc_aircraft": (100, 3334, 3333, 3333),
    "fashion_mnist": (10, 60000, 0, 10000),
    "digits": (10, 1797, 0, 0),
}


@pytest.mark.parametrize("name", STATED)
def test_config_states_the_official_counts(name):
    config = DatasetConfig(**yaml.safe_load((ROOT / f"conf/dataset/{name}.yaml").read_text()))
    assert config.counts is not None
    counts = config.counts
    assert (config.classes, counts.train, counts.val, counts.test) == STATED[name]
    assert config.name == config.reader == name
    assert config.licence
    assert config.citation


@pytest.fixture(params=[*miniatures.PUBLIC, "fashion_mnist"])
def miniature(request, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    return getattr(miniatures, request.param)(folder)


def prepared(miniature, into, workers=1, **changes):
    archives = Archives(miniature.dataset, miniature.folder, into.parent / "unpacked")
    return prepare(miniature.config(**changes), archives, into, workers=workers)


def test_public_dataset(miniature, tmp_path):
    into = tmp_path / "prepared"
    manifest = prepared(miniature, into)
    stats = json.loads((into / STATS).read_text())
    train, val, test = miniature.counts
    readable = train + val + test - len(miniature.unreadable)

    assert Manifest.load(into) == manifest
    assert tuple(manifest.class_names) == miniature.class_names == tuple(stats["classes"])
    assert [lost["path"] for lost in stats["unreadable"]] == list(miniature.unreadable)
    assert sum(stats["totals"].values()) == len(manifest.labels) == readable
    assert stats["totals"]["test"] == test
    assert stats["totals"]["val"] == (val or round(0.2 * train))
    for split in ("train", "val", "test"):
        assert all(stats["counts"][split].values()), f"a class is missing from {split}"
    assert stats["digest"] == manifest.digest
    assert stats["duplicates"] == []
    assert not stats["accepted_counts"]
    assert not (tmp_path / "unpacked").exists()
    store = PixelStore(into / PIXELS, manifest)
    last = store.image(len(manifest.labels) - 1)
    assert last.ndim == 3
    assert last.std() > 0


def test_counts_are_a_contract(miniature, tmp_path):
    into = tmp_path / "prepared"
    stated = {"train": miniature.counts[0] + 1, "val": 7, "test": miniature.counts[2]}
    with pytest.raises(UserError, match="accept_counts: true") as refused:
        prepared(miniature, into, counts=stated)
    assert f"train images: found {miniature.counts[0]}, stated {stated['train']}" in str(
        refused.value
    )
    assert not into.exists()

    prepared(miniature, into, counts=stated, accept_counts=True)
    stats = json.loads((into / STATS).read_text())
    assert stats["accepted_counts"]
    assert len(stats["count_differences"]) == 2


def test_banner_of_aircraft_is_cut_by_option(tmp_path):
    aircraft = miniatures.fgvc_aircraft(tmp_path)
    for cut, height in ((True, 40), (False, 60)):
        into = tmp_path / f"prepared {cut}"
        manifest = prepared(aircraft, into, crop_banner=cut)
        assert set(manifest.column("height")) == {height}


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_same_bytes_again_and_with_any_number_of_workers(tmp_path):
    flowers = miniatures.flowers102(tmp_path)
    first = prepared(flowers, tmp_path / "one" / "flowers")
    again = prepared(flowers, tmp_path / "one" / "flowers")
    assert first == again
    prepared(flowers, tmp_path / "two" / "flowers", workers=2)
    assert content(tmp_path / "one" / "flowers") == content(tmp_path / "two" / "flowers")


def test_limits_keep_a_stratified_part(tmp_path):
    flowers = miniatures.flowers102(tmp_path)
    manifest = prepared(flowers, tmp_path / "flowers", max_train_images=102, max_val_images=102)
    assert [len(manifest.rows([s])) for s in ("train", "val", "test")] == [102, 102, 204]
    with pytest.raises(UserError, match="max_train_images=101"):
        prepared(flowers, tmp_path / "flowers", max_train_images=101)


def own(root, **changes):
    return DatasetConfig(name="mine", title="Mine", reader="folder", root=str(root), **changes)


def prepare_own(root, into, **changes):
    archives = Archives("mine", root, into.parent / "unpacked")
    return prepare(own(root, **changes), archives, into, workers=1)


def images(root, classes=("cat", "dog"), number=10):
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for image in range(number):
            (root / name / f"{image}.jpg").write_bytes(jpeg(label, image))


def mixed(root):
    """Two classes with every kind of odd file; returns the readable and the bad ones."""
    images(root)
    photo = picture(1, 99, (300, 280))
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded(photo)
    fine = {
        "rotated.jpg": encoded(photo, exif=exif),
        "grey.png": encoded(photo.convert("L"), "PNG"),
        "palette.png": encoded(photo.quantize(16), "PNG"),
        "rgba.png": encoded(photo.convert("RGBA"), "PNG"),
        "cmyk.jpg": encoded(photo.convert("CMYK")),
        "deep.png": encoded(Image.fromarray(np.full((30, 40), 4000, np.uint16)), "PNG"),
        "moving.gif": encoded(photo, "GIF", save_all=True, append_images=[picture(0, 1)]),
        "really a png.jpg": encoded(photo.crop((0, 0, 90, 80)), "PNG"),
        "really a jpeg.txt": encoded(photo.crop((0, 0, 80, 90))),
        "huge.jpg": encoded(picture(1, 5, (1600, 1400))),
    }
    bad = {
        "truncated.jpg": whole[: len(whole) // 2],
        "empty.jpg": b"",
        "not an image.jpg": b"<html>404 Not Found</html>",
        "huge.png": encoded(Image.new("L", (1500, 1500)), "PNG"),
    }
    for name, data in (fine | bad).items():
        (root / "dog" / name).write_bytes(data)
    return [f"dog/{name}" for name in sorted(fine)], [f"dog/{name}" for name in sorted(bad)]


def test_mixed_folder(tmp_path):
    fine, bad = mixed(tmp_path / "my images")
    into = tmp_path / "prepared"
    manifest = prepare_own(tmp_path / "my images", into, max_unreadable=0.2, max_pixels=2_000_000)
    stats = json.loads((into / STATS).read_text())
    reasons = {lost["path"]: lost["reason"] for lost in stats["unreadable"]}
    assert sorted(reasons) == bad
    assert "max_pixels" in reasons["dog/huge.png"]
    assert "truncated" in reasons["dog/truncated.jpg"]
    paths = list(manifest.column("path"))
    assert set(fine) <= set(paths)
    assert len(paths) == 20 + len(fine)
    store = PixelStore(into / PIXELS, manifest)
    assert store.image(paths.index("dog/rotated.jpg")).shape == (274, 256, 3)
    assert store.image(paths.index("dog/huge.jpg")).shape == (256, 293, 3)


def test_too_many_unreadable_images_stop_it(tmp_path):
    _, bad = mixed(tmp_path / "images")
    into = tmp_path / "prepared"
    prepare_own(tmp_path / "images", into, max_unreadable=0.5)
    with pytest.raises(UserError, match="4 of 34 images cannot be read") as stopped:
        prepare_own(tmp_path / "images", into, max_pixels=2_000_000)
    for path in bad:
        assert path in str(stopped.value)
    assert not (into / MANIFEST).exists(), "a manifest of other data must not be found later"
    assert not (into / PIXELS).exists()


def test_a_class_that_loses_all_images_of_a_split_is_named(tmp_path):
    for split in ("train", "val", "test"):
        images(tmp_path / "images" / split, number=3)
    for image in range(3):
        (tmp_path / "images" / "val" / "dog" / f"{image}.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="no val image of 'dog' can be read"):
        prepare_own(tmp_path / "images", tmp_path / "prepared", max_unreadable=0.5)


def test_the_same_image_in_two_splits_is_reported(tmp_path):
    for split, start in (("train", 0), ("test", 50)):
        images(tmp_path / "images" / split, classes=("dog",), number=0)
        (tmp_path / "images" / split / "cat").mkdir()
        (tmp_path / "images" / split / "dog" / "1.jpg").write_bytes(jpeg(1, start))
        (tmp_path / "images" / split / "dog" / "2.jpg").write_bytes(jpeg(2, start))
        for image in range(start, start + 5):
            (tmp_path / "images" / split / "cat" / f"{image}.jpg").write_bytes(jpeg(0, image))
    train = tmp_path / "images" / "train" / "cat"
    shutil.copy(train / "1.jpg", tmp_path / "images" / "test" / "cat" / "copy.jpg")
    shutil.copy(train / "2.jpg", train / "harmless copy.jpg")
    prepare_own(tmp_path / "images", tmp_path / "prepared", split_seed=1)
    stats = json.loads((tmp_path / "prepared" / STATS).read_text())
    (leak,) = [group for group in stats["duplicates"] if "test" in group["splits"]]
    assert copied_from_test(stats) == (2, 1)
    assert set(leak["paths"]) == {"train/cat/1.jpg", "test/cat/copy.jpg"}


def test_what_was_left_out_is_said(tmp_path, monkeypatch, capsys):
    mixed(tmp_path / "été, 图片 [1]=a")
    monkeypatch.chdir(tmp_path)
    overrides = ["dataset=folder", f"dataset.root={quote(tmp_path / 'été, 图片 [1]=a')}"]
    run_stage(compose(ROOT, [*overrides, "dataset.max_unreadable=0.2"]))
    said = capsys.readouterr()
    assert "Own images: 2 classes, 20 train, 4 val, 7 test images" in said.out
    assert "3 images left out, as they cannot be read" in said.err


def test_an_experiment_takes_what_the_repository_has_prepared(tmp_path, monkeypatch, capsys):
    """DVC runs it in a copy of the repository, from the raw files that download linked there."""
    images = tmp_path / "images"
    mixed(images)
    chosen = ["dataset=folder", f"dataset.root={images}", "dataset.max_unreadable=0.2"]
    repository = tmp_path / "repository"
    copies = [repository / ".dvc" / "tmp" / "exps" / f"tmp{number}" for number in range(4)]
    for copy in copies:
        (copy / ".dvc").mkdir(parents=True)
    kept = repository / "data" / "prepared" / "folder"

    def prepared_in(folder, *overrides):
        monkeypatch.chdir(folder)
        download(compose(ROOT, [*chosen, *overrides]))
        run_stage(compose(ROOT, [*chosen, *overrides]))
        made = {path.name: path for path in (folder / "data/prepared/folder").iterdir()}
        assert set(made) == {MANIFEST, PIXELS, STATS}
        return {name: path.samefile(kept / name) for name, path in made.items()}

    assert all(prepared_in(copies[0]).values())  # the first to run, before any `dvc repro`
    assert "taken from" in capsys.readouterr().out
    before = {path: path.read_bytes() for path in kept.iterdir()}
    assert all(prepared_in(copies[1]).values())
    assert not any(prepared_in(copies[2], "dataset.split_seed=5").values())
    (images / "cat" / "new.png").write_bytes(encoded(picture(0, 77), "PNG"))
    assert not any(prepared_in(copies[3]).values())
    assert {path: path.read_bytes() for path in kept.iterdir()} == before


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def command(arguments):
    return [sys.executable, "-m", "pipeline.prepare", f"--config-path={ROOT}", *arguments]


def run(arguments, cwd):
    return subprocess.run(
        command(arguments), cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True
    )


HALF = """
import sys
from pipeline import prepare
from pipeline.datasets import pixels
from pipeline.settings.command_line import stage

in_order = pixels.in_order

def half(*rest, **options):
    for number, batch in enumerate(in_order(*rest, **options)):
        yield batch
        if number == 2:
            print("half way", flush=True)
            sys.stdin.read()

pixels.in_order = half
stage(prepare.run, prepare.__doc__)
"""


@pytest.mark.slow
def test_killed_prepare_leaves_nothing_that_looks_complete(tmp_path):
    """kill -9 while it decodes: no manifest, no worker left, and the next run is as the first."""
    images(tmp_path / "my images", number=400)
    arguments = ["dataset=folder", f"dataset.root='{tmp_path}/my images'"]
    into = tmp_path / "data/prepared/folder"
    killed = subprocess.Popen(
        [sys.executable, "-c", HALF, *command(arguments)[3:]],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert "half way\n" in killed.stdout
    workers = psutil.Process(killed.pid).children()
    assert workers
    killed.kill()
    killed.communicate()
    assert list(into.glob(f".{PIXELS}.*"))
    assert not (into / MANIFEST).exists()
    again = run(arguments, tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(Manifest.load(into).labels) == 800
    assert sorted(path.name for path in into.iterdir()) == [MANIFEST, PIXELS, STATS]
    assert psutil.wait_procs(workers, timeout=60)[1] == []


def test_front_door(tmp_path):
    done = run(["dataset=digits"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Digits: 10 classes, 1,150 train, 288 val, 359 test images" in done.stdout
    manifest = Manifest.load(tmp_path / "data/prepared/digits")
    assert manifest.digest == DIGITS

    refused = run(["dataset=dtd"], tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: data/raw/dtd/dtd-r1.0.1.tar.gz is not there")
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "data/prepared/dtd").exists()


DIGITS = "65f7ba0499e9958547cc3ae50bc9ec414e205a25c64f9a586295bd3f98761a93"
"""Pinned: trials on another digest are trials on other data."""
