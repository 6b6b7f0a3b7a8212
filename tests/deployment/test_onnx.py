"""The exported ONNX file: agrees with PyTorch, tells its classes, is kept whole or not at all."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from pipeline.base.errors import UserError
from pipeline.datasets.decoding import Decoding
from pipeline.deployment import network, onnx_export, predictor
from pipeline.deployment.onnx_export import OnnxMismatchError, export
from pipeline.deployment.onnx_session import as_input
from pipeline.deployment.pixels_graph import with_preprocessing
from tests.support.miniatures import encoded, picture
from tests.support.packaged_model import (
    CLASSES,
    check_images,
    description,
    measured,
    save_weights,
)


def loaded(model: Path) -> network.PackagedNetwork:
    return network.load(description(), model / "model.safetensors")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_agrees_with_pytorch_at_any_batch_size(model: Path, count: int) -> None:
    images = check_images(count).transpose(0, 3, 1, 2).astype(np.float32)
    session = onnxruntime.InferenceSession(model / "model.onnx")
    logits, probabilities = session.run(["logits", "probabilities"], {"images": images})
    with torch.inference_mode():
        expected = loaded(model)(torch.from_numpy(images))
    assert logits.shape == (count, len(CLASSES))
    np.testing.assert_allclose(logits, expected[0], atol=1e-4)
    np.testing.assert_allclose(probabilities, expected[1], atol=1e-4)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


def test_a_folder_and_the_onnx_file_in_it_give_the_same_probabilities(model: Path) -> None:
    images = check_images(5)
    of_folder = predictor.load(model).probabilities(images)
    of_file = predictor.load(model / "model.onnx").probabilities(images)
    assert np.ptp(of_folder, axis=0).max() > 1e-3, "the images must matter"
    np.testing.assert_array_equal(of_file, of_folder)


def test_says_its_classes_and_preprocessing_itself(model: Path) -> None:
    graph = onnx.load(model / "model.onnx")
    properties = {each.key: json.loads(each.value) for each in graph.metadata_props}
    assert properties["classes"] == CLASSES
    assert (properties["resize_size"], properties["image_size"]) == (40, 32)
    assert properties["decoding"]["side"] == 48
    assert predictor.load(model / "model.onnx").description == description()
    assert predictor.load(model).description == description()


def test_holds_nothing_of_the_machine_that_made_it(model: Path) -> None:
    data = (model / "model.onnx").read_bytes()
    assert b"site-packages" not in data
    assert str(Path(onnx_export.__file__).parent).encode() not in data


def test_is_the_same_bytes_when_made_again(model: Path, tmp_path: Path) -> None:
    tested = measured(model / "model.safetensors")
    logits = export(loaded(model), description(), tested, tmp_path / "again.onnx")
    np.testing.assert_allclose(logits, tested.logits, atol=1e-4)
    assert (tmp_path / "again.onnx").read_bytes() == (model / "model.onnx").read_bytes()


def test_a_file_that_computes_something_else_is_not_kept(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = network.load(description(), save_weights(tmp_path / "other.safetensors", seed=1))
    traced = onnx_export._traced(other, 32)
    monkeypatch.setattr(onnx_export, "_traced", lambda *_: traced)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"older")
    with pytest.raises(OnnxMismatchError, match="differ from PyTorch's by"):
        export(loaded(model), description(), measured(model / "model.safetensors"), path)
    assert path.read_bytes() == b"older"
    assert {each.name for each in tmp_path.iterdir()} == {"model.onnx", "other.safetensors"}


@pytest.mark.parametrize("content", [b"", b"no model at all", None])
def test_another_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.onnx: not an ONNX model"):
        predictor.load(path)


def test_a_strangers_onnx_model_is_refused(tmp_path: Path, model: Path) -> None:
    graph = onnx.load(model / "model.onnx")
    del graph.metadata_props[:]
    onnx.save(graph, tmp_path / "stranger.onnx")
    with pytest.raises(UserError, match="without class names and preprocessing"):
        predictor.load(tmp_path / "stranger.onnx")


@pytest.mark.parametrize(("cut", "side"), [(0, 48), (20, 48), (0, None)])
def test_a_graph_with_preprocessing_sees_what_predict_sees(
    model: Path, cut: int, side: int | None
) -> None:
    """Images of many sizes: within 1 of 255 for each resize, and so nearly the same answer."""
    decoding = Decoding(side=side, scaled=False, max_pixels=10**8, crop_bottom=cut)
    described = description(decoding=decoding)
    whole = with_preprocessing(onnx.load(model / "model.onnx"), described)
    used = {name for node in whole.graph.node for name in node.input}
    assert all(  # onnxruntime warns of what is not
        node.output[0] in used for node in whole.graph.node if node.op_type == "Constant"
    )
    session = onnxruntime.InferenceSession(whole.SerializeToString())
    plain = onnxruntime.InferenceSession(model / "model.onnx")
    for number, size in enumerate([(200, 120), (41, 90), (20, 33), (40, 60), (301, 500)]):
        image = picture(number % 3, number, size)
        (answer,) = session.run(["probabilities"], {"pixels": np.asarray(image)})
        seen = described.image(encoded(image, "PNG"))
        (expected,) = plain.run(["probabilities"], {"images": as_input(seen[None])})
        np.testing.assert_allclose(answer, expected, atol=0.01)
    properties = {each.key: json.loads(each.value) for each in whole.metadata_props}
    assert properties["classes"] == CLASSES
