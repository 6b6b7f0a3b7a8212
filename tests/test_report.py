"""The report stage through its front door, on invented results."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.base.errors import UserError
from pipeline.report import report
from pipeline.settings.compose import compose
from pipeline.settings.schema import Config
from tests.support.synthetic_results import Benchmark, paddle

MODEL = "resnet50_vd_random"
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The quickstart's own configuration, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    cfg = compose(REPOSITORY / "quickstart", [f"models=[{MODEL}]"])
    assert cfg.root == "quickstart"
    return cfg


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_finished_benchmark_gives_every_output(
    quickstart: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    Benchmark(models=(MODEL,)).write(Path("quickstart"))
    report(quickstart)
    written = files(Path("quickstart/report"))
    assert {"report.md", "report.html", "metrics.json", "tables/result.csv"} <= set(written)
    assert "missing" not in written["report.md"].decode()
    summary = written["summary.txt"].decode()
    for word in ("Fixed", "Grid", "Bayes", "Setting to use", "Trials", "report.html"):
        assert word in summary
    assert "table: quickstart/report/summary.txt" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("https://me:secret@tracking.example:8443/mlflow", "https://tracking.example:8443/mlflow"),
        ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
        ("sqlite:///elsewhere.db", "http://127.0.0.1:5000"),
    ],
)
def test_links_lead_to_the_tracking_server_and_hold_no_password(
    quickstart: Config, monkeypatch: pytest.MonkeyPatch, uri: str, address: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    Benchmark(models=(MODEL,), strategies=("fixed",)).write(Path("quickstart"))
    report(quickstart)
    page = Path("quickstart/report/report.html").read_text()
    assert f'href="{address}/#/experiments/1/runs/' in page
    assert "secret" not in page


def test_a_tracking_server_without_a_proper_address_is_one_message(
    quickstart: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://[::1:5000")
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI: found 'http://"):
        report(quickstart)


def test_what_is_wrong_with_the_images_is_said(quickstart: Config) -> None:
    Benchmark(models=(MODEL,)).write(Path("quickstart"))
    report(quickstart)
    page = Path("quickstart/report/report.md")
    assert "leaked" not in page.read_text()
    note = "left out: 20 .heic: there is no reader for them"
    Benchmark(models=(MODEL,), leaked=6, unreadable=1234, data_notes=(note,)).write(
        Path("quickstart")
    )
    report(quickstart)
    assert page.read_text().count("digits: 6 images in 3 groups of identical files are in") == 1
    assert page.read_text().count(f"digits: {note}") == 1
    assert "1,234 images left out as unreadable" in page.read_text()


def test_the_model_section_says_where_the_model_is(quickstart: Config) -> None:
    Benchmark(models=(MODEL,)).write(Path("quickstart"))
    report(quickstart)
    page = Path("quickstart/report/report.md").read_text()
    assert "trained again on the 500 images that are not for the test" in page
    assert f"./vdtransfer predict quickstart/results/digits/{MODEL}/" in page


def test_every_figure_comes_from_the_result_files(quickstart: Config) -> None:
    Benchmark(models=(MODEL,)).write(Path("quickstart"))
    report(quickstart)
    folder = Path("quickstart/report")
    rows = {
        row["strategy"]: row
        for row in csv.DictReader((folder / "tables/cells.csv").read_text().splitlines())
    }
    metrics = json.loads((folder / "metrics.json").read_text())["digits"]
    for strategy in ("fixed", "grid", "bayes"):
        cell = Path("quickstart/results/digits") / MODEL / strategy
        final = json.loads((cell / "final.json").read_text())
        best = yaml.safe_load((cell / "best.yaml").read_text())
        runs = list(csv.DictReader((cell / "runs.csv").read_text().splitlines()))
        row = rows[strategy]
        assert float(row["top1"]) == pytest.approx(final["top1_mean"])
        assert float(row["top1_low"]) < final["top1_mean"] < float(row["top1_high"])
        assert metrics[strategy]["test_top1"] == pytest.approx(final["top1_mean"])
        assert int(row["trials"]) == best["n_trials"] == len(runs)
        seconds = sum(float(run["seconds"]) for run in runs)
        assert float(row["device_hours"]) == pytest.approx(seconds / 3600)
        assert float(row["lr"]) == best["point"]["lr"]


def test_figures_of_several_datasets_are_drawn_on_their_pages_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Benchmark(datasets=("dtd", "digits"), models=(MODEL,)).write(Path("quickstart"))
    report(compose(REPOSITORY / "quickstart", ["datasets=[dtd,digits]", f"models=[{MODEL}]"]))
    folder = Path("quickstart/report")
    assert [path.name for path in folder.glob("figures/*")] == ["accuracy.svg"]
    text = (folder / "report.md").read_text()
    assert text.count("](figures/") == 1
    links = re.findall(r"\((datasets/[^)#]+)#([^)]+)\)", text)
    assert len(links) > 10
    for page, figure in links:
        assert f'id="{figure}"' in (folder / page).read_text()


def test_figures_selected_on_the_test_list_are_never_called_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    benchmark = Benchmark(datasets=("dtd",), models=("resnet50_vd_10w", MODEL), seeds=(7,))
    paddle(benchmark).write(Path("quickstart"))
    grid = Path("quickstart/results/dtd") / MODEL / "grid" / "final.json"
    replays = {"replays": {"gaps": [[0.02] * 6, [0.0] * 6]}}
    grid.write_text(json.dumps(json.loads(grid.read_text()) | replays))
    lists = ["datasets=[dtd]", f"models=[{','.join(benchmark.models)}]"]
    report(compose(REPOSITORY / "quickstart", [*lists, "protocol=paddle"]))
    folder = Path("quickstart/report")
    texts = "\n".join(
        path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".md", ".txt", ".csv", ".json")
    ).replace("trained on train and validation", "")
    for word in ("validation", "refit seeds"):
        assert word not in texts.lower()
    for words in (
        "Learning curves: test list top-1",
        "Test list top-1 over the grid, %",
        "Best test list top-1 of the grid",
        "best of all strategies by test list top-1",
        "500 images to train, 200 to choose by",
        "the mean gap in test list top-1",
        "the best point of grid by test list top-1",
        "of the one training each point was chosen by",
    ):
        assert words in texts
    with (folder / "tables" / "cells.csv").open() as file:
        assert {row["refit_device_hours"] for row in csv.DictReader(file)} == {""}


def test_the_same_results_give_the_same_bytes(quickstart: Config) -> None:
    Benchmark(models=(MODEL,)).write(Path("quickstart"))
    report(quickstart)
    first = files(Path("quickstart/report"))
    report(quickstart)
    assert files(Path("quickstart/report")) == first


def test_missing_cells_are_named_and_the_rest_is_shown(
    quickstart: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    Benchmark(models=(MODEL,)).write(Path("quickstart"))
    shutil.rmtree(f"quickstart/results/digits/{MODEL}/bayes")
    Path(f"quickstart/results/digits/{MODEL}/grid/final.json").unlink()
    report(quickstart)
    text = Path("quickstart/report/report.md").read_text()
    printed = capsys.readouterr().out
    for cell in (f"tune@digits-{MODEL}-bayes", f"evaluate@digits-{MODEL}-grid"):
        target = f"quickstart/dvc.yaml:{cell}"
        assert target in text
        assert f"missing: {target}" in printed
    assert "Fixed" in Path("quickstart/report/summary.txt").read_text()


def test_no_results_at_all_still_give_a_report(
    quickstart: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    report(quickstart)
    assert "No cell has results yet" in Path("quickstart/report/report.md").read_text()
    assert capsys.readouterr().out.count("missing: quickstart/dvc.yaml:tune@") == 3
    assert json.loads(Path("quickstart/report/metrics.json").read_text()) == {}


def test_a_damaged_result_is_one_clear_line_and_leaves_the_old_report(quickstart: Config) -> None:
    Benchmark(models=(MODEL,)).write(Path("quickstart"))
    report(quickstart)
    before = files(Path("quickstart/report"))
    damaged = Path(f"quickstart/results/digits/{MODEL}/grid/trials.csv")
    damaged.write_text(damaged.read_text().replace("finished", "finnished", 1))
    with pytest.raises(UserError, match=r"grid/trials\.csv: line 2: status.*finnished"):
        report(quickstart)
    assert files(Path("quickstart/report")) == before


def test_tables_of_an_earlier_report_do_not_linger(quickstart: Config) -> None:
    Benchmark(models=(MODEL,)).write(Path("quickstart"))
    report(quickstart)
    assert Path("quickstart/report/tables/claim.csv").exists()
    shutil.rmtree(f"quickstart/results/digits/{MODEL}/bayes")
    report(quickstart)
    assert not Path("quickstart/report/tables/claim.csv").exists()


def test_the_stage_imports_no_torch() -> None:
    code = (
        "import sys, pipeline.report; print([m for m in ('torch', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_stage_runs_as_a_module(quickstart: Config) -> None:
    Benchmark(models=(MODEL,)).write(Path("quickstart"))
    command = [sys.executable, "-m", "pipeline.report", "--config-path"]
    done = subprocess.run(
        [*command, str(REPOSITORY / "quickstart"), f"models=[{MODEL}]"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path("quickstart/report/report.html").exists()
    bad = subprocess.run([*command, "nowhere"], capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert "Traceback" not in bad.stderr
