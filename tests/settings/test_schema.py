import pytest
from pydantic import ValidationError

from pipeline.settings.dataset import DatasetConfig
from pipeline.settings.point import Point, SpaceConfig
from pipeline.settings.schema import Config, MachineConfig, RecipeConfig

SPACE = {"lr": [0.1, 0.01], "l2_decay": [0.0, 1e-4], "label_smoothing": [False], "mixup": [True]}


def refused(model, values, message):
    with pytest.raises(ValidationError, match=message):
        model.model_validate(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "exactly one of epochs and steps"),
        ({"epochs": 1, "steps": 1}, "exactly one of epochs and steps"),
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"epochs": 1.5}, "valid integer"),
        ({"epochs": "1"}, "valid integer"),
        ({"epochs": 1, "batch_size": 1}, "greater than or equal to 2"),
        ({"epochs": 1, "image_size": 224, "resize_size": 223}, "resize_size must be at least"),
        ({"epochs": 1, "crop_scale": [0.5, 0.1]}, "crop_scale must be"),
        ({"epochs": 1, "crop_scale": [0.5, 1.1]}, "crop_scale must be"),
        ({"epochs": 1, "micro_batch": 48}, "micro_batch must divide"),
        ({"epochs": 1, "momentum": 1.0}, "less than 1"),
        ({"epochs": 1, "stage_lr": [1.0]}, "at least 5 items"),
        ({"epochs": 1, "schedule": "cosin"}, "'cosine' or 'cosine_per_epoch'"),
        ({"epochs": 1, "epoch": 1}, "Extra inputs are not permitted"),
    ],
)
def test_an_impossible_recipe_is_refused(change, message):
    refused(RecipeConfig, {"name": "r", **change}, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": []}, "at least 1 item"),
        ({"lr": [0.1, 0.1]}, "values must be distinct"),
        ({"lr": [0.0]}, "greater than 0"),
        ({"lr": [float("inf")]}, "finite"),
        ({"lr": [True]}, "valid number"),
        ({"l2_decay": [-1e-4]}, "greater than or equal to 0"),
        ({"mixup": [1]}, "valid boolean"),
    ],
)
def test_an_impossible_space_is_refused(change, message):
    refused(SpaceConfig, SPACE | change, message)


def test_the_size_of_a_space_is_the_number_of_its_points():
    assert SpaceConfig.model_validate(SPACE).size() == 4


@pytest.mark.parametrize("values", [{"reader": "folder"}, {"reader": "dtd", "root": "/data"}])
def test_root_goes_with_a_folder_of_ones_own(values):
    refused(DatasetConfig, {"name": "d", "title": "D", **values}, "dataset=folder dataset.root=")


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", ".hidden", "a\\b", " a", "=1+1", "-a", "a\u202eb"]
)
def test_a_name_is_one_part_of_a_path(name):
    refused(DatasetConfig, {"name": name, "title": "D", "reader": "dtd"}, "name")


@pytest.mark.parametrize("name", ["dtd", "Ma collection d'été", "花", "a,b=[c]"])
def test_a_name_may_be_anybodys(name):
    made = DatasetConfig.model_validate({"name": name, "title": "D", "reader": "dtd"})
    assert made.name == name


def test_the_machine_is_described_in_known_words():
    refused(MachineConfig, {"precision": "fp8"}, "'auto', 'float32', 'tf32', 'bf16' or 'fp16'")
    refused(MachineConfig, {"threads": -1}, "greater than or equal to 0")


def test_every_fault_is_reported_at_once():
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"seed": -1, "lr": "abc"})
    places = {fault["loc"][0] for fault in caught.value.errors()}
    assert {"seed", "lr", "space", "dataset"} <= places


@pytest.mark.parametrize("device", ["cuda:0,1", 2, [0, 1]])
def test_several_devices_are_refused_with_what_to_do_instead(device):
    refused(MachineConfig, {"device": device}, "one device.*VDTRANSFER_LAUNCHER=processes")


def test_the_points_of_a_space_are_every_combination_the_last_hyperparameter_fastest():
    space = SpaceConfig(**SPACE | {"mixup": [False, True]})
    points = list(space.points())
    assert len(points) == len(set(points)) == space.size() == 8
    assert points[1] == Point(lr=0.1, l2_decay=0.0, label_smoothing=False, mixup=True)
    assert points[-1] == Point(lr=0.01, l2_decay=1e-4, label_smoothing=False, mixup=True)
