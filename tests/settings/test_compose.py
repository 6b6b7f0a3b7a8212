"""What a person may write, what it becomes, and what is said of a mistake."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pipeline.base.errors import UserError
from pipeline.settings.compose import check, compose, quote
from pipeline.settings.faults import Origin
from pipeline.settings.folders import CONF
from pipeline.settings.plain_yaml import ambiguous, misread

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params(tmp_path):
    """Rewrite the quickstart's params.yaml with changes; the folder it lies in."""

    def write(**changes):
        values = yaml.safe_load((ROOT / "quickstart" / "params.yaml").read_text())
        text = yaml.safe_dump(values | changes, sort_keys=False)
        (tmp_path / "params.yaml").write_text(text)
        return tmp_path

    return write


def message(folder, *overrides):
    with pytest.raises(UserError) as caught:
        compose(folder, overrides)
    text = str(caught.value)
    assert "Traceback" not in text
    assert not text.endswith(": ")
    assert text
    return text


def test_overrides_win_over_params_and_params_over_groups(params):
    folder = params(recipe={"epochs": 9})
    assert compose(folder).recipe.epochs == 9
    assert compose(folder).recipe.batch_size == 32
    assert compose(folder, ["recipe.epochs=11", "machine.threads=2"]).recipe.epochs == 11
    assert compose(folder, ["recipe=quick20"]).recipe.name == "quick20"
    assert compose(folder, ["search.bayes.patience=4"]).search.bayes.patience == 4


CHOICES = [
    f"{group}={path.stem}"
    for group in ("model", "recipe", "protocol", "strategy", "dataset")
    for path in sorted((CONF / group).glob("*.yaml"))
    if path.stem != "folder"
]


@pytest.mark.parametrize("choice", CHOICES)
def test_every_file_under_conf_composes(choice):
    group, name = choice.split("=")
    assert getattr(compose(ROOT, [choice]), group).name == name


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/params.yaml")), ids=lambda p: p.parent.name)
def test_every_sub_pipeline_composes(path):
    cfg = compose(path.parent)
    assert cfg.root == path.parent.name


def test_the_published_space_has_196_points():
    cfg = compose(ROOT, ["strategy=bayes"])
    assert cfg.space.size() == 196
    assert (cfg.lr, cfg.l2_decay, cfg.label_smoothing, cfg.mixup) == (0.003, 0.0001, False, False)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("strategy=bayez", ["no strategy 'bayez'", "Did you mean 'bayes'?", "grid", "fixed"]),
        ("model=resnet", ["no model 'resnet'", "Allowed:", "resnet50_vd"]),
        ("epochs=-1", ["override 'epochs'", "no such key", "Did you mean recipe.epochs?"]),
        ("recipe.epochs=-1", ["override recipe.epochs=-1", "greater than or equal to 1", "-1"]),
        ("lr=abc", ["override lr=abc", "lr", "allowed: a number", "abc"]),
        ("seed=-1", ["override seed=-1", "greater than or equal to 0"]),
        ("mixup=maybe", ["override mixup=maybe", "true or false", "maybe"]),
        ("recipe.steps=3", ["recipe", "exactly one of epochs and steps"]),
        ("recipe.epoch=3", ["recipe.epoch", "no such key"]),
        ("recipe.epochs.x=1", ["recipe.epochs.x", "no such key", "Did you mean 'recipe.epochs'?"]),
        ("dataset.counts.foo=1", ["dataset.counts.foo", "Allowed: train, val, test"]),
        ("+lr=3", ["already at 'lr'"]),
        ("~nope", ["'nope' does not exist"]),
        ("~lr=3", ["'lr' is 0.03 and not 3"]),
        ("+dataset=digits", ["dataset appears more than once"]),
        ("tune=[1]", ["override tune=[1]"]),
        ("evaluate.seeds.x=1", ["override evaluate.seeds.x=1", "allowed: a list"]),
        ("space.lr.x=1", ["override space.lr.x=1: 'space.lr': found {'x': 1}; allowed: a list"]),
        ("datasets={a: 1}", ["override datasets={a: 1}: 'datasets': found {'a': 1}; allowed: a"]),
        ("dataset.counts=[1]", ["override dataset.counts=[1]: 'dataset.counts'", "a mapping of"]),
        ("machine={a: 1}", ["override machine={a: 1}: unknown key 'machine.a'. Allowed: compile"]),
        ("recipe=???", ["override recipe=???: no recipe '???'. Allowed: grid"]),
        ("lr==3", ["override lr==3: found no KEY=VALUE", "extraneous input '='"]),
        ("evaluate.seeds=null", ["'evaluate.seeds': found null; allowed: auto"]),
        ("hydra.launcher.n_jobs=2", ["'hydra.launcher.n_jobs': the chosen launcher has no such"]),
        ("lr=", ["lr"]),
        ("lr=0.1,0.3", ["lr"]),
        ("(", ["("]),
    ],
)
def test_a_wrong_override_is_named_with_what_is_allowed(override, expected):
    text = message(ROOT / "quickstart", override)
    for word in expected:
        assert word in text


