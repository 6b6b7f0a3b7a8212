"""Equal identity, equal numbers: again, after a death at any epoch, in pieces or whole."""

import math
import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from pytorch_lightning.callbacks import Callback

from pipeline.base.errors import UserError
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.training import cropping, devices
from pipeline.training.callbacks import Checkpoint, Progress, Record
from pipeline.training.classifier import Classifier
from pipeline.training.data import Purpose, TrialData, split_plan
from pipeline.training.devices import resolve_device, resolve_precision
from pipeline.training.trial import train

RECIPES = {
    "mixup": {"recipe.epochs": 2, "mixup": "true", "label_smoothing": "true"},
    "one_partial_batch": {"recipe.epochs": 2, "recipe.batch_size": 256},
    "micro_batches": {"recipe.epochs": 2, "recipe.micro_batch": 4},
    "steps": {"recipe.epochs": "null", "recipe.steps": 4},  # of three in an epoch
    "long": {"recipe.epochs": 5, "recipe.schedule": "cosine_per_epoch", "mixup": "true"},
}


class DiedError(Exception):
    """Stands for the end of the process: nothing after it is written."""


class Trials:
    """Trains configurations of a small project without a journal."""

    def __init__(self, project):
        self.project = project
        folder = project.folder / "data" / "prepared" / "digits"
        self.manifest = Manifest.load(folder)
        self.store = PixelStore(folder / "pixels.bin", self.manifest)

    def train(
        self,
        values,
        checkpoint,
        *,
        purpose=Purpose.SEARCH,
        record=None,
        precision="float32",
        callbacks=(),
    ):
        values = {"machine.precision": precision, **values}
        cfg = self.project.compose(*(f"{key}={value}" for key, value in values.items()))
        return train(
            cfg,
            split_plan(cfg.protocol, purpose),
            self.manifest,
            self.store,
            None,
            Checkpoint(Path(checkpoint), seconds=0),
            [Progress("trial"), Record(record or (lambda _: None)), *callbacks],
        )

    def die_after(self, epoch, values, checkpoint, **how):
        """Train until a checkpoint of ``epoch`` is written, and no further."""

        def record(row):
            if row["epoch"] == epoch + 1:  # before the checkpoint of that epoch
                raise DiedError

        with pytest.raises(DiedError):
            self.train(values, checkpoint, record=record, **how)
        assert Path(checkpoint).exists()


@pytest.fixture
def trials(project):
    return Trials(project)


def numbers(result):
    return result.status, result.objective, result.epoch, result.train_loss, result.metrics


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n == "long" else []) for n in RECIPES],
)
def test_a_trial_that_died_ends_with_the_same_numbers_bit_for_bit(trials, name):
    values = RECIPES[name]
    whole, _ = trials.train(values, "whole.ckpt")
    epochs = len(whole.curve)
    assert epochs == RECIPES[name]["recipe.epochs"] or name == "steps"
    torch.manual_seed(1)  # generators of the process decide nothing
    for death in range(1, epochs):
        trials.die_after(death, values, f"{death}.ckpt")
        rows = []
        resumed, _ = trials.train(values, f"{death}.ckpt", record=rows.append)
        assert resumed.curve == whole.curve
        assert numbers(resumed) == numbers(whole)
        assert [row["epoch"] for row in rows] == list(range(death + 1, epochs + 1))
    after_the_end, _ = trials.train(values, "whole.ckpt")
    assert after_the_end.curve == whole.curve
    assert numbers(after_the_end) == numbers(whole)


def test_the_point_and_the_seed_decide_and_a_second_run_does_not(trials):
    once, _ = trials.train({}, "a.ckpt")
    again, _ = trials.train({}, "b.ckpt")
    assert once.curve == again.curve
    for number, values in enumerate(
        (
            {"seed": 0},
            {"lr": 0.1},
            {"l2_decay": 0.1},
            {"mixup": "true"},
            {"label_smoothing": "true"},
        )
    ):
        other, _ = trials.train(values, f"{number}.ckpt")
        assert other.curve != once.curve, values


def test_accumulated_micro_batches_take_the_step_of_the_whole_batch(trials):
    """Only batch norm sees the parts; without it the first step would be equal to rounding."""
    whole, _ = trials.train({"recipe.steps": 1, "recipe.epochs": "null"}, "a.ckpt")
    values = {"recipe.steps": 1, "recipe.epochs": "null", "recipe.micro_batch": 8}
    parts, _ = trials.train(values, "b.ckpt")
    assert parts.train_loss == pytest.approx(whole.train_loss, rel=0.2)
    assert parts.train_loss != whole.train_loss


