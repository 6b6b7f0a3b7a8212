"""A virtual environment with some installed packages, what they need, and nothing else."""

import re
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def make(folder: Path, *packages: str) -> Path:
    """Make the environment from the packages installed here; return its Python."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in closure(packages):
        distribution = metadata.distribution(name)
        tops = {Path(file).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
        for top in tops:
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    return folder / "bin" / "python"


def closure(packages: tuple[str, ...]) -> set[str]:
    """The names of packages and of all that they require."""
    names: set[str] = set()
    waiting = list(packages)
    while waiting:
        name = re.sub("[-_.]+", "-", waiting.pop()).lower()
        if name in names:
            continue
        names.add(name)
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return names