def test_the_quotes_that_a_refusal_advises_are_right_in_a_shell():
    text = message(ROOT / "quickstart", "dataset.title=a=b")
    typed = re.search(r'"dataset\.title=.*?"', text)[0]
    override = subprocess.run(["sh", "-c", f"printf %s {typed}"], capture_output=True, text=True)
    assert compose(ROOT / "quickstart", [override.stdout]).dataset.title == "a=b"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sed": 7}, ["params.yaml", "unknown key 'sed'", "Did you mean 'seed'?"]),
        ({"recipe": {"epoch": 7}}, ["unknown key 'recipe.epoch'", "Did you mean 'epochs'?"]),
        ({"lr": "abc"}, ["params.yaml", "lr", "allowed: a number", "abc"]),
        ({"space": {"lr": [0.1]}}, ["params.yaml", "space.l2_decay", "missing"]),
        ({"seed": None}, ["params.yaml: 'seed': found null; allowed: a whole number"]),
        ({"seed": float("nan")}, ["'seed': found nan; allowed: a whole number"]),
        ({"recipe": [1]}, ["params.yaml: 'recipe': found [1]; allowed: a mapping of keys"]),
        ({"recipe": None}, ["params.yaml: 'recipe': found null; allowed: a mapping of keys"]),
        ({"tune": "x"}, ["params.yaml: 'tune': found 'x'; allowed: a mapping of keys to values"]),
        ({"tune": {1: 2}}, ["params.yaml: 'tune.1': ", "allowed: text as a key"]),
        ({"model": {"mean": {"a": 1}}}, ["'model.mean': found {'a': 1}; allowed: a list"]),
        (
            {"recipe": {"stage_lr": [1, 1, 1, 1, -1]}},
            ["params.yaml: 'recipe.stage_lr.4': found -1"],
        ),
        ({"evaluate": {"seeds": []}}, ["'evaluate.seeds': found []; allowed: at least 1 item"]),
        ({"evaluate": {"seeds": [0, "a"]}}, ["'evaluate.seeds.1': found 'a'; allowed: a whole"]),
        ({"evaluate": {"seeds": "all"}}, ["found 'all'; allowed: auto, or a list of whole"]),
        ({"search": {"grid": {"n_trials": 3}}}, ["'search.grid.n_trials'. Allowed: none"]),
        ({"evaluate": {"literal[x": 1}}, ["unknown key 'evaluate.literal[x'"]),
        ({"literal[x": 1}, ["unknown key 'literal[x'"]),
        ({"lr[0]": 1}, ["unknown key 'lr[0]'. Allowed: dataset, "]),
        ({"recipe": {"a[b": 1}}, ["unknown key 'recipe.a[b'. Allowed: batch_size, "]),
        ({"folders": {"a[0]": 3}}, ["'folders.a[0]': found 3; allowed: text"]),
        ({"folders": {"a/b": "x"}}, ["'folders.a/b': found 'a/b'; allowed: a name without /"]),
        ({"dataset": {"counts": {"foo": 1}}}, ["'dataset.counts.foo'. Allowed: test, train, val"]),
        ({"dataset": {"archives": [{"foo": 1}]}}, ["'dataset.archives.0.foo'. Allowed: file, md5"]),
        ({"dataset": {"counts": [1]}}, ["'dataset.counts': found [1]; allowed: a mapping of keys"]),
        ({"dataset": {"archives": {"a": 1}}}, ["'dataset.archives': found {'a': 1}; allowed: a l"]),
        (
            {"recipe": {"stage_lr": {"a": 1}}},
            ["'recipe.stage_lr': found {'a': 1}; allowed: a list"],
        ),
        ({"hydra": {"launcher": {"n_jobs": 2}}}, ["'hydra.launcher.n_jobs': the chosen launcher"]),
        ({"strategy": {"name": "grid"}}, ["'strategy.name': found 'grid'; allowed: fixed, the"]),
        ({"title": "a\x1b[31m"}, ["'title': found 'a\\x1b[31m'; allowed: text on one line"]),
        ({"project": "a\nb"}, ["'project': found 'a\\nb'; allowed: a name without"]),
        ({"recipe": {"epochs": 10**30}}, ["'recipe.epochs': ", "less than or equal to 1000000"]),
        ({"machine": {"simulate_seconds": 1e300}}, ["'machine.simulate_seconds'", "86400"]),
    ],
)
def test_a_mistake_in_params_names_the_file_and_the_key(params, change, expected):
    folder = params(**change)
    text = message(folder)
    assert str(folder / "params.yaml") in text
    for word in expected:
        assert word in text


