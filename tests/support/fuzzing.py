"""Hand mutated files from outside to the project's readers, in a process with limits.

Run: python -m tests.support.fuzzing FOLDER MODEL COUNT SEED
FOLDER is empty, MODEL a folder that evaluate wrote. Prints what happened as JSON: how many
inputs of each kind were read and refused, whatever else was raised, and what the audit hook saw.
"""

import codecs
import collections
import io
import itertools
import json
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.unpacking import unpack
from pipeline.deployment import network, predictor
from pipeline.deployment.description import read as described
from pipeline.models.checkpoints import tensors

MEMORY = 2**30
FILE = 2**28
SECONDS = 10
"""For one input."""
RUNNING = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.",
    "pickle.find_class",
    "ctypes.",
    "exec",
    "marshal.",
    "os.putenv",
)
PLACES = {"os.mkdir": (0,), "os.rename": (0, 1), "os.symlink": (0, 1), "os.link": (0, 1)}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
NUMBERS = [b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(4), b"\x00" * 8, b"\xff" * 8, b"77777777777"]
STEPS = [
    b"R",
    b"b",
    b"\x81",
    b"\x85",
    b"\x86",
    b"t",
    b"s",
    b"u",
    b"e",
    b"2",
    b"0",
    b"(",
    b")",
    b"}",
]
STEPS += [b"cos\nsystem\n", b"X\x04\x00\x00\x00true\x85R", b"q\x00", b"h\x00", b"\x8f", b"\x91"]
NAMES = [b"../../evil", b"/tmp/evil", b"a/../../evil", b"\\evil", b"a\0b"]


def hostile_pickle() -> bytes:
    class Call:
        def __reduce__(self) -> object:
            return os.system, ("true",)

    return pickle.dumps({"w": Call()}, 2)


def saved(*, legacy: bool) -> bytes:
    out = io.BytesIO()
    state = {"a.weight": torch.ones(3, 2), "b": torch.arange(4), "c": torch.ones(2).half()}
    torch.save({"state_dict": state}, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


def tar(form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, kind, link in (
            ("a/one.jpg", tarfile.REGTYPE, ""),
            ("a/two", tarfile.SYMTYPE, "one.jpg"),
            ("b/" + "long" * 40, tarfile.REGTYPE, ""),
            ("three", tarfile.LNKTYPE, "a/one.jpg"),
            ("folder", tarfile.DIRTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            member.size = 5 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"12345"))
    return out.getvalue()


def zip_file() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a/one.jpg", "a/two.jpg", "folder/"):
            archive.writestr(name, b"" if name.endswith("/") else b"12345" * 100)
    return out.getvalue()


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30)).save(out, "png")
    return out.getvalue()


