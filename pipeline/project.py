"""Make a project for your own images and run it to model and report.

Run: python -m pipeline.project IMAGES, which is also

    vdtransfer tune IMAGES            installed: the project is the folder where it is started
    make tune DATA=IMAGES [NAME=...] [MODEL=...] [STRATEGIES=fixed,bayes]     in a checkout

IMAGES is whatever conf/dataset/folder.yaml takes. A project is params.yaml, which is yours to edit,
and dvc.yaml, written again each time. A second run trains only what has changed.
"""

from __future__ import annotations

from pipeline.projects.making import arguments, make, run
from pipeline.settings.command_line import guarded


def main() -> None:
    given = arguments(__doc__ or "").parse_args()
    run(make(given.data, given.name, given.model, given.strategies))


if __name__ == "__main__":
    guarded(main)
