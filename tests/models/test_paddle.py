import io
import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.models import checkpoints, paddle, pickles
from pipeline.models.checkpoints import tensors

ARRAYS = {
    "conv.weight": np.arange(24, dtype="float32").reshape(2, 3, 2, 2),
    "fc.weight": np.asfortranarray(np.arange(6, dtype="float64").reshape(2, 3)),
    "half": np.ones(3, "float16"),
    "count": np.array([1, 2], "int64"),
    "scalar": np.array(2.5, "float32"),
    "big_endian": np.arange(3, dtype=">f4"),
}


def assert_same(found: dict, expected: dict) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


@pytest.fixture
def save(tmp_path):
    def write(content, protocol=4):
        path = tmp_path / "weights.pdparams"
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
        return path

    return write


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_protocols_and_both_spellings_of_numpy(save, protocol, module):
    content = {**ARRAYS, "StructuredToParameterName@@": dict.fromkeys(ARRAYS, "p")}
    data = pickle.dumps(content, protocol)
    here = b"numpy._core.multiarray"
    assert here in data
    if module != here.decode():
        if protocol == 4:  # short strings carry their length, frames theirs
            frameless = data[:2] + data[11:]
            data = frameless.replace(
                b"\x8c" + bytes([len(here)]) + here,
                b"\x8c" + bytes([len(module)]) + module.encode(),
            )
        else:
            data = data.replace(here, module.encode())
    assert_same(paddle.read(save(data)), ARRAYS)


def test_python_2_strings_as_array_bytes(save):
    """Protocol 2 from Python 2 holds array bytes as BINSTRING, read as latin1."""
    values = np.array([1.5, -2.0], "<f4")
    data = (
        b"\x80\x02}U\x01wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<i", 8)
        + values.tobytes()
        + b"tbs."
    )
    assert_same(paddle.read(save(data)), {"w": values})


def test_ordered_dict_and_name_array_tuples(save):
    content = OrderedDict((name, (f"p_{name}", array)) for name, array in ARRAYS.items())
    assert_same(paddle.read(save(content)), ARRAYS)


def test_tuples_by_reduce(save):
    class Tensor:
        def __reduce__(self):
            return tuple, (("linear_0.w_0", ARRAYS["conv.weight"]),)

    found = paddle.read(save({"conv.weight": Tensor()}))
    assert_same(found, {"conv.weight": ARRAYS["conv.weight"]})


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class StructuredType:
    """Pickles as a float32 whose state claims fields."""

    def __reduce__(self):
        return np.dtype, ("f4",), (3, "<", None, ("a",), {"a": 1}, 8, 8, 27)


def refused(path) -> str:
    with pytest.raises(UserError) as caught:
        tensors(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert len(message) < len(str(path)) + 400
    return message.removeprefix(str(path))


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_calls_are_refused_and_nothing_runs(save, tmp_path, protocol):
    trace = tmp_path / "trace"
    for call in (Call(os.system, f"touch {trace}"), Call(eval, f"open({str(trace)!r}, 'w')")):
        message = refused(save({"w": call}, protocol))
        assert call.function.__name__ in message
        assert "nothing was run" in message
    assert not trace.exists()


def test_lod_tensor_by_eval_is_refused(save):
    """Paddle itself may write builtins.eval('data', {'data': array}) for an old tensor type."""
    assert "eval" in refused(save({"w": Call(eval, "data", {"data": np.ones(2)})}))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"w": np.array([{}, "x"], object)}, "type O8"),
        ({"w": np.array(["text"])}, "type U4"),
        ({"w": np.ones(2, "complex64")}, "type c8"),
        ({"w": np.zeros(2, [("a", "f4")])}, "type V4"),
        ({"w": np.zeros((0, 3), "float32")}, "impossible shape"),
        ({"w": StructuredType()}, "structured"),
        ({"w": [1.0, 2.0]}, "w is not an array"),
        ({"w": 1.0}, "w is not an array"),
        ({1: np.ones(2)}, "dict from parameter name"),
        ([np.ones(2)], "dict from parameter name"),
        ({}, "holds no array"),
        (b"", "is empty"),
        (b"GIF89a not a pickle", "it begins with b'GIF89a"),
        (pickle.dumps({"w": 1}, 0), "it begins with b'(dp0"),
        (pickle.dumps({"w": np.ones(2)}, 5), "protocol 2, 3 or 4"),
        (pickle.dumps({"w": np.ones(2)}, 4) + b"more", "4 bytes follow"),
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "memo index"),
        (b"\x80\x02Ncos\nsystem\n.", "asks for os.system"),
        (b"\x80\x02N\x82\x01.", "EXT1"),
        (b"\x80\x02P1\n.", "PERSID"),
        (b"\x80\x02" + b"N" * 60_000 + b".", "instructions"),
        (b"\x80\x02)" + b"\x85" * 45_000 + b"}\x86.", "dict from parameter name"),
        (b"\x80\x02}" + b")" + b"\x85" * 45_000 + b"Ns.", "dict from parameter name"),
        (b"\x80\x02cnumpy\ndtype\n}U\x01aK\x01sb.", "change a global"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0fabc", "not a readable"),
    ],
)  # fmt: skip
def test_what_is_not_a_dict_of_arrays_is_refused(save, content, reason):
    assert reason in refused(save(content))