def mutated(data: bytes, draw: random.Random, pieces: list[bytes]) -> bytes:
    """Change a few places: bits, numbers, pieces of the format, repeated and lost stretches."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        at = draw.randrange(len(changed) + 1)
        what = draw.randrange(6)
        if what == 0 and at < len(changed):
            changed[at] ^= 1 << draw.randrange(8)
        elif what == 1:
            number = draw.choice(NUMBERS)
            changed[at : at + len(number)] = number
        elif what == 2:
            piece = draw.choice(pieces)
            changed[at : at + draw.choice((0, len(piece)))] = piece
        elif what == 3:
            stretch = bytes(changed[at : at + draw.randrange(1, 600)])
            changed[at:at] = stretch * draw.choice((1, 2, 30))
        elif what == 4:
            del changed[at : at + draw.choice((1, 8, 512))]
        else:
            changed[at : at + 1] = bytes([draw.randrange(256)])
    return bytes(changed)


def with_checksums(data: bytes) -> bytes:
    """A tar whose changed headers are taken for good ones."""
    blocks = [bytearray(data[start : start + 512]) for start in range(0, len(data), 512)]
    for block in blocks:
        if block[257:262] == b"ustar" and len(block) == 512:
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
    return b"".join(blocks)


Input = tuple[str, Callable[[], object]]


def inputs(folder: Path, model: Path, draw: random.Random) -> Iterator[Input]:
    """Endless inputs: the kind, and what reads one."""
    arrays = {"conv.weight": np.ones((2, 3), "f4"), "fc.bias": np.ones(3, "f8")}
    pickles = [*(pickle.dumps(arrays, protocol) for protocol in (2, 3, 4)), hostile_pickle()]
    torches = [saved(legacy=False), saved(legacy=True)]
    tars, zips = [tar(tarfile.PAX_FORMAT), tar(tarfile.GNU_FORMAT)], [zip_file()]
    parts = {path.name: path.read_bytes() for path in model.iterdir() if path.suffix != ".onnx"}
    seen = picture()
    copy, archive, out = folder / "model", folder / "x.tgz", folder / "out"
    shutil.copytree(model, copy, ignore=shutil.ignore_patterns("*.onnx"))

    def weights(data: bytes) -> Callable[[], object]:
        return lambda: (archive.write_bytes(data), tensors(archive))

    def unpacked(data: bytes) -> Callable[[], object]:
        return lambda: (archive.write_bytes(data), unpack(archive, out))

    def loaded(name: str, data: bytes) -> Callable[[], object]:
        def read() -> None:
            for part, content in parts.items():
                (copy / part).write_bytes(data if part == name else content)
            description = described(copy / predictor.DESCRIPTION)
            network.load(description, copy / predictor.WEIGHTS)
            description.image(seen)

        return read

    for number in itertools.count():
        kind = ("pickle", "tar", "torch", "pickle", "zip", "tar", "model", "pickle")[number % 8]
        if kind == "pickle":
            yield kind, weights(mutated(draw.choice(pickles), draw, STEPS))
        elif kind == "torch":
            yield kind, weights(mutated(draw.choice(torches), draw, STEPS))
        elif kind == "tar":
            data = mutated(draw.choice(tars), draw, NAMES)
            yield kind, unpacked(with_checksums(data) if draw.random() < 0.8 else data)
        elif kind == "zip":
            yield kind, unpacked(mutated(draw.choice(zips), draw, NAMES))
        else:
            name = draw.choice(sorted(parts))
            head = parts[name][:4000]  # the header of the weights; what follows is numbers
            changed = mutated(head, draw, [b'"image_size": 8000', b"-1", b"1e9", b"null", b"[["])
            yield kind, loaded(name, changed + parts[name][4000:])


def import_everything(folder: Path, model: Path) -> None:
    """Read a good file of each kind, so that later only an input can cause an import."""
    Image.init()
    for codec in ("raw_unicode_escape", "unicode_escape"):  # of pickled text, and of messages
        codecs.lookup(codec)
    description = described(model / predictor.DESCRIPTION)
    network.load(description, model / predictor.WEIGHTS)
    description.image(picture())
    for data in (saved(legacy=False), saved(legacy=True)):
        (folder / "x.tgz").write_bytes(data)
        tensors(folder / "x.tgz")
    for data in (tar(tarfile.PAX_FORMAT), zip_file()):
        (folder / "x.tgz").write_bytes(data)
        unpack(folder / "x.tgz", folder / "out")
        shutil.rmtree(folder / "out")


def watched(folder: Path) -> list[str]:
    """Collect what the audit hook sees of running, and of writing outside ``folder``."""
    seen: list[str] = []

    def outside(path: object) -> bool:
        if isinstance(path, int):
            return False
        where = os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]  # noqa: PTH100
        return not f"{where}/".startswith(f"{folder}/")

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        runs = event.startswith(RUNNING)
        writes = event == "open" and int(arguments[2] or 0) & WRITING and outside(arguments[0])
        makes = any(outside(arguments[place]) for place in PLACES.get(event, ()))
        if runs or writes or makes:
            seen.append(f"{event}{arguments!r}"[:200])

    sys.addaudithook(hook)
    return seen


class TooSlowError(BaseException):
    """An input took longer than allowed; no reader catches this."""


def limited() -> None:
    """Allow this process little more than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))

    def too_slow(*_: object) -> None:
        raise TooSlowError

    signal.signal(signal.SIGPROF, too_slow)


def main() -> None:
    folder, model, count = Path(sys.argv[1]).resolve(), Path(sys.argv[2]), int(sys.argv[3])
    draw = random.Random(int(sys.argv[4]))
    import_everything(folder, model)
    limited()
    seen = watched(folder)
    read: collections.Counter[str] = collections.Counter()
    refused: collections.Counter[str] = collections.Counter()
    failures = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, (kind, run) in enumerate(itertools.islice(inputs(folder, model, draw), count)):
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            run()
            read[kind] += 1
        except UserError as error:
            refused[kind] += 1
            if "\n" in str(error):
                failures.append(f"{number} {kind}: {error}")
        except (Exception, TooSlowError) as error:
            failures.append(f"{number} {kind}: {type(error).__name__}: {error}"[:300])
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            shutil.rmtree(folder / "out", ignore_errors=True)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    left = sorted(path.name for path in folder.iterdir())
    answer = {"read": read, "refused": refused, "failures": failures[:20], "seen": seen[:20]}
    print(json.dumps(answer | {"grown": grown, "left": left}))


if __name__ == "__main__":
    main()
