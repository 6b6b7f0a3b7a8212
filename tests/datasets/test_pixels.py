"""The pixel store: the same bytes however it is written, and PIL's pixels when it is read."""

import hashlib
import multiprocessing
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.base.errors import UserError
from pipeline.datasets.decoding import Decoding
from pipeline.datasets.manifest import SCHEMA, Manifest
from pipeline.datasets.pixels import PixelStore, Stored, write_store
from pipeline.training.augment import Window, centre_crop, crop
from tests.support.miniatures import encoded, picture

EXACT = Decoding(side=256, scaled=False)


def write(sources, path, how=EXACT, workers=1):
    return write_store(sources, path, how, workers=workers, title="test")


def opened(path, placed, sha256):
    columns = {
        "path": [f"{number:05d}.jpg" for number in range(len(placed))],
        "label": [0] * len(placed),
        "class_name": ["a"] * len(placed),
        "split": ["train"] * len(placed),
        **{
            name: [getattr(image, name) for image in placed]
            for name in ("sha256", "offset", "height", "width")
        },
    }
    return PixelStore(path, Manifest.of(pa.table(columns, schema=SCHEMA), ["a"], sha256))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Images of several sizes, one in ten unreadable."""
    folder = tmp_path_factory.mktemp("images")
    paths = []
    for number in range(40):
        size = (320, 300) if number % 20 == 7 else (30 + 2 * number, 70 - number)
        data = b"not an image" if number % 10 == 9 else encoded(picture(number, 0, size), "PNG")
        paths.append(folder / f"{number}.png")
        paths[-1].write_bytes(data)
    return paths


def test_any_number_of_workers_writes_the_same_bytes(files, tmp_path):
    written = []
    for workers in (1, 2):
        path = tmp_path / f"pixels{workers}.bin"
        written.append((*write(files, path, workers=workers), path.read_bytes()))
    assert written[0] == written[1]
    placed, sha256, content = written[0]
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert [isinstance(p, str) for p in placed] == [n % 10 == 9 for n in range(40)]


def test_images_come_back_without_a_copy(files, tmp_path):
    placed, sha256 = write(files[:7], tmp_path / "pixels.bin")
    store = opened(tmp_path / "pixels.bin", placed, sha256)
    for row, file in enumerate(files[:7]):
        image = store.image(row)
        assert np.array_equal(image, np.asarray(Image.open(file).convert("RGB")))
        assert not image.flags.writeable
        assert not image.flags.owndata


def test_arrays_are_stored_like_images(tmp_path):
    grey = np.asarray(picture(0, 0, (9, 7)).convert("L"))
    placed, sha256 = write([grey, grey, np.asarray(picture(1, 0, (600, 400)))], tmp_path / "p.bin")
    store = opened(tmp_path / "p.bin", placed, sha256)
    assert np.array_equal(store.image(0), np.repeat(grey[..., None], 3, axis=2))
    assert store.image(2).shape == (256, 384, 3)
    assert placed[0].sha256 == placed[1].sha256 != placed[2].sha256


def test_files_that_are_gone_are_unreadable(tmp_path):
    placed, _ = write([tmp_path / "gone.jpg"], tmp_path / "pixels.bin")
    assert placed == ["cannot be read: No such file or directory"]


def test_a_killed_worker_is_explained(files, tmp_path):
    class Killing(list):
        """Kills the workers, as a machine short of memory does, when the fourth batch is cut."""

        def __getitem__(self, part):
            if isinstance(part, slice) and part.start >= 48:
                for worker in multiprocessing.active_children():
                    worker.kill()
            return super().__getitem__(part)

    with pytest.raises(UserError, match="want of memory"):
        write(Killing(files * 10), tmp_path / "pixels.bin", workers=2)
    assert not (tmp_path / "pixels.bin").exists()


def test_nothing_is_left_of_an_interrupted_write(files, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    into = tmp_path / "into"
    monkeypatch.setattr("pipeline.datasets.pixels.examine", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(files, into / "pixels.bin")
    assert list(into.iterdir()) == []


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (333, 1000), (256, 300), (640, 640)])
def test_evaluation_equals_pil_byte_for_byte(size, tmp_path):
    """Resize 256 and centre crop 224 of the original, as PaddleClas evaluates."""
    original = picture(3, 1, size)
    (tmp_path / "photo.jpg").write_bytes(encoded(original, quality=95))
    placed, sha256 = write([tmp_path / "photo.jpg"], tmp_path / "pixels.bin")
    store = opened(tmp_path / "pixels.bin", placed, sha256)

    with Image.open(tmp_path / "photo.jpg") as photo:
        factor = 256 / min(size)
        width, height = round(size[0] * factor), round(size[1] * factor)
        resized = photo.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - 224) // 2, (height - 224) // 2
    expected = resized.crop((left, top, left + 224, top + 224))
    assert np.array_equal(centre_crop(store.image(0), 256, 224), np.asarray(expected))


@pytest.mark.parametrize("scaled", [False, True])
def test_any_crop_of_a_ramp_is_that_of_the_original(scaled, tmp_path):
    """On a linear ramp resampling twice changes nothing but rounding: within 2 of 255."""
    width, height = 1024, 768
    x = np.linspace(0, 255, width)[None, :]
    y = np.linspace(0, 255, height)[:, None]
    planes = np.stack(np.broadcast_arrays(x, y, 255 - (x + y) / 2), -1)
    original = planes.round().astype(np.uint8)
    (tmp_path / "ramp.jpg").write_bytes(encoded(Image.fromarray(original), quality=100))
    how = Decoding(side=256, scaled=scaled)
    placed, sha256 = write([tmp_path / "ramp.jpg"], tmp_path / "pixels.bin", how)
    image = opened(tmp_path / "pixels.bin", placed, sha256).image(0)
    ratio = 3
    for left, top, w, h in [(0, 0, 100, 100), (30, 40, 256, 180), (200, 100, 90, 120)]:
        stored = crop(image, Window((left, top, left + w, top + h), (224, 224)), 224).astype(int)
        box = (left * ratio, top * ratio, (left + w) * ratio, (top + h) * ratio)
        direct = crop(original, Window(box, (224, 224)), 224).astype(int)
        assert np.abs(stored - direct).max() <= 2


def test_memory_is_flat_in_the_number_of_images(tmp_path):
    """Half of these images would not fit in what is allowed."""
    side, images = 256, 240
    (tmp_path / "grey.png").write_bytes(encoded(Image.new("L", (side, side)), "PNG"))
    tracemalloc.start()
    write([tmp_path / "grey.png"] * images, tmp_path / "pixels.bin", workers=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "pixels.bin").stat().st_size == images * side * side * 3
    assert peak < images * side * side * 3 / 2


def test_stored_places_follow_one_another(files, tmp_path):
    placed, _ = write(files, tmp_path / "pixels.bin")
    end = 0
    for image in placed:
        if isinstance(image, Stored):
            assert image.offset == end
            end += image.height * image.width * 3
    assert (tmp_path / "pixels.bin").stat().st_size == end
