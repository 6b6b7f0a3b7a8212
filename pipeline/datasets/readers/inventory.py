"""Find the images below a folder and note every other file, so that nothing is ignored silently."""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NoReturn

from pipeline.base.errors import UserError
from pipeline.base.text import count, encodable, printable
from pipeline.datasets.formats import (
    SIGNATURE_BYTES,
    formats,
    is_read,
    signature,
    unread_reason,
)
from pipeline.datasets.listing import LeftOut
from pipeline.datasets.tree import Tree, children, walk

NO_IMAGE = "no image"
NOT_LISTED = "no list names them"


class Inventory:
    """Sorts the files below ``root`` into images and others; notes the others by kind."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._notes: dict[tuple[str, str], list[str]] = {}

    def images(self, folder: Path) -> list[Path]:
        """Return the images below a folder at any depth. Raises UserError for a closed folder."""
        return self.sort(walk(folder, self._refuse))

    def sort(self, tree: Tree) -> list[Path]:
        """Return the images among the entries of a tree; note the other entries.

        A broken link or a pipe with the name of an image counts as an image; it is reported as
        unreadable later.
        """
        for path in tree.hidden:
            self._note("hidden", "their names begin with a dot", path)
        images = [path for path, _ in tree.odd if is_read(path.suffix)]
        for path, reason in tree.odd:
            if not is_read(path.suffix):
                self._note("other than files", reason, path)
        for path in tree.files:
            other = no_image(path)
            if other is None:
                images.append(path)
            else:
                self._note(path.suffix.lower() or "without a suffix", other, path)
        return sorted(images)

    def children(self, folder: Path) -> Tree:
        """List the entries of a folder alone. Raises UserError if it cannot be opened."""
        try:
            return children(folder)
        except OSError as error:
            self._refuse(error)

    def note_unlisted(self, listed: Collection[Path], lists: Collection[Path]) -> None:
        """Note all files below the root that are neither images of a list nor a list."""
        known = {*map(str, listed), *map(str, lists)}
        tree = walk(self.root, self._refuse)
        tree.files = [path for path in tree.files if str(path) not in known]
        tree.odd = [(path, why) for path, why in tree.odd if str(path) not in known]
        self.leave_out(self.sort(tree), NOT_LISTED)

    def leave_out(self, images: Iterable[Path], reason: str) -> None:
        """Note images that are not part of the data, and why."""
        for path in images:
            self._note(f"{path.suffix.lower()} (images)", reason, path)

    def left_out(self) -> list[LeftOut]:
        """Return all notes, the largest group first."""
        groups = sorted(self._notes.items(), key=lambda item: (-len(item[1]), item[0]))
        return [LeftOut(kind, reason, paths) for (kind, reason), paths in groups]

    def holdings(self, folder: Path) -> str:
        """Describe what was noted below a folder: ``5 files, none readable: 5 .heic``."""
        below = encodable(self.relative(folder)) + "/"
        kinds = Counter(
            kind
            for (kind, _), paths in self._notes.items()
            for path in paths
            if path.startswith(below)
        )
        if not kinds:
            return "empty"
        shown = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(5))
        return f"{count(kinds.total(), 'file')}, none readable: {shown}"

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _note(self, kind: str, reason: str, path: Path) -> None:
        # A name that is not UTF-8 can be shown and kept in stats.json once it is escaped.
        key = encodable(kind), reason
        self._notes.setdefault(key, []).append(encodable(self.relative(path)))

    def _refuse(self, error: OSError) -> NoReturn:
        raise UserError(
            f"{printable(error.filename)}: {error.strerror}. Images may lie there: make it "
            "readable, or move it elsewhere"
        ) from error


def no_image(path: Path) -> str | None:
    """Return why a regular file is not a readable image, by its name or first bytes; else None.

    An image with a wrong suffix still counts as an image.
    """
    if is_read(path.suffix):
        return None
    try:
        with path.open("rb") as file:
            head = file.read(SIGNATURE_BYTES)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if reason := unread_reason(path.suffix, head):
        return reason
    return None if signature(head) in formats() else NO_IMAGE
