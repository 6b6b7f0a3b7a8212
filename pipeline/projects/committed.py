"""Write the dvc.yaml of the pipelines in this repository, each beside its params.yaml.

Run in the repository's folder: python -m pipeline.projects.committed
"""

from pathlib import Path

import yaml

from pipeline.base.files import write_text
from pipeline.projects.dvc_yaml import Pipeline
from pipeline.settings.folders import CONFIG_NAME

COMMITTED_PIPELINES = (
    Pipeline(
        """
        The benchmark as a table of contents. `dvc repro` runs it, `dvc repro -k` goes past failed
        cells (then `dvc repro -s report`), `dvc repro tune@dtd-resnet50_vd-bayes` runs one cell.
        """,
        downloads=True,
        metrics=True,
        report_reads=("paddle_protocol/figures.csv",),
    ),
    Pipeline(
        """
        The quickstart: the same six stages on digits. `make quickstart` runs it.
        """,
        folder="quickstart",
        downloads=True,
        metrics=True,
    ),
    Pipeline(
        """
        Your own folders of images from two sets of weights: see params.yaml.
        Run: dvc repro large_scale/dvc.yaml
        """,
        folder="large_scale",
        own_folders=True,
    ),
    Pipeline(
        """
        The benchmark selected and reported as PaddleClas did: on the test list, at its best epoch.
        It uses the datasets that the root's pipeline prepares.
        Run: dvc repro paddle_protocol/dvc.yaml
        Its report writes figures.csv, which git tracks; `dvc repro -s report` then puts these
        figures, labelled, beside those of the benchmark (docs/decisions/report.md).
        """,
        folder="paddle_protocol",
        refits=False,
    ),
)


def committed(root: Path) -> dict[Path, str]:
    """Return the text of every dvc.yaml below ``root`` that has a params.yaml beside it."""
    return {
        params.with_name("dvc.yaml"): pipeline.text(yaml.safe_load(params.read_text("utf-8")))
        for pipeline in COMMITTED_PIPELINES
        if (params := root / pipeline.folder / f"{CONFIG_NAME}.yaml").is_file()
    }


if __name__ == "__main__":
    for path, text in committed(Path()).items():
        write_text(path, text)
