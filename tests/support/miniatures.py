"""Small archives with the layout, names, lists and quirks of the public datasets.

Each builder writes a dataset's files as its creators (or a mirror) publish them, with a handful of
images whose colour and stripes tell the class, and says what an honest reader must find in them.
"""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.lib.recfunctions import drop_fields
from PIL import Image
from scipy.io import savemat

from pipeline.settings.dataset import DatasetConfig

CONF = Path(__file__).parents[2] / "conf" / "dataset"


@dataclass(frozen=True)
class Miniature:
    """What the files in ``folder`` hold. ``counts`` are train, val and test as listed."""

    dataset: str
    folder: Path
    files: tuple[str, ...]
    class_names: tuple[str, ...]
    counts: tuple[int, int, int]
    unreadable: tuple[str, ...] = ()

    def archives(self, url: str) -> list[dict[str, Any]]:
        """The ``archives`` of a config that fetches the files from ``url``."""
        return [
            {
                "file": name,
                "urls": [f"{url}/{name}"],
                "size": (self.folder / name).stat().st_size,
                "sha256": hashlib.sha256((self.folder / name).read_bytes()).hexdigest(),
            }
            for name in self.files
        ]

    def config(self, url: str = "http://127.0.0.1:9", **changes: Any) -> DatasetConfig:
        """The dataset's own config with this size and these addresses."""
        train, val, test = self.counts
        values = yaml.safe_load((CONF / f"{self.dataset}.yaml").read_text())
        values |= {
            "archives": self.archives(url),
            "classes": len(self.class_names),
            "counts": {"train": train, "val": val, "test": test},
            "max_unreadable": 0.1,
        }
        return DatasetConfig.model_validate(values | changes)


