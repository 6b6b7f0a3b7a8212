import hashlib
import io
import os
import runpy
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.models.checkpoints import tensors
from pipeline.models.weights import load
from pipeline.weights import main


@pytest.fixture(scope="module")
def loaded(golden_file):
    return load(golden_file)


@pytest.fixture(scope="module")
def timm_state(loaded):
    """The golden network as a state dict in timm's names, counters included."""
    network = timm.create_model("resnet50d")
    network.load_state_dict(loaded.state)
    return network.state_dict()


def assert_same_tensors(found, expected):
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def refused(path, arch="resnet50_vd") -> str:
    with pytest.raises(UserError) as caught:
        load(path, arch)
    message = str(caught.value)
    assert str(path) in message
    if arch == "resnet50_vd":
        assert "Expected 277 tensors of resnet50d, or 275 without its head" in message
        assert "bcebos.com/dygraph/legendary_models/ResNet50_vd_pretrained.pdparams" in message
    return message


def test_new_layout(loaded, golden, golden_file):
    assert loaded.head == 1000
    assert loaded.arch == "resnet50d"
    assert loaded.sha256 == hashlib.sha256(golden_file.read_bytes()).hexdigest()
    assert len(loaded.state) == 277
    assert all(t.is_contiguous() and t.dtype == torch.float32 for t in loaded.state.values())
    arrays = golden.arrays()
    np.testing.assert_array_equal(loaded.state["fc.weight"].numpy(), arrays["fc.weight"].T)
    np.testing.assert_array_equal(
        loaded.state["layer1.0.downsample.2.running_var"].numpy(),
        arrays["blocks.0.short.bn._variance"],
    )
    assert loaded.summary == (
        "new.pdparams: Paddle (PaddleClas 2.2 and later), 277 tensors (25.6 M values),"
        f" head of 1000 classes, sha256 {loaded.sha256[:12]}"
    )


def test_old_layout_holds_the_same_tensors(loaded, golden, tmp_path):
    arrays = {golden.old_name(name): array for name, array in golden.arrays().items()}
    old = load(golden.write(tmp_path / "old.pdparams", arrays, protocol=2))
    assert old.layout == "Paddle (PaddleClas 2.0 and 2.1)"
    assert_same_tensors(old.state, loaded.state)


def test_file_without_a_head_says_so(loaded, golden, tmp_path):
    arrays = {golden.old_name(name): array for name, array in golden.arrays().items()}
    del arrays["out.weight"], arrays["out.bias"]
    headless = load(golden.write(tmp_path / "10w.pdparams", arrays))
    assert headless.head is None
    assert "275 tensors" in headless.summary
    assert "no head in this file" in headless.summary
    assert_same_tensors(
        headless.state, {n: t for n, t in loaded.state.items() if not n.startswith("fc.")}
    )


