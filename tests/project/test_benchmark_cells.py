"""One cell of the benchmark for each public dataset, as `dvc repro` runs it on a miniature.

The archives come over HTTP from loopback, the stages and dvc.yaml are the real ones; only the
images, the network's start (random) and the length of training are small.
"""

import csv
import json

import pytest

from tests.support import miniatures
from tests.support.http_server import Drop, Server, Status
from tests.support.miniature_project import MiniatureProject


@pytest.mark.slow
@pytest.mark.parametrize("name", list(miniatures.PUBLIC))
def test_dvc_repro_from_download_to_report(name, tmp_path):
    (tmp_path / "served").mkdir()
    miniature = miniatures.PUBLIC[name](tmp_path / "served")
    with Server(tmp_path / "served") as server:
        server.faults[miniature.files[0]] = [Drop(after=1000), Status(503)]
        project = MiniatureProject(tmp_path / "project", miniature, server.url)
        project.run("dvc", "repro")
        assert "up to date" in project.run("dvc", "status").stdout

    train, val, test = miniature.counts
    (trial,) = csv.DictReader((project.cell / "trials.csv").open())
    assert trial["status"] == "finished"
    final = json.loads((project.cell / "final.json").read_text())
    assert final["classes"] == list(miniature.class_names)
    assert sum(final["images"].values()) == train + val + test - len(miniature.unreadable)
    assert final["images"]["test"] == test == sum(map(sum, final["confusion"]))
    assert not final["accepted_counts"]
    assert final["title"] in (project.folder / "report" / "report.md").read_text()