def test_a_final_trial_predicts_the_test_split_once_and_resumes_too(trials):
    values = {"recipe.epochs": 2}
    result, final = trials.train(values, "final.ckpt", purpose=Purpose.FINAL)
    images = len(trials.manifest.rows(["test"]))
    assert final.logits.shape == (images, 10)
    assert sum(map(sum, result.metrics["confusion"])) == images
    assert (result.curve, result.epoch, result.status) == ([], 2, "finished")
    assert result.objective == result.metrics["top1"]
    resumed, again = trials.train(values, "final.ckpt", purpose=Purpose.FINAL)
    assert torch.equal(again.logits, final.logits)
    assert numbers(resumed) == numbers(result)
    assert all(torch.equal(again.state[name], final.state[name]) for name in final.state)


def test_the_objective_is_the_last_epoch_held_out_and_the_best_one_for_paddle(trials):
    held, _ = trials.train({"recipe.epochs": 2}, "a.ckpt")
    assert (held.objective, held.epoch) == (held.curve[-1]["top1"], 2)
    paddle, _ = trials.train({"recipe.epochs": 2, "protocol": "paddle"}, "b.ckpt")
    best = max(row["top1"] for row in paddle.curve)
    assert paddle.objective == best == paddle.curve[paddle.epoch - 1]["top1"]
    assert paddle.metrics["top1"] == best


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_diverged_trial_is_a_result(trials, purpose):
    result, final = trials.train({"lr": 1e30, "recipe.epochs": 2}, "a.ckpt", purpose=purpose)
    assert (result.status, result.objective, result.metrics, final) == ("diverged", 0.0, None, None)
    assert all(math.isfinite(value) for row in result.curve for value in row.values())


def test_a_trial_that_diverged_and_died_has_still_diverged(trials):
    """In its one epoch, so that nothing is trained after the checkpoint."""
    values = {"lr": 1e30, "recipe.epochs": 1}
    result, _ = trials.train(values, "a.ckpt")
    resumed, _ = trials.train(values, "a.ckpt")
    assert numbers(resumed) == numbers(result)
    assert resumed.status == "diverged"


def test_checkpoints_hold_plain_tensors_and_numbers(trials):
    trials.train({"mixup": "true"}, "a.ckpt")
    torch.load("a.ckpt", weights_only=True)
    assert sorted(path.name for path in Path().glob("*.ckpt*")) == ["a.ckpt"]


def test_a_trial_in_fp16_continues_with_its_loss_scale(trials, monkeypatch):
    """On a processor, where nobody can choose fp16; its first steps overflow and are skipped."""
    high = 2.0**24
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=high))
    monkeypatch.setattr(devices, "resolve_precision", lambda precision, _: precision)
    values = {"recipe.epochs": 3}
    whole, _ = trials.train(values, "whole.ckpt", precision="fp16")
    trials.die_after(1, values, "cut.ckpt", precision="fp16")
    scaler = torch.load("cut.ckpt", weights_only=True)["MixedPrecision"]
    assert 1 < scaler["scale"] < high
    resumed, _ = trials.train(values, "cut.ckpt", precision="fp16")
    assert (resumed.curve, numbers(resumed)) == (whole.curve, numbers(whole))
    assert (whole.status, len(whole.curve)) == ("finished", 3)