def picture(label: int, number: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Stripes whose direction and colour tell the label; the number makes each one different."""
    rng = np.random.default_rng((label, number))
    width, height = size
    colour = np.random.default_rng(label).integers(40, 216, 3)
    across = (label % 2) * np.arange(width)[None] + (1 - label % 2) * np.arange(height)[:, None]
    stripes = 40 * ((across // (4 + label % 5)) % 2)[..., None]
    noise = rng.integers(-20, 21, (height, width, 3))
    return Image.fromarray(np.clip(colour + stripes + noise, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(label: int, number: int, size: tuple[int, int] = (48, 40)) -> bytes:
    return encoded(picture(label, number, size), quality=90)


def tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> None:
    path.write_bytes(tar_bytes(members, mode))


def tar_bytes(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _mat(**values: Any) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, values)
    return buffer.getvalue()


def _text(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def oxford_iiit_pet(folder: Path) -> Miniature:
    """Rogue .mat files among the images, hidden ones among the trimaps, bytes after a JPEG."""
    breeds = ["Abyssinian", "american_bulldog", "beagle"]
    images, lists = {}, {"trainval": [], "test": [], "list": ["#Image CLASS-ID SPECIES BREED ID"]}
    annotations = {"annotations/README": b"text", "annotations/trimaps/._Abyssinian_1.png": b"\0"}
    for label, breed in enumerate(breeds):
        for number in range(1, 13):
            name = f"{breed}_{number}"
            images[f"images/{name}.jpg"] = jpeg(label, number)
            annotations[f"annotations/trimaps/{name}.png"] = b"not read"
            line = f"{name} {label + 1} {1 if breed[0].isupper() else 2} 1"
            lists["trainval" if number <= 8 else "test"].append(line)
            lists["list"].append(line)
    images["images/beagle_3.jpg"] += b"extraneous bytes"
    images["images/Abyssinian_100.mat"] = b"MATLAB 5.0 MAT-file"
    annotations["annotations/xmls/beagle_1.xml"] = b"<annotation/>"
    annotations |= {f"annotations/{name}.txt": _text(*lines) for name, lines in lists.items()}
    tar(folder / "images.tar.gz", images)
    tar(folder / "annotations.tar.gz", annotations)
    names = ("Abyssinian", "American Bulldog", "Beagle")
    return Miniature(
        "oxford_iiit_pet", folder, ("images.tar.gz", "annotations.tar.gz"), names, (24, 0, 12)
    )


def flowers102(folder: Path) -> Miniature:
    """All 102 classes, labels and image numbers from 1, shuffled; test is the large split."""
    from torchvision.datasets import Flowers102

    order = np.random.default_rng(0).permutation(408)
    labels = np.empty(408, np.uint8)
    labels[order] = np.arange(408) % 102 + 1
    parts = (order[:102] + 1, order[102:204] + 1, order[204:] + 1)
    images = {f"jpg/image_{n + 1:05d}.jpg": jpeg(int(labels[n]) - 1, n) for n in range(408)}
    tar(folder / "102flowers.tgz", images)
    train, val, test = (part[None] for part in parts)
    (folder / "imagelabels.mat").write_bytes(_mat(labels=labels[None]))
    (folder / "setid.mat").write_bytes(_mat(trnid=train, valid=val, tstid=test))
    files = ("102flowers.tgz", "imagelabels.mat", "setid.mat")
    return Miniature("flowers102", folder, files, tuple(Flowers102.classes), (102, 102, 204))


def food101(folder: Path) -> Miniature:
    """Text lists lie beside the JSON ones; images are up to 512 pixels wide."""
    names = ["apple_pie", "baby_back_ribs", "waffles"]
    members, lists = {}, {"train": {}, "test": {}}
    for label, name in enumerate(names):
        numbers = [1000 + 7 * label + n for n in range(12)]
        for number in numbers:
            members[f"food-101/images/{name}/{number}.jpg"] = jpeg(label, number, (64, 48))
        lists["train"][name] = [f"{name}/{number}" for number in numbers[:9]]
        lists["test"][name] = [f"{name}/{number}" for number in numbers[9:]]
    for split, classes in lists.items():
        members[f"food-101/meta/{split}.json"] = json.dumps(classes).encode()
        flat = [image for images in classes.values() for image in images]
        members[f"food-101/meta/{split}.txt"] = _text(*flat)
    members["food-101/meta/classes.txt"] = _text(*names)
    members["food-101/README.txt"] = b"text"
    tar(folder / "food-101.tar.gz", members)
    readable = ("apple pie", "baby back ribs", "waffles")
    return Miniature("food101", folder, ("food-101.tar.gz",), readable, (27, 0, 9))


def sun397(folder: Path) -> Miniature:
    """Nested classes; BMP, PNG and GIF inside .jpg names; a bad file; images in no partition."""
    names = ["abbey", "church/indoor", "church/outdoor", "zen_garden"]
    members, train, test = {}, [], []
    for label, name in enumerate(names):
        for number in range(14):
            path = f"{name[0]}/{name}/sun_{'abcdefghijklmn'[number]}{label}.jpg"
            members[f"SUN397/{path}"] = jpeg(label, number)
            if number < 8:
                train.append(f"/{path}")
            elif number < 12:
                test.append(f"/{path}")
    members["SUN397/a/abbey/sun_a0.jpg"] = encoded(picture(0, 0), "BMP")
    members["SUN397/a/abbey/sun_b0.jpg"] = encoded(picture(0, 1), "PNG")
    members["SUN397/z/zen_garden/sun_a3.jpg"] = encoded(picture(3, 0), "GIF")
    bad = "c/church/outdoor/sun_bhenjvsvrtumjuri.jpg"
    members[f"SUN397/{bad}"] = b"\xff\xd8\xff\xe0 badly encoded"
    train.append(f"/{bad}")
    members["SUN397/ClassName.txt"] = _text(*(f"/{name[0]}/{name}" for name in names))
    tar(folder / "SUN397.tar.gz", members)
    with zipfile.ZipFile(folder / "Partitions.zip", "w") as archive:
        for number in range(1, 11):
            archive.writestr(f"Training_{number:02d}.txt", _text(*train))
            archive.writestr(f"Testing_{number:02d}.txt", _text(*test))
        archive.writestr("ClassName.txt", members["SUN397/ClassName.txt"])
    return Miniature(
        "sun397", folder, ("SUN397.tar.gz", "Partitions.zip"), tuple(names), (33, 0, 16), (bad,)
    )


def caltech101(folder: Path) -> Miniature:
    """A tar.gz in a zip, a stray ``tmp`` in the background folder, a grey image, a class of 31."""
    sizes = {"BACKGROUND_Google": 34, "Faces": 33, "accordion": 31}
    members = {"101_ObjectCategories/BACKGROUND_Google/tmp": b"stray"}
    for label, (name, size) in enumerate(sizes.items()):
        for number in range(1, size + 1):
            members[f"101_ObjectCategories/{name}/image_{number:04d}.jpg"] = jpeg(label, number)
    grey = encoded(picture(1, 5).convert("L"))
    members["101_ObjectCategories/Faces/image_0005.jpg"] = grey
    with zipfile.ZipFile(folder / "caltech-101.zip", "w") as archive:
        inner = tar_bytes(members)
        archive.writestr("caltech-101/101_ObjectCategories.tar.gz", inner)
        archive.writestr("caltech-101/Annotations.tar", tar_bytes({"Annotations/x": b""}, "w"))
        archive.writestr("caltech-101/show_annotation.m", b"% text")
    return Miniature("caltech101", folder, ("caltech-101.zip",), tuple(sizes), (90, 0, 8))


def dtd(folder: Path) -> Miniature:
    """Ten partitions that differ; the joint annotations lie beside them."""
    names = ["banded", "blotchy", "zigzagged"]
    members: dict[str, bytes] = {"dtd/labels/labels_joint_anno.txt": _text("banded/a.jpg banded")}
    for label, name in enumerate(names):
        for number in range(12):
            members[f"dtd/images/{name}/{name}_{number:04d}.jpg"] = jpeg(label, number)
    for partition in range(1, 11):
        for position, split in enumerate(("train", "val", "test")):
            lines = [
                f"{name}/{name}_{(4 * position + number + partition) % 12:04d}.jpg"
                for name in names
                for number in range(4)
            ]
            members[f"dtd/labels/{split}{partition}.txt"] = _text(*lines)
    members["dtd/imdb/imdb.mat"] = b"not read"
    tar(folder / "dtd-r1.0.1.tar.gz", members)
    return Miniature("dtd", folder, ("dtd-r1.0.1.tar.gz",), tuple(names), (12, 12, 12))


CARS = ("AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Ram C/V Cargo Van Minivan 2012")


def stanford_cars(folder: Path) -> Miniature:
    """The creators' files: classes from 1, the labels of test at the top and not in the devkit."""
    kind = [(name, "O") for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
    annotations = {}
    for split, count, first in (("train", 24, 0), ("test", 12, 100)):
        members, rows = {}, []
        for number in range(count):
            name = f"{number + 1:05d}.jpg"
            members[f"cars_{split}/{name}"] = jpeg(number % 3, first + number)
            rows.append((1, 1, 40, 30, number % 3 + 1, name))
        tar(folder / f"cars_{split}.tgz", members)
        annotations[split] = np.array(rows, dtype=kind)[None]
    unlabelled = drop_fields(annotations["test"], "class")
    devkit = {
        "devkit/README.txt": b"text",
        "devkit/cars_meta.mat": _mat(class_names=np.array(CARS, dtype=object)[None]),
        "devkit/cars_train_annos.mat": _mat(annotations=annotations["train"]),
        "devkit/cars_test_annos.mat": _mat(annotations=unlabelled),
    }
    tar(folder / "car_devkit.tgz", devkit)
    labelled = _mat(annotations=annotations["test"])
    (folder / "cars_test_annos_withlabels.mat").write_bytes(labelled)
    files = (
        "cars_train.tgz",
        "cars_test.tgz",
        "car_devkit.tgz",
        "cars_test_annos_withlabels.mat",
    )
    return Miniature("stanford_cars", folder, files, CARS, (24, 0, 12))


def mirrored_cars(folder: Path) -> Miniature:
    """The mirror: parquet with embedded images, in more than one file per split."""
    files = tuple(
        embedded(folder / f"{split}-0000{part}-of-00002.parquet", CARS, numbers)
        for split, part, numbers in (
            ("train", 0, range(12)),
            ("train", 1, range(12, 24)),
            ("test", 0, range(100, 106)),
            ("test", 1, range(106, 112)),
        )
    )
    return Miniature("stanford_cars", folder, files, CARS, (24, 0, 12))


def embedded(path: Path, names: tuple[str, ...], numbers: range) -> str:
    features = {"label": {"names": list(names), "_type": "ClassLabel"}}
    images = [{"bytes": jpeg(n % len(names), n), "path": None} for n in numbers]
    table = pa.table({"image": images, "label": [n % len(names) for n in numbers]})
    about = json.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), path)
    return path.name


