"""`make verify-trials` tells a change of the numbers from a change of the words."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.trials.deciding_code import TRIAL_VERSION, Verified, code_digest
from tests.golden import verify_trials
from tests.golden.cases import resolved
from tests.golden.record import TOLERANCE, Place, Record, difference

ROOT = Path(__file__).parents[2]

SCHEDULE, AUGMENT, DATA = "training/schedule.py", "training/augment.py", "training/data.py"
CLASSIFIER, LOSSES, TRIAL = "training/classifier.py", "training/losses.py", "training/trial.py"
METRICS, GROUPS = "training/metrics.py", "training/parameter_groups.py"
BALANCE, OBJECTIVES = "training/balance.py", "training/objectives.py"
BACKBONES, LAYOUTS = "models/backbones.py", "models/layouts.py"

MUTATIONS = {
    "loss of the partners": (LOSSES, "(1 - lam) * other", "lam * other"),
    "mixed images": (LOSSES, "lerp(partners, images, lam)", "lerp(images, partners, lam)"),
    "smoothing epsilon": (CLASSIFIER, "self.recipe.smoothing_epsilon if", "0.1 if"),
    "warm-up": (SCHEDULE, "return step / warmup", "return (step + 1) / warmup"),
    "cosine's length": (SCHEDULE, "max(1, self.steps - warmup)", "max(1, self.steps)"),
    "cosine per epoch": (SCHEDULE, "step - step % self.steps_per_epoch", "step"),
    "linear scaling": (SCHEDULE, "REFERENCE_BATCH = 256", "REFERENCE_BATCH = 128"),
    "last partial batch": (
        SCHEDULE,
        "self.images // self.batch_size",
        "math.ceil(self.images / self.batch_size)",
    ),
    "Kornblith's batch norm": (SCHEDULE, "min(10 / self", "min(20 / self"),
    "a lone image's slice": (SCHEDULE, "starts.pop()", "pass"),
    "batch norm's momentum": (CLASSIFIER, "= schedule.batch_norm_momentum()", "= 0.1"),
    "rate of the next step": (
        CLASSIFIER,
        "factor(self.global_step)",
        "factor(self.global_step + 1)",
    ),
    "weight of a micro-batch": (CLASSIFIER, ") / len(labels)", ") / (part.stop - part.start)"),
    "decay over the stated rate": (CLASSIFIER, "decay / peak if", "decay / self.point.lr if"),
    "Nesterov": (CLASSIFIER, "nesterov=self.recipe.nesterov", "nesterov=False"),
    "momentum of the optimiser": (CLASSIFIER, "momentum=self.recipe.momentum", "momentum=0.9"),
    "mean of the pixels": (
        CLASSIFIER,
        "255 * torch.tensor(model.mean)",
        "torch.tensor(model.mean)",
    ),
    "losses in a checkpoint": (CLASSIFIER, "[loss.cpu() for loss in self._losses]", "[]"),
    "decay of biases": (
        GROUPS,
        "list(network.parameters())",
        "[each for each in network.parameters() if each.ndim > 1]",
    ),
    "rate of the head": (GROUPS, "[*factors, 1.0]", "[*factors, factors[-1]]"),
    "tries of a crop": (AUGMENT, "TRIES = 10", "TRIES = 9"),
    "aspect of a crop": (AUGMENT, "ASPECT = (3 / 4, 4 / 3)", "ASPECT = (2 / 3, 3 / 2)"),
    "aspect as Paddle's": (
        AUGMENT,
        "math.sqrt(rng.uniform(*ASPECT))",
        "rng.uniform(*ASPECT)",
    ),
    "crop that never fits": (AUGMENT, "round(width / ASPECT[0])", "round(width / ASPECT[1])"),
    "resize of a crop": (
        AUGMENT,
        "cut.resize((size, size), Image.Resampling.BILINEAR)",
        "cut.resize((size, size), Image.Resampling.BICUBIC)",
    ),
    "centre crop": (
        AUGMENT,
        "left, top = (width - size) // 2, (height - size) // 2\n    return image",
        "left, top = 0, 0\n    return image",
    ),
    "rounding as OpenCV's": ("training/bilinear.py", "(1 << (2 * BITS - 1))", "0"),
    "flips": (DATA, "rng.random() < 0.5", "rng.random() < 0.4"),
    "order of an epoch": (DATA, 'generator("order", self.seed, epoch)', 'generator("order", 3, 0)'),
    "seed of the crops": (DATA, 'generator("crop", self.seed, ', 'generator("crop", 3, '),
    "mixup's lambda": (DATA, "rng.beta(recipe.mixup_alpha, ", "rng.beta(0.2, "),
    "mixup's partners": (DATA, "rng.permutation(len(rows))", "np.arange(len(rows))[::-1].copy()"),
    "step of a resumed trial": (DATA, "range(first, len(self))", "range(0, len(self))"),
    "what a final trial trains on": (
        DATA,
        '("train", "val"), measure=None',
        '("train",), measure=None',
    ),
    "what Paddle trains on": (
        DATA,
        '("train", "val"), measure="test"',
        '("train",), measure="test"',
    ),
    "address of a generator": (
        "training/addresses.py",
        "[zlib.crc32(word.encode()), *address]",
        "[*address]",
    ),
    "weight of a class": (BALANCE, "present.sum() * images", "images"),
    "weight of a partner's class": (LOSSES, "class_weights[targets]", "class_weights[labels]"),
    "chances of a class": (
        BALANCE,
        "weights / weights.sum()",
        "np.full(len(labels), 1 / len(labels))",
    ),
    "draws of an epoch": (
        DATA,
        "rng.choice(self.rows, len(self.rows), p",
        "rng.choice(self.rows, len(self.rows), False, p",
    ),
    "a share of the images": (
        BALANCE,
        "round(share * len(of_class))",
        "int(share * len(of_class))",
    ),
    "which images a share has": (
        BALANCE,
        'generator("share", int(label))',
        'generator("share", 0)',
    ),
    "objective by the loss": (OBJECTIVES, 'math.exp(-metrics["loss"])', 'metrics["loss"]'),
    "objective by its name": (OBJECTIVES, "float(metrics[name])", 'float(metrics["top1"])'),
    "objective as Paddle's": (TRIAL, "max(curve, key=", "min(curve, key="),
    "empty classes": (METRICS, "per_class[images > 0]", "per_class[images >= 0]"),
    "Paddle's batch": (METRICS, "PADDLE_BATCH = 32", "PADDLE_BATCH = 16"),
    "seed of a random start": (
        BACKBONES,
        "default_generator.manual_seed(seed)",
        "default_generator.manual_seed(3)",
    ),
    "range of a fresh head": (BACKBONES, "1 / math.sqrt(head.in_features)", "1 / head.in_features"),
    "a pretrained head": (
        BACKBONES,
        "return network, loaded.head == num_classes",
        "return network, False",
    ),
    "published norms": (LAYOUTS, '("conv1.1", "conv1.4", "bn1")', '("conv1.4", "conv1.1", "bn1")'),
    "order of rows": ("datasets/manifest.py", "list(splits)))", "list(splits)))[::-1]"),
    "a simulated figure": (
        "trials/simulated.py",
        'float(row["objective"])',
        '1.5 * float(row["objective"])',
    ),
}
"""Changes after which trials compute other numbers: module, what it says, what it says then."""

DEFAULTS = {
    "momentum": ("settings/schema.py", "momentum: Fraction = 0.9", "momentum: Fraction = 0.8"),
    "mixup_alpha": (
        "settings/schema.py",
        "mixup_alpha: Positive = 0.2",
        "mixup_alpha: Positive = 0.3",
    ),
}
"""Changed defaults: keys hold the values of a recipe, so they change by themselves."""

REWORDED = {
    "nothing": (LOSSES, "", ""),
    "a message": (GROUPS, "set it to null for this model", "make it null"),
    "a local variable": (
        GROUPS,
        "(i for i, pattern in enumerate(_STAGES) if pattern.match(name))",
        "(n for n, each in enumerate(_STAGES) if each.match(name))",
    ),
}


@pytest.fixture(scope="module")
def answers():
    mutants = {**MUTATIONS, **DEFAULTS, **REWORDED}
    assert len(mutants) == len(MUTATIONS) + len(DEFAULTS) + len(REWORDED)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.mutants"],
        input=json.dumps(list(mutants.values())),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(zip(mutants, json.loads(done.stdout), strict=True))


@pytest.mark.slow
def test_the_committed_code_is_verified(answers):
    """Where this fails: `make verify-trials`."""
    assert answers["nothing"] == [0, ""]


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_number_is_noticed(answers, name):
    code, output = answers[name]
    assert code == 1, output
    assert "relative difference" in output


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFAULTS)
def test_a_changed_default_is_noticed_and_needs_no_new_version(answers, name):
    code, output = answers[name]
    assert code == 1
    assert f"recipe.{name} is " in output
    assert "relative difference" not in output


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(REWORDED) - {"nothing"}))
def test_another_wording_is_only_to_be_listed(answers, name):
    code, output = answers[name]
    assert (code, output) == (1, "there is something to record: run make verify-trials\n")


@pytest.mark.parametrize(
    ("recorded", "computed", "agree", "exactly"),
    [
        ({"a": [1.0, 2]}, {"a": [1.0, 2]}, True, True),
        ({"a": 1.0}, {"a": 1.0 + 1e-6}, True, False),
        ({"a": [5.0, 1e-9]}, {"a": [5.0, 2e-9]}, True, False),  # nothing beside the largest
        ({"a": 1.0}, {"a": 1.0 + 1e-4}, False, False),
        ({"a": 3}, {"a": 4}, False, False),
        ({"a": None}, {"a": 1.0}, False, False),
        ({"a": [1.0]}, {"a": [1.0, 1.0]}, False, False),
        ({"a": 1.0}, {"b": 1.0}, False, False),
        ({"a": 1.0}, {"a": float("nan")}, False, False),
    ],
)
def test_numbers_agree_exactly_or_to_rounding(recorded, computed, agree, exactly):
    assert (difference(recorded, computed, TOLERANCE) is None) == agree
    assert (difference(recorded, computed, 0) is None) == exactly


class Verification:
    """Runs the command with a record and a list in memory and without any training."""

    def __init__(self, monkeypatch):
        self.computed = {"loss": 1.5}
        cases = {"plain": resolved()["plain"]}
        self.record = Record(Place.here(), cases, {"plain": {"loss": 1.5}})
        self.verified = Verified(TRIAL_VERSION, (code_digest(),))
        self.wrote = []
        monkeypatch.setattr(verify_trials, "_numbers", lambda *_: self.computed)
        monkeypatch.setattr(verify_trials, "resolved", lambda: cases)
        monkeypatch.setattr(verify_trials, "LAYOUTS", ())
        for kind, name in ((Record, "record"), (Verified, "verified")):
            monkeypatch.setattr(kind, "load", classmethod(lambda _, n=name: getattr(self, n)))
            monkeypatch.setattr(kind, "write", lambda each: self.wrote.append(each))

    def run(self, *arguments):
        return verify_trials.main(list(arguments))


@pytest.fixture
def verification(monkeypatch):
    return Verification(monkeypatch)


def test_verified_code_is_left_alone(verification):
    assert verification.run() == 0
    assert verification.wrote == []


def test_equal_numbers_list_the_digest_beside_the_older_ones(verification):
    verification.verified = Verified(TRIAL_VERSION, ("older",))
    assert verification.run("--check") == 1
    assert verification.wrote == []
    assert verification.run() == 0
    assert verification.wrote == [Verified(TRIAL_VERSION, ("older", code_digest()))]


def test_other_numbers_ask_for_a_new_version_and_write_nothing(verification, capsys):
    verification.verified = Verified(TRIAL_VERSION, ("older",))
    verification.computed = {"loss": 1.6}
    assert verification.run() == 1
    assert verification.wrote == []
    assert "raise TRIAL_VERSION" in capsys.readouterr().err


def test_a_raised_version_records_the_new_numbers(verification):
    verification.verified = Verified(TRIAL_VERSION - 1, ("older",))
    verification.computed = {"loss": 1.6}
    assert verification.run() == 0
    record, verified = verification.wrote
    assert record.numbers == {"plain": {"loss": 1.6}}
    assert verified == Verified(TRIAL_VERSION, (code_digest(),))


def test_other_numbers_of_the_same_code_come_from_a_module_outside_the_digest(verification, capsys):
    verification.computed = {"loss": 1.6}
    assert verification.run() == 1
    assert "is not in DECIDING" in capsys.readouterr().err


def test_new_packages_are_recorded_for_verified_code_and_refused_for_other(verification, capsys):
    older = replace(Place.here(), versions={"torch": "1.0"})
    verification.record = replace(verification.record, place=older)
    verification.computed = {"loss": 1.6}
    assert verification.run() == 0
    assert [type(each) for each in verification.wrote] == [Record]
    verification.verified = Verified(TRIAL_VERSION, ("older",))
    assert verification.run() == 1
    assert "Install these" in capsys.readouterr().err


def test_another_processor_may_round_otherwise_and_does_not_replace_the_record(verification):
    elsewhere = replace(Place.here(), processor="another")
    verification.record = replace(verification.record, place=elsewhere)
    verification.computed = {"loss": 1.5 + 1e-6}
    assert verification.run() == 0
    assert verification.wrote == []