def test_a_configuration_that_is_a_list_is_refused():
    with pytest.raises(UserError, match="allowed: a mapping of keys to values"):
        check(OmegaConf.create([1]), Origin(ROOT, []))


def test_an_unknown_dataset_is_an_error_that_lists_the_projects_own_folders_too(params):
    folder = params(folders={"insects": "data/insects", "shells": "data/shells"})
    text = message(folder, "dataset=insect")
    assert "no dataset 'insect'. Did you mean 'insects'? Allowed: insects, shells, cal" in text
    assert "insects" not in message(folder, "model=insects").partition("Allowed")[2]


@pytest.mark.parametrize("override", ["strategy=bayes", "seed=8"])
def test_a_launcher_that_is_not_there_names_the_variable_that_chose_it(monkeypatch, override):
    monkeypatch.setenv("VDTRANSFER_LAUNCHER", "procesess")
    text = message(ROOT / "quickstart", override)
    expected = "VDTRANSFER_LAUNCHER: no hydra/launcher 'procesess'. Did you mean 'processes'?"
    assert text.startswith(expected)
    assert "params.yaml" not in text
    monkeypatch.setenv("VDTRANSFER_LAUNCHER", "../x")
    assert message(ROOT / "quickstart", override).startswith("VDTRANSFER_LAUNCHER: no hydra/launch")
    text = message(ROOT / "quickstart", override, "hydra/launcher=procesess")
    assert "params.yaml or an override: no hydra/launcher 'procesess'" in text


def test_several_mistakes_are_reported_together(params):
    text = message(params(sed=7, lr="abc"), "recipe.epochs=-1")
    for word in ("sed", "lr", "recipe.epochs"):
        assert word in text
    assert len(text.splitlines()) == 3


def test_a_mistake_in_a_group_file_names_that_file(params, tmp_path, monkeypatch):
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    for module in ("compose", "faults", "folders", "guard"):
        monkeypatch.setattr(f"pipeline.settings.{module}.CONF", conf)
    recipe = conf / "recipe" / "quickstart.yaml"
    recipe.write_text(recipe.read_text().replace("batch_size: 32", "batch_size: many"))
    text = message(params())
    assert str(recipe) in text
    assert "recipe.batch_size" in text
    assert "many" in text


