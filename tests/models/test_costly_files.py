"""Weights files that are small on disk and large, or endless, for a reader that trusts them."""

import gzip
import io
import json
import pickle
import struct
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch

from pipeline.base.errors import UserError
from pipeline.models import pickles
from pipeline.models.checkpoints import tensors

DEPTH = 60
"""Doublings: a hash of the last tuple visits 2**60 empty ones."""
MIB = 2**20


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def named(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def doubled_tuples(pop: bytes = b"0") -> bytes:
    """Tuples, each of the one before twice, in the memo from 0 to DEPTH."""
    steps = (b"h%ch%c\x86q%c" % (k, k, k + 1) + pop for k in range(DEPTH))
    return b")q\x00" + pop + b"".join(steps)


def nested_text(depth: int = 9) -> bytes:
    """A tuple of ten of the one before, whose text has 10**9 words, as the code of a dtype."""
    steps = (b"(" + b"h%c" % k * 10 + b"tq%c0" % (k + 1) for k in range(depth))
    tuples = text("lol") + b"q\x000" + b"".join(steps)
    return b"\x80\x04" + tuples + named("numpy", "dtype") + b"h%c\x85R." % depth


def copies(content: bytes) -> bytes:
    """``tuple`` called on the same content 4,000 times."""
    made = named("builtins", "tuple") + b"q\x000" + content + b"q\x010"
    return b"\x80\x04" + made + b"](" + b"h\x00h\x01\x85R" * 4000 + b"e."


def zipped(content: bytes, *, compression: int = zipfile.ZIP_STORED, size: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", bytes(size))
    return out.getvalue()


def saved(state: object, *, legacy: bool = False) -> bytes:
    out = io.BytesIO()
    torch.save(state, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


def view(*shape: int) -> torch.Tensor:
    """One value as a tensor of any shape."""
    return torch.ones(1).as_strided(shape, (0,) * len(shape))


def own_views(count: int) -> dict[str, torch.Tensor]:
    """Every tensor a view of one storage, none larger than it."""
    values = torch.zeros(250_000)
    return {f"w{number}": values.view(500, 500) for number in range(count)}


def big_endian_copies() -> bytes:
    """Arrays that share one megabyte of a foreign byte order, which makes a copy of each."""
    one = np.ones(250_000, ">f4").tobytes()

    class Same:
        def __reduce__(self) -> object:
            make, arguments, state = np.ones(250_000, ">f4").__reduce__()
            return make, arguments, (*state[:-1], one)

    return pickle.dumps({f"w{number}": Same() for number in range(1000)}, 4)


def half_precision() -> bytes:
    """Arrays of one shared megabyte of half precision: two of them each when they are used."""
    one = np.ones(500_000, "<f2").tobytes()

    class Same:
        def __reduce__(self) -> object:
            make, arguments, state = np.ones(500_000, "<f2").__reduce__()
            return make, arguments, (*state[:-1], one)

    return pickle.dumps({f"w{number}": Same() for number in range(200)}, 4)


def empty_tensors(count: int = 300_000) -> bytes:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"t{index}": entry for index in range(count)}).encode()
    return struct.pack("<Q", len(header)) + header


def nested_header() -> bytes:
    header = b'{"a":' + b"[" * 1_000_000
    return struct.pack("<Q", len(header)) + header


def equal_hashes(count: int) -> bytes:
    """A dict whose keys have one hash: to put them in takes a comparison with each before."""
    keys = (n * (2**61 - 1) for n in range(1, count + 1))
    return b"}(" + b"".join(b"\x8a\x0a" + n.to_bytes(10, "little") + b"N" for n in keys) + b"u."


def tar_of_long_attributes() -> bytes:
    """A compressed tar of whose header tarfile keeps all 300 MiB, only to say what it is."""
    header = tarfile.TarInfo("x")
    header.size, header.type = 300 * MIB, tarfile.XHDTYPE
    out = io.BytesIO()
    with gzip.open(out, "wb", compresslevel=1) as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(300):
            file.write(bytes(MIB))
    return out.getvalue()


def extra_fields() -> bytes:
    """A zip entry with 16,000 empty fields: zipfile copies the rest after each."""
    member = zipfile.ZipInfo("archive/data.pkl")
    member.extra = b"\x99\x99\0\0" * 16_000
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(member, b"\x80\x02}.")
    return out.getvalue()


LAST = b"h%c" % DEPTH
LINES = text("two\nlines\x1b[31m")
LONG_INTEGER = b"\x8b" + struct.pack("<i", MIB) + b"\1" * MIB
LONG_NAMES = b"X" + struct.pack("<I", MIB) + b"a" * MIB


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: b"\x80\x04" + doubled_tuples() + b"}" + LAST + b"Ns.", "a key is a tuple"),
        (lambda: b"\x80\x04" + doubled_tuples() + b"\x8f(" + LAST + b"\x90.", "EMPTY_SET"),
        (lambda: b"\x80\x04" + doubled_tuples() + b"(" + LAST + b"\x91.", "FROZENSET"),
        (lambda: zipped(b"\x80\x02" + doubled_tuples(b"") + b"}" + LAST + b"Ns."), "is a tuple"),
        (nested_text, "values of type a tuple"),
        (lambda: copies(b"B" + struct.pack("<I", MIB) + bytes(MIB)), "makes a tuple of"),
        (lambda: copies(b"](" + b"N" * 20_000 + b"e"), "bytes of memory"),
        (lambda: b"\x80\x04" + LONG_INTEGER + b"q\0}h\0Ns.", "more than 128 bits"),
        (lambda: b"\x80\x04}" + LONG_NAMES + b"Ns.", "a key is a long text"),
        (big_endian_copies, "bytes of memory"),
        (half_precision, "bytes of memory"),
        (lambda: saved({"w": view(500_000, 2048)}), "1,024,000,000 values, in a storage of 1"),
        (lambda: saved({"w": view(500_000, 2048)}, legacy=True), "in a storage of 1"),
        (lambda: saved({"w": view(10**9, 2048)}), "in a storage of 1"),
        (lambda: saved(own_views(2000)), "bytes of memory"),
        (lambda: saved(own_views(2000), legacy=True), "bytes of memory"),
        (
            lambda: zipped(b"\x80\x02}.", compression=zipfile.ZIP_DEFLATED, size=300 * MIB),
            "is compressed",
        ),
        (lambda: b"\x80\x04" + equal_hashes(20_000), "a key is a large number"),
        (lambda: zipped(b"\x80\x02" + equal_hashes(140_000)), "a key is a large number"),
        (tar_of_long_attributes, "is none of"),
        (extra_fields, "extra fields of 64,000 bytes"),
        (empty_tensors, "header has 19,988,890 bytes"),
        (lambda: empty_tensors(30_000), "more than 20,000 tensors"),
        (nested_header, "not a readable"),
    ],
)
def test_a_file_costs_in_proportion_to_its_size(tmp_path, content, reason):
    path = tmp_path / "weights"
    path.write_bytes(content())
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as caught:
            tensors(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert reason in message
    assert message.startswith(str(path))
    assert "\n" not in message
    assert peak < 600 * MIB


@pytest.mark.parametrize(
    "content", [b"\x80\x04" + LINES + LINES + b"\x93.", b"\x80\x04}" + LINES + b"Ns."]
)
def test_a_name_from_the_file_is_text_on_one_line(tmp_path, content):
    (tmp_path / "x.pdparams").write_bytes(content)
    with pytest.raises(UserError, match=r"two\\nlines\\x1b\[31m") as caught:
        tensors(tmp_path / "x.pdparams")
    assert "\n" not in str(caught.value)


def test_a_larger_file_may_hold_more(tmp_path, monkeypatch):
    """The bound follows the file: half precision of any number of classes is read."""
    monkeypatch.setattr(pickles, "LEAST_ROOM", 1000)
    state = {"fc.weight": torch.ones(300, 200).half(), "fc.bias": torch.ones(300).half()}
    torch.save(state, tmp_path / "half.pth")
    safetensors.torch.save_file(state, tmp_path / "half.safetensors")
    for name in ("half.pth", "half.safetensors"):
        assert tensors(tmp_path / name)["fc.weight"].shape == (300, 200)


@pytest.mark.parametrize("legacy", [False, True])
def test_every_kind_of_tensor_of_a_checkpoint_is_read(tmp_path, legacy):
    """Parameters, views, scalars, all types; beside them what a trainer keeps."""
    base = torch.arange(24.0)
    state = {
        "parameter": torch.nn.Parameter(torch.randn(2, 3)),
        "half": torch.ones(3).half(),
        "brain": torch.ones(3).bfloat16(),
        "double": torch.ones(3).double(),
        "count": torch.tensor(7),
        "small": torch.ones(2, dtype=torch.int32),
        "flags": torch.tensor([True, False]),
        "transposed": base.view(4, 6).T,
        "part": base[5:9],
        "empty": torch.empty(0, 3),
    }
    content = {
        "state_dict": state,
        "epoch": 3,
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "groups": [{"lr": 0.1}]},
        "size": torch.Size([1, 2]),
        "type": torch.float32,
    }
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(saved(content, legacy=legacy))
    read = tensors(path)
    assert list(read) == list(state)
    for name, tensor in state.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor.detach())
