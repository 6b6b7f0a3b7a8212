"""Models that predict refuses: of another version, damaged, or at odds with themselves."""

import io
import json
import shutil
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from pipeline.base.errors import UserError
from pipeline.datasets.decoding import UnreadableError
from pipeline.deployment import network
from pipeline.deployment.classifying import predictions
from pipeline.deployment.description import read
from pipeline.deployment.inputs import Unreadable
from pipeline.deployment.predictor import PIXELS, Predictor
from pipeline.predict import main
from tests.support.miniatures import jpeg


def test_a_model_of_another_version_or_kind_is_refused(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "model")
    described = json.loads((model / "model.json").read_text())

    def refused(match: str) -> None:
        with pytest.raises(UserError, match=match):
            main([str(copy), "x.jpg"])

    (copy / "model.json").write_text(json.dumps(described | {"format": 1}))
    refused(r"model\.json: a model of format 1, but this version reads format 2")
    (copy / "model.json").write_text(json.dumps(described | {"image_size": 0}))
    refused(r"image_size: .*damaged")
    for changed, reason in (
        ({"std": [0.2, 0.0, 0.2]}, "std.1: .*greater than 0"),
        ({"mean": [0.2, float("nan"), 0.2]}, "mean.1: .*finite"),
        ({"classes": ["a", "b", "a"]}, "two classes have the same name"),
        ({"decoding": {"side": 256}}, "decoding: .*scaled, max_pixels, crop_bottom .*missing"),
        ({"decoding": None}, "decoding: .*damaged"),
        ({"resize_size": 8}, "resize_size must be at least image_size"),
        ({"image_size": 10**9}, "image_size: .*less than or equal to 2048"),
        (
            {"image_size": 8192, "resize_size": 8192},
            "resize_size: .*equal to 4096; image_size: .*equal to 2048",
        ),
    ):
        (copy / "model.json").write_text(json.dumps(described | changed))
        refused(reason)
    (copy / "model.json").write_text(json.dumps(described | {"title": "x" * 2**24}))
    refused(r"model\.json: more than 16,777,216 bytes")
    (copy / "model.json").write_text("[" * 100_000)
    refused("no JSON")
    (copy / "model.json").write_text("{")
    refused("no JSON")
    (copy / "model.json").write_text(json.dumps(described | {"classes": ["a", "b", "c"]}))
    refused(r"model\.json and model\.onnx describe two different models")
    (copy / "model.json").write_text(json.dumps(described))
    (copy / "model.onnx").unlink()
    refused(r"model\.onnx: not an ONNX model")
    (copy / "model.json").unlink()
    refused(r"model\.json: No such file or directory")


def test_a_strangers_model_takes_no_more_memory_than_ours(model: Path, tmp_path: Path) -> None:
    """Whatever model.json asks for: few large images at once, none of unbounded size."""
    copy = shutil.copytree(model, tmp_path / "model")
    described = json.loads((model / "model.json").read_text())
    for number in range(3):
        Image.new("RGB", (60, 60)).save(tmp_path / f"{number}.png")
    Image.new("RGB", (4000, 41)).save(tmp_path / "strip.png")
    sides = {"image_size": 1536, "resize_size": 4000}
    decoding = described["decoding"] | {"side": None, "max_pixels": 10**15}
    (copy / "model.json").write_text(json.dumps(described | sides | {"decoding": decoding}))
    stranger = read(copy / "model.json")
    seen, inside, at_once = [], [], []

    def shapes(images: np.ndarray) -> np.ndarray:
        seen.append(images.shape)
        inside.append(len(images))
        at_once.append(sum(inside))
        time.sleep(0.1)
        inside.remove(len(images))
        return np.full((len(images), len(described["classes"])), 0.5)

    small = [tmp_path / f"{number}.png" for number in range(3)]
    unreadable = Unreadable()
    model_of_shapes = Predictor(stranger, shapes)
    assert len(list(predictions(model_of_shapes, small, 1, unreadable))) == 3
    assert {shape[1:] for shape in seen} == {(1536, 1536, 3)}
    assert max(at_once) * 1536**2 <= PIXELS
    with pytest.raises(UnreadableError, match="is a strip, too large when resized"):
        stranger.image((tmp_path / "strip.png").read_bytes())
    huge = io.BytesIO()
    Image.new("1", (15_000, 15_000)).save(huge, "png")
    with pytest.raises(UnreadableError, match="max_pixels=200000000"):
        stranger.image(huge.getvalue())


def test_weights_that_do_not_fit_are_refused(model: Path, tmp_path: Path) -> None:
    described, path = read(model / "model.json"), tmp_path / "model.safetensors"

    def refused(match: str) -> None:
        with pytest.raises(UserError, match=match):
            network.load(described, path)

    refused(r"model\.safetensors: no such file")
    path.write_bytes(b"\x80\x04pickle")
    refused(r"model\.safetensors: no safetensors file")
    state = load_file(model / "model.safetensors")
    save_file({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, path)
    refused(r"holds torch\.float16, but torch\.float32 is needed")
    shutil.copyfile(model / "model.safetensors", path)
    described = described.model_copy(update={"classes": ["a", "b"]})
    refused(r"model\.safetensors: not the weights of test_resnet with 2 classes")


def test_weights_that_give_no_numbers_are_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(0, 0))
    broken = onnx.load(model / "model.onnx")
    for tensor in broken.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(tensor) * np.float32("nan")
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(broken, tmp_path / "model.onnx")
    with pytest.raises(UserError, match="gives no probabilities: its weights are damaged"):
        main([str(tmp_path / "model.onnx"), str(tmp_path / "a.jpg")])


@pytest.mark.parametrize(
    ("field", "value"), [("classes", ["ant", "bee"]), ("image_size", 24)], ids=["classes", "size"]
)
def test_an_onnx_file_that_contradicts_itself_is_refused(
    model: Path, tmp_path: Path, field: str, value: object
) -> None:
    changed = onnx.load(model / "model.onnx")
    for entry in changed.metadata_props:
        if entry.key == field:
            entry.value = json.dumps(value)
    onnx.save(changed, tmp_path / "model.onnx")
    with pytest.raises(UserError, match="but the metadata say"):
        main([str(tmp_path / "model.onnx"), "x.jpg"])
