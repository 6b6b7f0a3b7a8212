"""List what is below a folder of images: one rule for links, hidden entries, pipes and devices."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_LITTER_NAMES = """
.ds_store thumbs.db ehthumbs.db ehthumbs_vista.db desktop.ini .directory .localized .gitignore
.gitkeep .gitattributes .keep .dvcignore .nomedia .picasa.ini picasa.ini __macosx .git .dvc .svn
.hg .ipynb_checkpoints __pycache__ .thumbnails .cache @eadir $recycle.bin .trash .trashes
.spotlight-v100 .fseventsd .temporaryitems lost+found .idea .vscode .appledouble .stfolder .sync
.dropbox .dropbox.cache
"""
_LITTER = frozenset([*_LITTER_NAMES.split(), "system volume information", "icon\r"])
"""Names, in lower case, that systems and tools leave in folders; never part of the data."""

_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass
class Tree:
    """The entries below a folder, in the order of their names."""

    folders: list[Path] = field(default_factory=list)
    """Folders that are not opened."""
    files: list[Path] = field(default_factory=list)
    odd: list[tuple[Path, str]] = field(default_factory=list)
    """Entries that are not regular files, with the reason: broken links, pipes, links to a folder
    that was already read."""
    hidden: list[Path] = field(default_factory=list)
    """Hidden entries; they are left out, and hidden folders are not opened."""


def walk(folder: Path, closed: Callable[[OSError], None]) -> Tree:
    """List what lies in a folder at any depth. Links are followed, each folder is read once.

    A folder that cannot be opened is handed to ``closed``. No file is opened.
    """
    tree = Tree()
    seen = set(map(str, Path(os.path.realpath(folder)).parents))
    for where, folders, names in os.walk(folder, onerror=closed, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            tree.odd.append((Path(where), "a link to a folder that is read already"))
            continue
        seen.add(real)
        tree.hidden += [Path(where, name) for name in sorted([*folders, *names]) if _hidden(name)]
        folders[:] = sorted(filter(is_shown, folders))
        for path in (Path(where, name) for name in sorted(filter(is_shown, names))):
            fault = irregular(path)
            if fault is None:
                tree.files.append(path)
            else:
                tree.odd.append((path, fault))
    return tree


def children(folder: Path) -> Tree:
    """List the entries of a folder alone. Raises OSError."""
    tree = Tree()
    for path in sorted(folder.iterdir()):
        if _hidden(path.name):
            tree.hidden.append(path)
        elif is_shown(path.name):
            if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a closed folder
                tree.folders.append(path)
            elif fault := irregular(path):
                tree.odd.append((path, fault))
            else:
                tree.files.append(path)
    return tree


def is_shown(name: str) -> bool:
    """Return whether an entry is neither hidden nor litter of a system."""
    return not name.startswith(".") and name.lower() not in _LITTER


def irregular(path: Path) -> str | None:
    """Return why a path is not a regular file, without opening it; None if it is one."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a link that leads to itself"
        if path.is_symlink():
            return "a link that leads nowhere"
        return f"cannot be read: {error.strerror}"
    if stat.S_ISREG(mode):
        return None
    for test, name in _SPECIAL:
        if test(mode):
            return f"{name}, not a regular file"
    return "not a regular file"


def irregular_below(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield each entry below ``root`` that would stop a tool reading every file, and the reason."""
    closed: list[OSError] = []
    for where, folders, names in os.walk(root, onerror=closed.append, followlinks=True):
        inner = [Path(where, name) for name in folders]
        here = Path(os.path.realpath(where))
        loops = [p for p in inner if p.is_symlink() and here.is_relative_to(os.path.realpath(p))]
        folders[:] = [path.name for path in inner if path not in loops]
        yield from ((path, "a link to a folder that it lies in") for path in loops)
        for path in (Path(where, name) for name in names):
            if fault := irregular(path):
                yield path, fault
    for error in closed:
        yield Path(str(error.filename)), f"cannot be read: {error.strerror}"


def regular_bytes(path: Path) -> bytes:
    """Read a regular file. Raises OSError; also for a pipe or device, which may never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, irregular(path) or "not a regular file", str(path))
    return path.read_bytes()


def _hidden(name: str) -> bool:
    """Return whether a name is hidden but not known litter, so that somebody may miss it."""
    return name.startswith(".") and not name.startswith("._") and name.lower() not in _LITTER