class Terminating(Callback):
    """Sends its process a SIGTERM when a step begins; steps count from 1."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.step - 1:
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("mixup", 2),
        *(
            pytest.param(name, step, marks=pytest.mark.slow)
            for name, step in [("mixup", 3), ("mixup", 5), ("steps", 2), ("micro_batches", 4)]
        ),
    ],
)
def test_a_preempted_trial_goes_on_at_the_next_step(trials, name, step):
    """Three steps are an epoch."""
    values = RECIPES[name]
    whole, _ = trials.train(values, "whole.ckpt")
    with finishing_quietly(), pytest.raises(KeyboardInterrupt):
        trials.train(values, "cut.ckpt", callbacks=[Terminating(step)])
    state = torch.load("cut.ckpt", weights_only=True)
    assert state["global_step"] == step
    resumed, _ = trials.train(values, "cut.ckpt")
    assert resumed.curve == whole.curve
    assert numbers(resumed) == numbers(whole)


def test_the_cost_of_a_resumed_trial_is_that_of_all_its_parts(trials):
    with finishing_quietly(), pytest.raises(KeyboardInterrupt):
        trials.train({}, "cut.ckpt", callbacks=[Terminating(2)])
    state = torch.load("cut.ckpt", weights_only=True)
    assert 0 < state["callbacks"]["Checkpoint"]["spent"] < 1000
    state["callbacks"]["Checkpoint"]["spent"] += 1000
    torch.save(state, "cut.ckpt")
    resumed, _ = trials.train({}, "cut.ckpt")
    assert 1000 < resumed.fit_seconds <= resumed.seconds < 2000


@contextmanager
def finishing_quietly():
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_damaged_checkpoint_is_not_resumed(trials):
    whole, _ = trials.train({}, "whole.ckpt")
    data = bytearray(Path("whole.ckpt").read_bytes())
    for position in range(len(data) // 3, len(data) // 3 + 2000):
        data[position] ^= 0xFF
    Path("damaged.ckpt").write_bytes(data)
    Path("cut.ckpt").write_bytes(Path("whole.ckpt").read_bytes()[:5000])
    for name in ("damaged.ckpt", "cut.ckpt"):
        again, _ = trials.train({}, name)
        assert again.curve == whole.curve


def test_determinism_is_asked_for_and_given_back(trials):
    def record(_):
        assert torch.are_deterministic_algorithms_enabled()

    trials.train({}, "a.ckpt", record=record)
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_machine_is_resolved_before_it_names_a_trial():
    assert resolve_precision("float32", "cpu") == "float32"
    assert resolve_precision("bf16", "cpu") == "bf16"
    assert resolve_precision("auto", "cpu") in ("bf16", "float32")
    assert resolve_device("cpu") == "cpu"
    if not torch.cuda.is_available():
        assert resolve_device("auto") == "cpu"
        with pytest.raises(UserError, match="found 'cuda', but torch sees no CUDA device"):
            resolve_device("cuda")
    for precision in ("tf32", "fp16"):
        with pytest.raises(UserError, match=f"found '{precision}', which this machine's cpu"):
            resolve_precision(precision, "cpu")


@pytest.mark.parametrize(
    ("purpose", "values"),
    [
        (Purpose.SEARCH, {"mixup": "true", "label_smoothing": "true"}),
        (Purpose.FINAL, {"recipe.crop_sampling": "paddle", "recipe.resize_size": 40}),
    ],
)
def test_where_crops_are_cut_changes_nothing(trials, purpose, values, monkeypatch):
    """Host, pixels that stay on the device, and boxes copied for each batch: equal bit for bit."""
    host, final = trials.train({"machine.data": "host", **values}, "a.ckpt", purpose=purpose)
    values = {"machine.data": "device", **values}
    for name, share in (("resident", 3), ("packed", 1e15)):
        monkeypatch.setattr(cropping, "SHARE", share)
        cropping._kept.clear()
        there, output = trials.train(values, f"{name}.ckpt", purpose=purpose)
        assert bool(cropping._kept) == (name == "resident")
        assert (there.curve, numbers(there)) == (host.curve, numbers(host))
        if final is not None:
            assert torch.equal(output.logits, final.logits)
            assert all(torch.equal(output.state[each], final.state[each]) for each in final.state)


@pytest.mark.parametrize("where", [(Classifier, "training_step"), (TrialData, "__init__")])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_a_trial_that_finds_no_memory_says_what_to_set(trials, monkeypatch, where, error):
    def full(*_):
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(*where, full)
        with pytest.raises(
            UserError,
            match=r"out of memory on cpu: 16 images of 32 px at once took [\d.]+ GB, and [\d.]+ GB "
            r"are free.* Set recipe.micro_batch \(found null\) to a divisor of batch_size below 16",
        ):
            trials.train({}, "a.ckpt")
    assert trials.train({}, "a.ckpt")[0].status == "finished"


@pytest.mark.slow
def test_a_compiled_trial_computes_nearly_the_same_and_compiles_once(trials):
    from torch._dynamo.utils import counters

    torch.compiler.reset()  # other tests of this process may have compiled
    counters.clear()
    values = {"machine.compile": "true", "recipe.epochs": 2}
    plain, _ = trials.train({"recipe.epochs": 2}, "plain.ckpt")
    first, _ = trials.train(values, "first.ckpt")
    graphs = counters["stats"]["unique_graphs"]
    again, _ = trials.train(values, "again.ckpt")
    assert (graphs, counters["stats"]["unique_graphs"]) == (1, 1)
    assert again.curve == first.curve
    assert first.curve[0]["train_loss"] == pytest.approx(plain.curve[0]["train_loss"], rel=0.05)


KILLED = """
import os, signal
from tests.support.small_project import SmallProject
from tests.training.test_trial import RECIPES, Trials
from pathlib import Path
project = SmallProject(Path())
def record(row):
    if row["epoch"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
Trials(project).train(RECIPES["mixup"], "killed.ckpt", record=record)
"""


@pytest.mark.slow
def test_kill_9_in_another_process_and_the_rest_in_this_one(trials):
    done = trials.project.python("-c", KILLED)
    assert done.returncode == -signal.SIGKILL
    assert not list(Path().glob(".*.tmp"))
    resumed, _ = trials.train(RECIPES["mixup"], "killed.ckpt")
    whole, _ = trials.train(RECIPES["mixup"], "whole.ckpt")
    assert resumed.curve == whole.curve
    assert numbers(resumed) == numbers(whole)