def fgvc_aircraft(folder: Path) -> Miniature:
    """Variants with spaces and slashes; 20 rows of banner below each image."""
    names = ["707-320", "Cessna 172", "F/A-18"]
    root = "fgvc-aircraft-2013b/data"
    members = {f"{root}/variants.txt": _text(*names), f"{root}/families.txt": _text("Boeing 707")}
    lists: dict[str, list[str]] = {"train": [], "val": [], "trainval": [], "test": []}
    for label, name in enumerate(names):
        for number in range(12):
            image = f"{1025794 + 100 * label + number}"
            photo = Image.new("RGB", (48, 60), "white")
            photo.paste(picture(label, number))
            members[f"{root}/images/{image}.jpg"] = encoded(photo, quality=90)
            for split in {4: ["val", "trainval"], 8: ["test"]}.get(
                number // 4 * 4, ["train", "trainval"]
            ):
                lists[split].append(f"{image} {name}")
    for split, lines in lists.items():
        members[f"{root}/images_variant_{split}.txt"] = _text(*lines)
    members[f"{root}/images_box.txt"] = b"1025794 3 144 998 431\n"
    tar(folder / "fgvc-aircraft-2013b.tar.gz", members)
    files = ("fgvc-aircraft-2013b.tar.gz",)
    return Miniature("fgvc_aircraft", folder, files, tuple(names), (12, 12, 12))


def fashion_mnist(folder: Path) -> Miniature:
    from torchvision.datasets import FashionMNIST

    files = []
    for prefix, start, count in (("train", 0, 60), ("t10k", 60, 20)):
        labels = np.arange(count, dtype=np.uint8) % 10
        images = np.stack(
            [np.asarray(picture(n % 10, start + n, (28, 28)).convert("L")) for n in range(count)]
        )
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
            files.append(f"{prefix}-{name}-ubyte.gz")
            (folder / files[-1]).write_bytes(gzip.compress(head + array.tobytes(), mtime=0))
    return Miniature(
        "fashion_mnist", folder, tuple(files), tuple(FashionMNIST.classes), (60, 0, 20)
    )


PUBLIC: dict[str, Callable[[Path], Miniature]] = {
    "oxford_iiit_pet": oxford_iiit_pet,
    "flowers102": flowers102,
    "food101": food101,
    "sun397": sun397,
    "caltech101": caltech101,
    "dtd": dtd,
    "stanford_cars": stanford_cars,
    "fgvc_aircraft": fgvc_aircraft,
}
"""The eight datasets of the benchmark."""
