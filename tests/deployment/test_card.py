"""The model card: what an engineer has to know, with names that are text and nothing else."""

import pytest

from pipeline.datasets.decoding import Decoding
from pipeline.deployment.card import card, preprocessing
from pipeline.deployment.speed import Cost
from pipeline.settings.schema import Config
from pipeline.trials.contract import FinalFile
from tests.support.packaged_model import description
from tests.support.synthetic_results import CALIBRATION

ODD = ["ant", "[click](http://x)|<b>\x1b[31m", "`c`\n# heading"]
COST = Cost(megabytes=12.3, alone_ms=4.56, batch_ms=1.23, machine="Invented processor, 2 cores")


def final(confusion: list[list[int]], names: list[str]) -> FinalFile:
    images = sum(map(sum, confusion))
    right = sum(row[label] for label, row in enumerate(confusion))
    share = right / images
    return FinalFile.model_validate(
        {
            "dataset": "insects", "title": "Insects", "model": "small", "model_title": "Small",
            "strategy": "bayes", "protocol": "heldout", "point": description().point,
            "seeds": [0, 1], "keys": ["a", "b"], "top1": [share, 0.5], "top5": [1.0, 1.0],
            "mean_class": [share, 0.5], "paddle_batch_mean": [None, None], "loss": [1.0, 1.0],
            "top1_mean": share, "top1_low": None, "top1_high": None,
            "images": {"train": 80, "val": 20, "test": images}, "classes": names,
            "per_class": [], "confusion": confusion, "data_digest": "d" * 64,
            "weights": {"source": "none", "sha256": None}, "accepted_counts": False,
            "leaked": 0, "leaked_groups": 0, "leaked_test": 0, "leaked_test_groups": 0,
            "two_labels": 0, "unreadable": 1, "data_notes": ["1 file left out"],
            "provenance": {"commit": None, "dirty": None, "versions": {}, "code_digest": "c"},
            "calibration": CALIBRATION, "chance": 0.25, "majority": 0.4,
            "majority_class": names[1],
        }
    )  # fmt: skip


def test_copies_of_test_images_in_training_are_not_denied(cfg: Config) -> None:
    measured = final([[9, 1], [4, 6]], ["ant", "bee"])
    leaking = measured.model_copy(update={"leaked": 14, "leaked_groups": 7})
    for harmless in (measured, leaking):  # copies between train and val
        assert "in choosing its settings. A random" in card(cfg, description(), harmless, COST)
    leaking = leaking.model_copy(update={"leaked_test": 4, "leaked_test_groups": 2})
    text = card(cfg, description(), leaking, COST)
    assert "settings, except for copies: 4 images in 2 groups of identical files are in the" in text


@pytest.fixture
def cfg(project) -> Config:  # type: ignore[no-untyped-def]
    return project.compose("dataset.licence=CC BY 4.0")


def test_says_what_an_engineer_has_to_know(cfg: Config) -> None:
    confusion = [[9, 1, 0], [4, 6, 0], [0, 0, 10]]
    text = card(cfg, description(), final(confusion, ["ant", "bee", "fly"]), COST)
    assert "**83.33 %** of 30 test images right (95 % interval 66.44 to 92.66 %, Wilson)" in text
    assert "| bee | 10 | 60.00 % | 31.27 to 83.18 % |" in text
    assert "- bee: 6 of 10 right (31.27 to 83.18 %)\n- ant: 9 of 10" in text
    assert "- bee is taken for ant: 4 of 10\n- ant is taken for bee: 1 of 10" in text
    assert "Small, trained to tell 3 classes apart." in text  # the project's model has no weights
    assert "A random guess is right for 25.00 %." in text
    assert "The largest class, bee, as the only answer is right for 40.00 %." in text
    assert "12.3 MB. Without decoding, 4.6 ms for an image alone and 1.2 ms" in text
    assert "Invented processor, 2 cores" in text
    assert "temperature of 1.250" in text
    assert "2.0 points (5.0 without it)" in text
    assert f"Digest of the data: `{'d' * 64}`" in text
    assert "- Licence of the data: CC BY 4.0" in text
    assert "- Licence of these weights: no weights to start from" in text
    assert "- 1 file left out" in text
    assert "(found by bayes, best by validation top-1)" in text
    assert "class_balance" not in text
    assert "same weight" not in text


def test_says_by_what_its_settings_were_chosen_and_how_classes_were_balanced(project) -> None:  # type: ignore[no-untyped-def]
    measured = final([[9, 1], [4, 6]], ["ant", "bee"])
    cfg = project.compose("objective=mean_class", "recipe.class_balance=weights")
    text = card(cfg, description(), measured, COST)
    assert "(found by bayes, best by validation mean accuracy per class)\n- Recipe: " in text
    assert ", `class_balance: weights`\n" in text
    assert "Training gave every class the same weight, so the probabilities of rare" in text
    fixed = measured.model_copy(update={"strategy": "fixed"})
    assert "(the fixed scheme)\n" in card(cfg, description(), fixed, COST)


def test_a_name_is_text_and_nothing_else(cfg: Config) -> None:
    text = card(cfg, description(), final([[9, 1, 0], [4, 6, 0], [2, 0, 8]], ODD), COST)
    assert r"\[click\](http://x)\|\<b\>\\x1b\[31m" in text
    assert r"\`c\`\\n# heading" in text
    assert "\x1b" not in text


def test_a_faultless_model_says_what_that_is_worth(cfg: Config) -> None:
    text = card(cfg, description(), final([[2, 0], [0, 2]], ["ant", "bee"]), COST)
    assert "No test image was wrong. More test images would show where it fails." in text


def test_preprocessing_is_described_in_words() -> None:
    steps = list(preprocessing(description()))
    assert "Resize a short side above 48 px to 48 px" in steps[1]
    assert "Resize the short side to 40 px" in steps[2]
    assert steps[3] == "Cut the 32 x 32 px centre."
    decoding = Decoding(side=None, scaled=True, max_pixels=10**8, crop_bottom=20, white=4095)
    described = " ".join(preprocessing(description(decoding=decoding, resize="opencv")))
    for words in ("4095 counts as white", "Cut 20 rows from the bottom", "as OpenCV does"):
        assert words in described
