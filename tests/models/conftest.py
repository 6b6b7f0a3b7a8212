"""Paddle's golden network, rebuilt without Paddle by the formula of tests/golden/README.md."""

import json
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.settings.schema import ModelConfig

FOLDER = Path(__file__).parents[1] / "golden"


class Golden:
    """The arrays, names and figures that PaddlePaddle 3.3.1 computed with."""

    network = json.loads((FOLDER / "resnet50_vd.json").read_text())
    training = json.loads((FOLDER / "resnet50_vd_training.json").read_text())

    @staticmethod
    def fill(name: str, shape: list[int]) -> np.ndarray:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        if name.endswith("_variance"):
            values = rng.uniform(0.5, 1.5, shape)
        elif name.endswith("_mean"):
            values = rng.normal(0, 0.1, shape)
        elif len(shape) == 4:
            values = rng.normal(0, np.sqrt(2 / (shape[1] * shape[2] * shape[3])), shape)
        elif len(shape) == 2:
            values = rng.normal(0, 0.01, shape)
        elif name.endswith("weight"):
            values = rng.uniform(0.5, 1.5, shape)
        else:
            values = rng.normal(0, 0.1, shape)
        return values.astype("float32")

    def __init__(self) -> None:
        self._arrays = {n: self.fill(n, shape) for n, shape in self.network["parameters"]}

    def arrays(self) -> dict[str, np.ndarray]:
        """The 277 arrays by name of PaddleClas 2.2 and later; the dict is the caller's."""
        return dict(self._arrays)

    def light(self) -> dict[str, np.ndarray]:
        """Small valid weights: arrays of one shape are one object, which pickle writes once."""
        shared: dict[tuple[int, ...], np.ndarray] = {}
        for array in self._arrays.values():
            shared.setdefault(array.shape, np.full(array.shape, 0.5, "float16"))
        return {name: shared[array.shape] for name, array in self._arrays.items()}

    def training_arrays(self) -> dict[str, np.ndarray]:
        """The arrays that the golden training starts from, with 10 classes."""
        arrays = {
            name: array
            * np.float32(0.25 if ".conv2.bn." in name and name.endswith("weight") else 1)
            for name, array in self._arrays.items()
        }
        arrays["fc.weight"] = self.fill("fc.weight", [2048, 10])
        arrays["fc.bias"] = np.zeros(10, "float32")
        return arrays

    @staticmethod
    def old_name(name: str) -> str:
        """The tensor's name in PaddleClas 2.0 and 2.1."""
        first, *rest = name.split(".")
        if first == "fc":
            return f"out.{rest[0]}"
        if first == "stem":
            first, rest = f"conv1_{int(rest[0]) + 1}", rest[1:]
        else:
            flat = int(rest[0])
            stage = sum(flat >= start for start in (3, 7, 13))
            first, rest = f"bb_{stage}_{flat - (0, 3, 7, 13)[stage]}", rest[1:]
        units = {"conv": "_conv", "bn": "_batch_norm"}
        return ".".join([first, *rest[:-2], units[rest[-2]], rest[-1]])

    @staticmethod
    def write(path: Path, arrays: dict, protocol: int = 4) -> Path:
        """Pickle as ``paddle.save`` does, with its table of framework names."""
        table = {name: f"linear_{i}.w_0" for i, name in enumerate(arrays)}
        content = {**arrays, "StructuredToParameterName@@": table}
        path.write_bytes(pickle.dumps(content, protocol=protocol))
        return path


@pytest.fixture(scope="session")
def golden() -> Golden:
    return Golden()


@pytest.fixture(scope="session")
def golden_file(golden, tmp_path_factory) -> Path:
    """The golden network as a .pdparams file in the new layout."""
    return golden.write(tmp_path_factory.mktemp("golden") / "new.pdparams", golden.arrays())


@pytest.fixture(scope="session")
def resnet50_vd() -> ModelConfig:
    return ModelConfig(name="resnet50_vd", title="", arch="resnet50_vd", weights="none")