def test_every_truncation_is_refused(save):
    data = pickle.dumps(ARRAYS, 2)
    for length in range(0, len(data), 7):
        refused(save(data[:length]))


def test_too_large_a_file_is_refused(save, monkeypatch):
    monkeypatch.setattr(checkpoints, "MOST_BYTES", 100)
    assert "more than a weights file may have" in refused(save(ARRAYS))


def test_one_array_under_many_names_is_bounded(save, monkeypatch):
    array = np.ones(1000, "float32")
    path = save({f"w{i}": array for i in range(20)})
    for limit in (30_000, 70_000):
        monkeypatch.setattr(pickles, "LEAST_ROOM", limit)
        with pytest.raises(UserError, match=f"more than {limit:,} bytes of memory"):
            tensors(path)


@pytest.mark.parametrize("dtype", [">f4", "<f4"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_copies_are_counted_before_they_are_made(tmp_path, monkeypatch, dtype, protocol):
    """Many arrays over one blob, which a foreign byte order or an encoding would copy."""
    blob = np.ones(250_000, dtype)
    views = {f"w{i}": blob.view() for i in range(300)}
    path = tmp_path / "bomb.pdparams"
    path.write_bytes(shared_blob(views, protocol))
    assert path.stat().st_size < 3_000_000
    monkeypatch.setattr(pickles, "LEAST_ROOM", 20_000_000)
    tracemalloc.start()
    assert "bytes of memory" in refused(path)
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()


def shared_blob(arrays, protocol):
    """A pickle in which arrays of the same content share its bytes."""
    one = next(iter(arrays.values())).tobytes()

    class Same:
        def __init__(self, array):
            self.array = array

        def __reduce__(self):
            make, arguments, state = self.array.__reduce__()
            return make, arguments, (*state[:-1], one)

    out = io.BytesIO()
    pickle.dump({name: Same(array) for name, array in arrays.items()}, out, protocol)
    return out.getvalue()


EDITS = st.lists(
    st.tuples(st.integers(0, 10_000), st.binary(max_size=4), st.integers(0, 4)),
    min_size=1,
    max_size=6,
)


def edited(data: bytes, edits) -> bytes:
    changed = bytearray(data)
    for position, new, dropped in edits:
        at = position % len(changed)
        changed[at : at + dropped] = new
    return bytes(changed)


def load_or_refuse(path) -> None:
    try:
        read = tensors(path)
    except UserError:
        return
    for tensor in read.values():
        assert tensor.dtype in (torch.float16, torch.float32, torch.float64, torch.int64)


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(protocol=st.sampled_from([2, 3, 4]), edits=EDITS)
def test_mutated_files_load_or_are_refused(save, protocol, edits):
    """A byte changed anywhere never gets further than a UserError or a dict of arrays."""
    load_or_refuse(save(edited(pickle.dumps(ARRAYS, protocol), edits)))


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(protocol=st.sampled_from([2, 3, 4]), edits=EDITS)
def test_mutated_hostile_files_run_nothing(save, tmp_path, protocol, edits):
    trace = tmp_path / "trace"
    content = {
        **ARRAYS,
        "system": Call(os.system, f"touch {trace}"),
        "eval": Call(eval, f"open({str(trace)!r}, 'w')"),
    }
    load_or_refuse(save(edited(pickle.dumps(content, protocol), edits)))
    assert not trace.exists()


PUSHES = [b"N", b"K\x00", b"K\x01", b"U\x02f4", b"U\x01<", b"U\x01b", b"C\x08" + bytes(8)]
CONTAINERS = [b")", b"}", b"]", b"(", b"K\x00\x85"]
STEPS = [b"R", b"b", b"\x81", b"\x85", b"\x86", b"\x87", b"t", b"s", b"u", b"a", b"e", b"2", b"0"]
MEMO = [b"q\x00", b"q\x01", b"h\x00", b"h\x01"]
GLOBALS = [
    f"c{module}\n{name}\n".encode()
    for module, name in [
        *paddle._globals(pickles.Room(0)),
        ("os", "system"),
        ("builtins", "getattr"),
    ]
]
# What a genuine array is made of, so that programs come further than their first step.
GENUINE = [
    b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R",
    b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R",
    b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
]


@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from(PUSHES + CONTAINERS + STEPS + MEMO + GLOBALS + GENUINE)))
def test_no_program_reaches_the_globals_or_later_files(save, steps):
    """Any program of pickle's instructions is refused, and alters nothing for the next file."""
    load_or_refuse(save(b"\x80\x02" + b"".join(steps) + b"."))
    assert_same(paddle.read(save(ARRAYS)), ARRAYS)
