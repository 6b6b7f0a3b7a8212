import csv
import io
import json
import math

from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings.point import SpaceConfig
from pipeline.trials.contract import CurveRow, Trial, TrialRow
from pipeline.trials.run_rows import RunRow
from pipeline.trials.tables import best, csv_text, read_rows, write_trials

SPACE = SpaceConfig(lr=[0.3, 0.1], l2_decay=[0.0], label_smoothing=[False, True], mixup=[False])
floats = st.floats(allow_nan=False, allow_infinity=False)


def trial(number, objective=0.5, loss=1.0, *, lr=0.3, smoothing=False, status="finished"):
    point = {"lr": lr, "l2_decay": 0.0, "label_smoothing": smoothing, "mixup": False}
    result = {
        "status": status,
        "objective": objective,
        "epoch": 2,
        "train_loss": 0.1,
        "metrics": {"top1": objective, "top5": 1.0, "mean_class": 0.4, "loss": loss},
        "curve": [
            {
                "epoch": e,
                "train_loss": 0.2,
                "loss": loss,
                "top1": 0.1,
                "top5": 0.2,
                "mean_class": 0.3,
            }
            for e in (1, 2)
        ],
        "seconds": 1.25,
        "fit_seconds": 1.0,
        "identity": {},
        "device": "cpu",
        "hardware": "a processor",
        "threads": 2,
        "host": "here",
        "finished": "2026-01-01T00:00:00+00:00",
    }
    if status == "diverged":
        result |= {"objective": 0.0, "metrics": None, "train_loss": None, "epoch": 0, "curve": []}
    return Trial(
        number=number,
        point=point,
        seed=7,
        key=f"key{number}",
        run_id=f"run{number}",
        result=None if status == "failed" else result,
    )


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_highest_objective_is_best():
    assert best([trial(0, 0.4), trial(1, 0.6), trial(2, 0.5)], SPACE).number == 1


def test_ties_go_to_the_lower_loss_then_to_the_order_of_the_space():
    assert best([trial(0, loss=1.0), trial(1, loss=0.9)], SPACE).number == 1
    late = trial(0, lr=0.1)
    assert best([late, trial(1, smoothing=True), trial(2)], SPACE).number == 2
    assert best([late, trial(1, smoothing=True)], SPACE).number == 1


def test_a_point_outside_the_space_stands_behind_those_within():
    assert best([trial(0, lr=0.7), trial(1, lr=0.1)], SPACE).number == 1


def test_diverged_and_failed_trials_are_never_best():
    assert best([trial(0, status="diverged"), trial(1, status="failed")], SPACE) is None
    assert best([trial(0, status="diverged"), trial(1, 0.0)], SPACE).number == 1


def test_tables_state_what_was_computed_apart_from_where_and_when(tmp_path):
    write_trials(tmp_path, [trial(0), trial(1, status="diverged"), trial(2, status="failed")], "1")
    computed = rows(tmp_path / "trials.csv")
    assert list(computed[0]) == list(TrialRow.model_fields)
    assert [row["status"] for row in computed] == ["finished", "diverged", "failed"]
    assert (computed[0]["label_smoothing"], computed[0]["objective"]) == ("false", "0.5")
    assert (computed[1]["objective"], computed[1]["top1"]) == ("0.0", "")
    assert (computed[2]["objective"], computed[2]["loss"], computed[2]["epoch"]) == ("", "", "")
    curves = rows(tmp_path / "curves.csv")
    assert list(curves[0]) == list(CurveRow.model_fields)
    assert [(row["trial"], row["epoch"]) for row in curves] == [("0", "1"), ("0", "2")]
    runs = rows(tmp_path / "runs.csv")
    assert list(runs[0]) == list(RunRow.model_fields)
    assert (runs[0]["run_id"], runs[0]["replayed"], runs[0]["seconds"]) == ("run0", "false", "1.25")
    assert not {"run_id", "seconds", "replayed", "host", "finished"} & set(TrialRow.model_fields)


def test_the_same_trials_give_the_same_bytes_wherever_they_ran(tmp_path):
    here = trial(0)
    result = here.result.model_copy(update={"seconds": 9.0, "host": "b"})
    there = here.model_copy(update={"run_id": "other", "replayed": True, "result": result})
    for folder, each in (("a", here), ("b", there)):
        write_trials(tmp_path / folder, [each], "1")
    for name in ("trials.csv", "curves.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@given(floats)
def test_floats_come_back_bit_for_bit(value):
    ((x, y),) = csv.reader(io.StringIO(csv_text([[value, None]])))
    assert math.copysign(1, float(x)) == math.copysign(1, value)
    assert (float(x), y) == (value, "")


@given(
    lr=st.floats(1e-300, 1e300),
    top1=st.floats(0, 1),
    loss=st.floats(allow_nan=False),
    smoothing=st.booleans(),
)
def test_what_is_written_is_what_is_read(tmp_path_factory, lr, top1, loss, smoothing):
    folder = tmp_path_factory.getbasetemp()
    each = trial(0, top1, loss, lr=lr, smoothing=smoothing)
    write_trials(folder, [each], "1")
    assert read_rows(folder / "trials.csv", TrialRow) == [TrialRow.of(each)]
    assert read_rows(folder / "curves.csv", CurveRow) == CurveRow.all_of(each)
    assert read_rows(folder / "runs.csv", RunRow) == [RunRow.of(each, "1", trial=0)]
    assert Trial.model_validate_json(json.dumps(each.model_dump(mode="json"))) == each
