"""paddle_protocol/ after the benchmark: its figures reach the root's report, nothing else runs."""

import csv
import json
import re
import shutil

import pytest
import yaml

from tests.support import miniatures
from tests.support.http_server import Server
from tests.support.miniature_project import MiniatureProject
from tests.support.stages import ROOT

CELL = "dtd-resnet50_vd_random-fixed"


def rewritten(folder, name, **changes):
    params = yaml.safe_load((folder / name).read_text())
    (folder / name).write_text(yaml.safe_dump(params | changes, sort_keys=False))


def ran(output):
    return re.findall(r"Running stage '([^']+)'", output)


@pytest.mark.slow
def test_its_figures_make_only_the_report_of_the_benchmark_stale(tmp_path):
    (tmp_path / "served").mkdir()
    miniature = miniatures.PUBLIC["dtd"](tmp_path / "served")
    with Server(tmp_path / "served") as server:
        project = MiniatureProject(tmp_path / "project", miniature, server.url)
        project.run("dvc", "repro")
    result = project.folder / "report" / "tables" / "result.csv"
    assert "paddle" not in result.read_text()

    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / "paddle_protocol" / name, project.folder / "paddle_protocol")
    params = yaml.safe_load((project.folder / "params.yaml").read_text())
    del params["evaluate"]
    defaults = [
        {"protocol": "paddle"} if "protocol" in each else each for each in params["defaults"]
    ]
    own = {"root": "paddle_protocol", "project": "paddle_protocol", "defaults": defaults}
    rewritten(project.folder, "paddle_protocol/params.yaml", **(params | own))
    done = project.run("dvc", "repro", "paddle_protocol/dvc.yaml").stdout
    assert ran(done) == [
        f"paddle_protocol/dvc.yaml:{stage}"
        for stage in (f"tune@{CELL}", f"evaluate@{CELL}", "report")
    ]
    assert "optimistic" in (project.folder / "paddle_protocol/report/report.md").read_text()

    assert ran(project.run("dvc", "repro").stdout) == ["report"]
    final = project.folder / "paddle_protocol/results/dtd/resnet50_vd_random/fixed/final.json"
    (row,) = csv.DictReader((project.folder / "report/tables/result.csv").open())
    (top1,) = json.loads(final.read_text())["top1"]
    assert float(row["fixed_paddle_top1"]) == top1
    assert float(row["fixed_paddle_difference"]) == pytest.approx(top1 - 0.7687)
    page = (project.folder / "report" / "report.md").read_text()
    assert "chosen and measured on the test list itself" in page