@pytest.mark.parametrize("entry", [None, "state_dict", "model"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pytorch_files(timm_state, tmp_path, entry, zipped):
    path = tmp_path / "resnet50d.pth"
    content = {entry: timm_state, "epoch": 3} if entry else timm_state
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert_same_tensors(load(path).state, timm_state)


def test_half_precision_becomes_float32(timm_state, tmp_path):
    path = tmp_path / "half.safetensors"
    safetensors.torch.save_file(
        {n: t.half() if t.is_floating_point() else t for n, t in timm_state.items()}, path
    )
    found = load(path)
    assert found.layout == "timm"
    assert found.state["fc.weight"].dtype == torch.float32


def test_content_counts_not_the_suffix(loaded, golden_file, tmp_path):
    path = tmp_path / "weights.pth"
    path.symlink_to(golden_file)
    assert_same_tensors(load(path).state, loaded.state)


def changed(golden, **edits):
    """Valid arrays with some replaced or, where None, left out."""
    arrays = golden.light() | edits
    return {name: array for name, array in arrays.items() if array is not None}


MEAN = "blocks.3.conv1.bn._mean"
VARIANCE = "blocks.3.conv1.bn._variance"


@pytest.mark.parametrize(
    ("edits", "fault"),
    [
        ({MEAN: None}, "1 missing (layer2.0.bn2.running_mean)"),
        ({"blocks.16.conv0.conv.weight": np.ones(1, "f4")}, "1 not of this layout (blocks.16"),
        ({"fc.bias": None}, "1 missing (fc.bias)"),
        ({"fc.weight": None}, "1 missing (fc.weight)"),
        ({"fc.weight": np.ones((512, 10), "f4")}, "of another shape (fc.weight [10, 512]"),
        ({"fc.weight": np.ones((2048, 10), "f4")}, "fc.bias [1000] instead of [10]"),
        ({"fc.weight": np.ones(3, "f4")}, "of another shape (fc.weight [3]"),
        ({MEAN: np.ones(7, "f4")}, "layer2.0.bn2.running_mean [7] instead of [128]"),
        ({MEAN: np.full(128, np.nan, "f4")}, "1 with NaN or infinite values (layer2.0.bn2"),
        ({MEAN: np.full(128, 1e300, "f8")}, "1 with NaN or infinite values (layer2.0.bn2"),
        ({MEAN: np.ones(128, "i8")}, "1 not of a floating type (layer2.0.bn2.running_mean)"),
        ({VARIANCE: np.full(128, -1, "f4")}, "1 not a variance (layer2.0.bn2.running_var)"),
        ({VARIANCE: np.zeros(128, "f4")}, "1 not a variance (layer2.0.bn2.running_var)"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_faults_are_named(golden, tmp_path, edits, fault):
    message = refused(golden.write(tmp_path / "bad.pdparams", changed(golden, **edits)))
    assert fault in message
    assert "not weights of resnet50d" in message


def test_a_dead_channel_is_legitimate_and_a_lost_variance_is_not(golden, tmp_path):
    mean, variance = golden.light()[MEAN].copy(), golden.light()[VARIANCE].copy()
    mean[5], variance[5] = 0, 0
    arrays = changed(golden, **{MEAN: mean, VARIANCE: variance})
    assert load(golden.write(tmp_path / "dead.pdparams", arrays)).head == 1000
    arrays[MEAN] = golden.light()[MEAN]
    assert "not a variance" in refused(golden.write(tmp_path / "lost.pdparams", arrays))


def test_the_same_tensor_twice(golden, tmp_path):
    arrays = golden.light()
    arrays["blocks.00.conv0.conv.weight"] = arrays["blocks.0.conv0.conv.weight"]
    assert "meant twice" in refused(golden.write(tmp_path / "twice.pdparams", arrays))


def test_another_architecture(tmp_path):
    path = tmp_path / "resnet18.pth"
    torch.save(timm.create_model("resnet18").state_dict(), path)
    message = refused(path)
    assert "missing" in message
    assert "unknown" in message


def test_a_known_layout_of_another_network(golden_file):
    assert "holds resnet50d" in refused(golden_file, "tf_efficientnet_lite0")


def test_unknown_architecture_names_similar_ones(golden_file):
    with pytest.raises(UserError, match=r"resnet50_vdd.*similar: .*resnet50_vd"):
        load(golden_file, "resnet50_vdd")


def test_static_tar_and_folder(golden_file, tmp_path):
    archive = tmp_path / "ResNet50_vd_pretrained.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("ResNet50_vd_pretrained/conv1_1_weights")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"data"))
    assert "old static format; expected a .pdparams" in refused(archive)
    assert "is a folder" in refused(tmp_path)


@pytest.mark.parametrize("kind", ["pdparams", "pth", "old.pth", "safetensors"])
def test_half_a_file(loaded, golden_file, tmp_path, kind):
    path = tmp_path / f"weights.{kind}"
    if kind == "pdparams":
        path.write_bytes(golden_file.read_bytes())
    elif kind == "safetensors":
        safetensors.torch.save_file(loaded.state, path)
    else:
        torch.save(loaded.state, path, _use_new_zipfile_serialization=kind == "pth")
    whole = path.read_bytes()
    for share in (0.001, 0.5, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        refused(path)


@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found</html>", b"\x00" * 100])
def test_not_weights_at_all(tmp_path, content):
    path = tmp_path / "weights.pdparams"
    path.write_bytes(content)
    assert ".pdparams" in refused(path)
    path.unlink()
    assert "no such file" in refused(path)


class Hostile:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_pytorch_file_runs_nothing(tmp_path, zipped):
    trace, path = tmp_path / "trace", tmp_path / "weights.pth"
    content = {"w": Hostile(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert "nothing was run" in refused(path)
    assert not trace.exists()


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    kind=st.sampled_from(["zip", "old", "safetensors"]),
    edits=st.lists(
        st.tuples(st.integers(0, 10_000), st.binary(max_size=4), st.integers(0, 4)),
        min_size=1,
        max_size=6,
    ),
)
def test_mutated_files_load_or_are_refused(tmp_path, kind, edits):
    """The containers' own readers fail in many ways; a person sees one."""
    path = tmp_path / "weights"
    state = {"a.weight": torch.ones(3, 2), "b": torch.arange(4)}
    if kind == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    data = bytearray(path.read_bytes())
    for position, new, dropped in edits:
        at = position % len(data)
        data[at : at + dropped] = new
    path.write_bytes(data)
    refused(path)


def test_big_endian_arrays(golden, tmp_path):
    arrays = golden.light()
    arrays[MEAN] = np.arange(128, dtype=">f4")
    state = load(golden.write(tmp_path / "big_endian.pdparams", arrays)).state
    assert state["layer2.0.bn2.running_mean"].tolist() == list(range(128))


@pytest.mark.parametrize("content", [[1, 2], {"w": 3}, {3: torch.ones(2)}, {}])
def test_pytorch_file_of_something_else(tmp_path, content):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    assert "state dict" in refused(path)


def test_command_describes_and_converts(golden_file, tmp_path, capsys, timm_state):
    target = tmp_path / "converted.safetensors"
    main([str(golden_file), "--to", str(target)])
    printed = capsys.readouterr().out
    for expected in (
        hashlib.sha256(golden_file.read_bytes()).hexdigest(),
        "PaddleClas 2.2 and later",
        "277",
        "1000 classes",
        "resnet50_vd: every tensor of the file used once, all of the network filled",
        str(target),
    ):
        assert expected in printed
    network = timm.create_model("resnet50d", checkpoint_path=str(target))
    assert_same_tensors(network.state_dict(), timm_state)
    main([str(target)])
    assert "layout   timm" in capsys.readouterr().out


def test_command_refuses_and_writes_nothing(tmp_path):
    bad, target = tmp_path / "bad.pdparams", tmp_path / "out.safetensors"
    bad.write_bytes(b"\x80\x02}.")
    with pytest.raises(UserError):
        main([str(bad), "--to", str(target)])
    with pytest.raises(UserError, match=r"must end in \.safetensors"):
        main([str(bad), "--to", str(tmp_path / "out.pth")])
    with pytest.raises(UserError, match="not an architecture of timm"):
        main([str(bad.parent), "--arch", "no_such_network"])
    assert list(tmp_path.iterdir()) == [bad]


def test_command_says_when_it_cannot_write(golden, tmp_path):
    source = golden.write(tmp_path / "w.pdparams", golden.light())
    with pytest.raises(UserError, match="--to"):
        main([str(source), "--to", str(source / "out.safetensors")])


def test_command_line_door(tmp_path):
    absent = tmp_path / "absent.pdparams"
    run = subprocess.run(
        [sys.executable, "-m", "pipeline.weights", str(absent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
    assert "Traceback" not in run.stderr


def test_ctrl_c_is_one_line(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.models.weights.load", interrupted)
    monkeypatch.delitem(sys.modules, "pipeline.weights")
    monkeypatch.setattr(sys, "argv", ["weights", "x.pdparams"])
    with pytest.raises(SystemExit) as left:
        runpy.run_module("pipeline.weights", run_name="__main__")
    assert left.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_path_that_is_too_long_is_said():
    with pytest.raises(UserError, match="File name too long"):
        tensors(Path("x" * 5000))