def test_a_folder_without_params_is_said_to_be_one(tmp_path):
    text = message(tmp_path)
    assert str(tmp_path / "params.yaml") in text
    assert "--config-path" in text


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", "\tseed: 1"])
def test_params_that_are_no_yaml_mapping(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    assert "params.yaml" in message(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["the file is empty"]),
        ("# nothing\n", ["the file is empty"]),
        ("title: Früh\n".encode("latin-1"), ["not UTF-8"]),
        ("title: x\n".encode("utf-16"), ["not UTF-8"]),
        ("title: x\n", ["'defaults' is missing"]),
        ("defaults: digits\n", ["'defaults'", "found 'digits'", "dataset", "_self_"]),
        ("defaults: [dataset: dtd, dataset: dtd, _self_]\n", ["found 'dataset' twice"]),
        ("defaults: [dataset: 5, _self_]\n", ["'dataset'", "found 5", "digits"]),
        ("defaults: [dataset: ../x, _self_]\n", ["'dataset'", "found '../x'", "digits"]),
        ("1: x\n", ["found the key 1", "text"]),
        ("seed: 010\n", ["'seed'", "found 010", "Hydra reads 8, DVC 10"]),
        ("space: {lr: [0.1, 0o10]}\n", ["'space.lr.1'", "found 0o10", "Hydra reads '0o10', DVC 8"]),
    ],
)
def test_a_file_that_readers_cannot_agree_on_is_refused(tmp_path, text, expected):
    raw = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "params.yaml").write_bytes(raw)
    answer = message(tmp_path)
    for word in ["params.yaml", *expected]:
        assert word in answer


@pytest.mark.parametrize("text", ["7", "-3", "0.1", "1.5e3", ".5", "1_000", "0b11", ".nan", "v1.2"])
def test_most_numbers_have_one_meaning(text):
    assert ambiguous(text) is None


@pytest.mark.parametrize("text", ["2024", "2024_06", "010", "true", "7b", "cats"])
def test_most_names_are_text_to_every_reader(text):
    """Those that PyYAML takes for something else it writes in quotes."""
    assert misread(text) is None


