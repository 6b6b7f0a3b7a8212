from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings.compose import compose
from pipeline.settings.schema import RecipeConfig
from pipeline.trials.deciding_code import deciding_code
from pipeline.trials.identity import Environment, identity, key_of, versions

ROOT = Path(__file__).parents[2]
HERE = Environment("d" * 64, "w" * 64, "float32", "cpu", 1)

RECIPE = {
    "epochs": 5,
    "steps": 77,
    "batch_size": 64,
    "micro_batch": 8,
    "image_size": 64,
    "resize_size": 48,
    "resize": "opencv",
    "crop_scale": [0.5, 1.0],
    "crop_sampling": "paddle",
    "horizontal_flip": True,
    "momentum": 0.8,
    "nesterov": True,
    "decay_over_lr": True,
    "schedule": "cosine_per_epoch",
    "warmup_epochs": 1.0,
    "smoothing_epsilon": 0.2,
    "mixup_alpha": 0.3,
    "stage_lr": [0.1, 0.1, 0.2, 0.2, 0.3],
    "bn_momentum": "kornblith",
    "class_balance": "weights",
    "train_share": 0.5,
}
"""A value other than the quickstart's for every field that decides."""


@pytest.fixture(scope="module")
def cfg():
    return compose(ROOT / "quickstart")


def key(cfg, purpose="search", environment=HERE):
    return key_of(identity(cfg, purpose, environment))


def with_part(cfg, part, **values):
    return cfg.model_copy(update={part: getattr(cfg, part).model_copy(update=values)})


def test_the_table_of_this_test_covers_the_recipe():
    assert set(RECIPE) == set(RecipeConfig.model_fields) - {"name"}


@pytest.mark.parametrize("name", RECIPE)
def test_every_field_of_the_recipe_decides(cfg, name):
    assert key(with_part(cfg, "recipe", **{name: RECIPE[name]})) != key(cfg)


@pytest.mark.parametrize(
    "change",
    [{"lr": 0.5}, {"l2_decay": 0.5}, {"label_smoothing": True}, {"mixup": True}, {"seed": 0}],
)
def test_the_point_and_the_seed_decide(cfg, change):
    assert key(cfg.model_copy(update=change)) != key(cfg)


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("model", {"arch": "resnet18"}),
        ("model", {"mean": [0.5, 0.5, 0.5]}),
        ("model", {"std": [0.5, 0.5, 0.5]}),
        ("protocol", {"name": "paddle"}),
    ],
)
def test_network_and_protocol_decide(cfg, part, values):
    assert key(with_part(cfg, part, **values)) != key(cfg)


def test_everything_of_the_environment_decides(cfg):
    for field in fields(Environment):
        value = getattr(HERE, field.name)
        other = replace(HERE, **{field.name: value + 1 if isinstance(value, int) else f"{value}x"})
        assert key(cfg, environment=other) != key(cfg), field.name


def test_compiling_decides(cfg):
    assert key(with_part(cfg, "machine", compile=True)) != key(cfg)


def test_threads_decide_on_a_processor_and_not_beside_an_accelerator(cfg):
    cuda = replace(HERE, device="cuda")
    assert key(cfg, environment=replace(cuda, threads=8)) == key(cfg, environment=cuda)
    assert key(cfg, environment=replace(HERE, threads=8)) != key(cfg)


def test_defaults_of_the_recipe_are_keyed_by_value(cfg):
    """So a changed default changes the keys of all recipes that leave the field out."""
    keyed = identity(cfg, "search", HERE)["recipe"]
    assert keyed == {name: getattr(cfg.recipe, name) for name in RECIPE}
    assert cfg.recipe.momentum == RecipeConfig.model_fields["momentum"].default


def test_the_purpose_the_versions_and_the_code_decide(cfg):
    plain = identity(cfg, "search", HERE)
    assert key(cfg, "final") != key(cfg)
    assert plain["code"] == deciding_code()
    assert plain["versions"] == versions()
    assert {"torch", "torchvision", "timm", "numpy", "pillow"} <= versions().keys()
    for name in ("code", "versions"):
        assert key_of(plain | {name: "other"}) != key_of(plain)


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("model", {"name": "mine", "title": "Mine", "note": "x", "imagenet_top1": 0.5}),
        ("recipe", {"name": "mine"}),
        ("dataset", {"name": "mine", "title": "Mine", "citation": "x"}),
        ("strategy", {"name": "grid"}),
        ("search", {"bayes": {"n_trials": 99}}),
        ("tune", {"max_trial_seconds": 9.0, "allowed_failures": 3}),
        ("machine", {"data": "device"}),
        ("evaluate", {"seeds": [5]}),
    ],
)
def test_names_and_what_changes_no_number_do_not_decide(cfg, part, values):
    assert key(with_part(cfg, part, **values)) == key(cfg)


def test_the_objective_decides_where_it_chooses_the_epoch_that_is_reported(cfg):
    by_loss = {"objective": "loss"}
    assert key(cfg.model_copy(update=by_loss)) == key(cfg)
    paddle = with_part(cfg, "protocol", name="paddle")
    assert key(paddle.model_copy(update=by_loss)) != key(paddle)


def test_titles_and_folders_do_not_decide(cfg):
    change = {"project": "p", "root": "r", "title": "t", "datasets": ["x"], "strategies": ["grid"]}
    assert key(cfg.model_copy(update=change)) == key(cfg)


@given(st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_key_does_not_depend_on_the_order_of_its_parts(plain):
    assert key_of(plain) == key_of(dict(reversed(plain.items())))
    assert key_of(plain) != key_of(plain | {"one more": 1})


def test_a_key_of_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        key_of({"lr": float("nan")})
