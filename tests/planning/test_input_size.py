"""Networks that take only some image sizes are refused before any work, in every command."""

from pathlib import Path

import pytest
import yaml

from pipeline.base.errors import UserError
from pipeline.models.architecture import runs
from pipeline.planning.input_size import ANY_SIZE, require_network, usable_sides
from pipeline.settings.compose import compose

QUICKSTART = Path(__file__).parents[2] / "quickstart"
VIT = "vit_tiny_patch16_224"


@pytest.fixture
def project(tmp_path):
    """A quickstart that lists a second model, whose file lies beside params.yaml."""

    def make(arch, **changes):
        params = yaml.safe_load((QUICKSTART / "params.yaml").read_text())
        params |= {"models": ["resnet50_vd_random", "second"], **changes}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        model = {"name": "second", "title": "Second", "arch": arch, "weights": "none"}
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "second.yaml").write_text(yaml.safe_dump(model))
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            [f"model.arch={VIT}"],
            f"quickstart.yaml: 'recipe.image_size': found 32, which the network {VIT} does not "
            "take; allowed for it: 224",
        ),
        (
            [f"model.arch={VIT}", "recipe.image_size=64", "recipe.resize_size=73"],
            "override recipe.image_size=64: 'recipe.image_size': found 64",
        ),
        (["model.arch=resnet5000"], "override model.arch=resnet5000: .*similar: resnet50"),
        (["model.arch=levit_128"], "override model.arch=levit_128: .*no single linear head"),
    ],
)
def test_a_network_that_no_trial_could_use_is_refused(overrides, said):
    with pytest.raises(UserError, match=said):
        compose(QUICKSTART, overrides, require_network)


def test_every_network_of_a_project_is_looked_at_unless_one_is_chosen(project):
    folder = project(VIT)
    with pytest.raises(UserError, match=f"found 32, which the network {VIT} does not take"):
        compose(folder, ["dataset=digits"], require_network)
    assert compose(folder, ["model=resnet50_vd_random"], require_network).model.weights == "none"
    with pytest.raises(UserError, match="found 32"):
        compose(folder, ["model=second"], require_network)


def test_the_file_that_names_an_unknown_network_is_named(project):
    folder = project("resnet5000")
    with pytest.raises(UserError, match=f"^{folder}/model/second.yaml: .*'resnet5000' is not"):
        compose(folder, [], require_network)


def test_a_network_set_for_all_models_is_the_only_one(project):
    folder = project(VIT, model={"arch": "resnet50_vd"})
    assert compose(folder, [], require_network).model.arch == "resnet50_vd"


def test_a_size_that_it_takes_is_accepted():
    sizes = ["recipe.image_size=224", "recipe.resize_size=null"]
    cfg = compose(QUICKSTART, [f"model.arch={VIT}", *sizes], require_network)
    assert cfg.recipe.resize_size == 256


def test_only_sizes_that_a_network_takes_are_proposed():
    assert usable_sides(VIT, [128, 96, 64]) == [224]
    assert usable_sides("inception_v3", [96, 64, 32]) == [96]
    assert usable_sides("resnet50_vd", [96, 64]) == [96, 64]


@pytest.mark.parametrize("arch", sorted(ANY_SIZE))
def test_those_that_are_not_tried_take_every_size(arch):
    assert all(runs(arch, side) for side in (32, 33, 47, 224, 512))
