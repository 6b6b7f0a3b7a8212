"""Names of splits as people write them, in folders and tables alike."""

import pytest

from pipeline.datasets.readers.split_names import is_exact, split_of


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *[(name, "train") for name in ("train", "tRaIn", "TRAINING", "trn", "seg_train")],
        *[(name, "train") for name in ("train_set", "trainset", "TrainSet", "train2017")],
        *[(name, "train") for name in ("01-train", "images.training", "trainval", "train_val")],
        *[(name, "val") for name in ("val", "valid", "Validation", "dev", "eval", "my-dev-set")],
        *[(name, "val") for name in ("val2017", "devset", "validation data", "evaluation")],
        *[
            (name, "test")
            for name in ("tEsT", "Testing", "tst", "seg_test", "test_images", "TEST1")
        ],
        *[
            (name, None)
            for name in ("", "cat", "contest", "trainer", "tester", "devil", "evaluate_x")
        ],
        *[(name, None) for name in ("train_test", "latest", "strain", "interval", "testate")],
    ],
)
def test_split_of_a_name(name, split):
    assert split_of(name) == split


def test_an_exact_name_is_nothing_else():
    assert is_exact("Training")
    assert is_exact(" dev ")
    assert not is_exact("seg_train")
