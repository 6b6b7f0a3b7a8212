"""Make a project for your own images and run it to model and report.

Run: python -m pipeline.project IMAGES, which is also

    vdtransfer tune IMAGES            installed: the project is the folder where it is started
    make tune DATA=IMAGES [NAME=...] [MODEL=...] [HOURS=2]     in a checkout

IMAGES is whatever conf/dataset/folder.yaml takes. A project is params.yaml, which is yours to edit,
and dvc.yaml, written again each time. A second run trains only what has changed.
"""

import argparse

from pipeline.projects.making import make, run
from pipeline.projects.options import arguments
from pipeline.projects.spelling import as_option, as_variable
from pipeline.settings.command_line import guarded


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--from-make", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    spell = as_variable if given.from_make else as_option
    options = (given.name, given.model, given.strategies, given.hours)
    run(make(given.data, *options, given.settings, spell=spell))


if __name__ == "__main__":
    guarded(main)
