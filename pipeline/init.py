"""Make a project for your own images: params.yaml to edit, and dvc.yaml, which runs the stages.

    vdtransfer init IMAGES            or: python -m pipeline.init IMAGES

IMAGES is a folder of images or a table that lists them. An installed program makes the project in
the folder where it is started, a checkout makes it in projects/NAME/. Nothing is trained.
"""

import shlex

from pipeline.projects.making import make, print_time
from pipeline.projects.options import arguments
from pipeline.settings.command_line import guarded
from pipeline.settings.compose import compose
from pipeline.settings.folders import INSTALLED


def main() -> None:
    """Make the project and say what to do next."""
    given = arguments(__doc__ or "").parse_args()
    folder = make(
        given.data, given.name, given.model, given.strategies, given.hours, given.settings
    )
    print_time(compose(folder))
    print("nothing is trained yet; edit the settings as you like")
    images = shlex.quote(given.data)
    named = f" NAME={given.name}" if given.name else ""
    tune = f"vdtransfer tune {images}" if INSTALLED else f"make tune DATA={images}{named}"
    print(f"then run: {tune}")


if __name__ == "__main__":
    guarded(main, resumes=False)
