"""Models that predict refuses: of another version, damaged, or at odds with themselves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest
from safetensors.torch import load_file, save_file

from pipeline.base.errors import UserError
from pipeline.predict import main
from tests.support.miniatures import jpeg


def test_a_model_of_another_version_or_kind_is_refused(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "model")
    described = json.loads((model / "model.json").read_text())

    def refused(match: str) -> None:
        with pytest.raises(UserError, match=match):
            main([str(copy), "x.jpg"])

    (copy / "model.json").write_text(json.dumps(described | {"format": 2}))
    refused(r"model\.json: a model of format 2, but this version reads format 1")
    (copy / "model.json").write_text(json.dumps(described | {"image_size": 0}))
    refused(r"image_size: .*damaged")
    for changed, reason in (
        ({"std": [0.2, 0.0, 0.2]}, "std.1: .*greater than 0"),
        ({"mean": [0.2, float("nan"), 0.2]}, "mean.1: .*finite"),
        ({"classes": ["a", "b", "a"]}, "two classes have the same name"),
        ({"resize_size": 8}, "resize_size must be at least image_size"),
        ({"image_size": 10**9}, "image_size: .*less than or equal to 8192"),
    ):
        (copy / "model.json").write_text(json.dumps(described | changed))
        refused(reason)
    (copy / "model.json").write_text("[" * 100_000)
    refused("no JSON")
    (copy / "model.json").write_text("{")
    refused("no JSON")
    (copy / "model.json").write_text(json.dumps(described | {"classes": ["a", "b"]}))
    refused(r"model\.safetensors: not the weights of test_resnet with 2 classes")
    (copy / "model.json").write_text(json.dumps(described))
    (copy / "model.safetensors").write_bytes(b"\x80\x04pickle")
    refused(r"model\.safetensors: no safetensors file")
    (copy / "model.safetensors").unlink()
    refused(r"model\.safetensors: no such file")
    (copy / "model.json").unlink()
    refused(r"model\.json: No such file or directory")


def test_weights_that_give_no_numbers_are_refused(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "model")
    (tmp_path / "a.jpg").write_bytes(jpeg(0, 0))
    state = load_file(copy / "model.safetensors")
    save_file({k: v.half() if v.is_floating_point() else v for k, v in state.items()},
              copy / "model.safetensors")  # fmt: skip
    with pytest.raises(UserError, match=r"holds torch\.float16, but torch\.float32 is needed"):
        main([str(copy), str(tmp_path / "a.jpg")])
    broken = {k: v * float("nan") if v.is_floating_point() else v for k, v in state.items()}
    save_file(broken, copy / "model.safetensors")
    with pytest.raises(UserError, match="gives no probabilities: its weights are damaged"):
        main([str(copy), str(tmp_path / "a.jpg")])


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