@pytest.mark.parametrize("text", ["010", "0o17", "09", "1:30"])
def test_a_number_of_two_meanings_is_seen(text):
    assert ambiguous(text).startswith("Hydra reads")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["=3"], ["override =3"]),
        (["folders={a: b}"], ["override 'folders'", "params.yaml does not set"]),
        (["model=null"], ["override model=null", "resnet50_vd_random"]),
        (["dataset=5"], ["override dataset=5", "digits"]),
        (["strategy=true"], ["override strategy=true", "bayes"]),
        (["dataset={a: 1}"], ["override dataset={a: 1}", "digits"]),
        (["dataset=a/../digits"], ["override dataset=a/../digits", "digits"]),
        (["lr=0.1,0.03"], ["override lr=0.1,0.03", "space.lr"]),
        (["lr=choice(0.1,0.03)"], ["space.lr"]),
        (["recipe.epochs=range(1,3)"], ["override recipe.epochs=range(1,3)", "one value"]),
        (["recipe.foo=1"], ["recipe.foo", "Allowed:", "epochs"]),
        (["recipe.micro_batch=7"], ["override recipe.micro_batch=7", "32"]),
        (["recipe.micro_batch=1"], ["override recipe.micro_batch=1", "equal to 2"]),
        (["recipe.image_size=33"], ["override recipe.image_size=33", "32"]),
        (["recipe.steps=5"], ["override recipe.steps=5", "recipe.epochs=null"]),
        (["recipe.warmup_epochs=4"], ["override recipe.warmup_epochs=4", "3"]),
        (["recipe.epochs=2", "recipe.warmup_epochs=2.5"], ["recipe.warmup_epochs", "epochs 2"]),
        (["seed=18446744073709551616"], ["override seed=", "18446744073709551615"]),
        (["evaluate.seeds=[0,18446744073709551616]"], ["evaluate.seeds", "18446744073709551615"]),
        (["tune.max_trial_seconds=1e12"], ["tune.max_trial_seconds", "31536000"]),
        (["model.mean=[124,116,104]"], ["model.mean", "less than or equal to 1"]),
        (["search.bayes.min_delta=5"], ["search.bayes.min_delta", "less than 1"]),
        (["dataset.split_seed=-1"], ["dataset.split_seed", "equal to 0"]),
        (["datasets=[digitz]"], ["'datasets'", "'digitz'", "Did you mean 'digits'?"]),
        (["datasets=[folder]"], ["'datasets'", "found 'folder'"]),
        (["datasets=[a/../digits]"], ["'datasets'", "a/../digits"]),
        (["models=[nope]"], ["'models'", "'nope'", "resnet50_vd_random"]),
        (["strategies=[bayez]"], ["'strategies'", "'bayez'", "Did you mean 'bayes'?"]),
        (["strategies=[grid,grid]"], ["'strategies': values must be distinct"]),
        (["strategy.name=grid"], ["override strategy.name=grid: 'strategy.name'", "fixed"]),
        (["model.name=mine"], ["override model.name=mine: 'model.name'", "resnet50_vd_random"]),
        (["dataset.name=mine"], ["override dataset.name=mine: 'dataset.name'", "digits"]),
        (["dataset.root=x"], ["override dataset.root=x: 'dataset.root'", "dataset=folder"]),
        (["dataset.class_level=2"], ["override dataset.class_level=2", "reader: folder only"]),
        (["model.std=[1e-300,1,1]"], ["model.std.0", "equal to 0.001"]),
        (["machine.threads=99999999999"], ["machine.threads", "equal to 10000"]),
        (["title='a\u202eb'"], ["override title=", "text on one line"]),
        (["root='a\0b'"], ["override root=", "text on one line"]),
        (["strategy=bayes", "lr=0.5"], ["'space.lr'", "0.5"]),
        (["strategy=random", "space.lr=[1,2]"], ["'space.lr'", "0.03"]),
    ],
)
def test_an_override_that_no_trial_could_use_is_refused(overrides, expected):
    answer = message(ROOT / "quickstart", *overrides)
    for word in expected:
        assert word in answer
    assert "--multirun" not in answer
    assert "[constrained" not in answer


def test_a_space_without_the_fixed_scheme_stops_every_stage(params):
    axes = {"l2_decay": [0.0001], "label_smoothing": [False], "mixup": [False]}
    answer = message(params(space={"lr": [0.1], **axes}))
    assert "'space.lr': found [0.1]; allowed for bayes: a list with 0.03" in answer
    assert compose(params(space={"lr": [0.1], **axes}, strategies=["grid"])).space.size() == 1


@pytest.mark.parametrize(("side", "resized"), [(224, 256), (112, 128), (32, 37)])
def test_evaluation_sees_the_same_share_of_a_picture_at_every_size(side, resized):
    assert compose(ROOT, [f"recipe.image_size={side}"]).recipe.resize_size == resized


def test_a_group_beside_params_adds_a_recipe(params):
    folder = params()
    (folder / "recipe").mkdir()
    (folder / "recipe" / "mine.yaml").write_text("name: mine\nepochs: 2\n")
    assert compose(folder, ["recipe=mine"]).recipe.epochs == 2


words = st.text(
    st.characters(exclude_categories=["C"]) | st.sampled_from("\\'\"${}[](),=: #"), max_size=20
)


@given(words)
def test_a_quoted_value_means_itself(text):
    value = OverridesParser.create().parse_override(f"key={quote(text)}").value()
    assert OmegaConf.create({"key": value}).key == text


@pytest.mark.parametrize(
    "name", ["/data/été", "/data/a,b", "C=d", "a [b] (c)", "花 子", "it's", "end\\", "100%"]
)
def test_a_path_of_any_spelling_reaches_the_configuration(name):
    cfg = compose(ROOT / "quickstart", ["dataset=folder", f"dataset.root={quote(name)}"])
    assert cfg.dataset.root == name
