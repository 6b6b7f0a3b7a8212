"""Recognise folders of classes, with or without folders of splits; check and name the guess."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.base.text import count, printable, some
from pipeline.datasets.listing import Entry, Listing, Split
from pipeline.datasets.readers.inventory import Inventory, no_image
from pipeline.datasets.readers.split_names import is_exact, split_of

Classes = list[tuple[Split | None, str, Path]]
"""For each class folder: its split, the name of its class and its path."""
_ABOVE = "they lie above the folders of the classes"


def recognised(here: Path, root: Path) -> Listing:
    """Read ``here``, which is ``root`` or a folder in it, as classes or as splits of classes.

    Raises UserError when the folders could be read in two ways, or hold loose images.
    """
    inventory = Inventory(root)
    above = here
    while above != root:  # note the files beside the folders on the way
        above = above.parent
        inventory.leave_out(inventory.sort(inventory.children(above)), _ABOVE)
    classes: Classes = []
    folders = _class_folders(inventory, here)
    if splits := _splits(here, folders):
        parts = _unwrapped(inventory, splits)
        for split, part in parts:
            below = _class_folders(inventory, part)
            if not below:
                raise UserError(f"{part} holds no class folders. Add them, or remove {part}")
            classes += [(split, folder.name, folder) for folder in below]
        layout = "folders of splits (" + ", ".join(
            f"{printable(part.relative_to(here))} is {split}" for split, part in parts
        )
        listing = _listing(inventory, classes, layout + "), each with a folder per class")
        return replace(listing, doubts=_doubts(inventory, classes))
    layout = "a folder per class"
    if inner := _splits_inside(inventory, folders, stated=False):
        classes, layout = inner, layout + ", each with folders of splits"
    else:
        _refuse_shared(inventory, here, folders)
        classes = [(None, folder.name, folder) for folder in folders]
    listing = _listing(inventory, classes, layout)
    return replace(listing, doubts=_doubts(inventory, classes))


def at_level(root: Path, level: int) -> Listing:
    """Read the folders ``level`` steps below ``root`` as classes (``dataset.class_level``).

    Folders named after splits count as splits, whether above the classes or directly below them.
    """
    inventory = Inventory(root)
    folders: list[tuple[Split | None, Path]] = [(None, root)]
    for step in range(1, level + 1):
        trees = [(split, inventory.children(parent)) for split, parent in folders]
        for _, tree in trees:
            inventory.leave_out(inventory.sort(tree), _ABOVE)
        folders = [(split, folder) for split, tree in trees for folder in tree.folders]
        names = {folder.name for _, folder in folders}
        if step < level and _are_splits(names):
            folders = [(split_of(folder.name), folder) for _, folder in folders]
    classes: Classes = [(split, folder.name, folder) for split, folder in folders]
    layout = f"a folder per class, {count(level, 'level')} below {printable(root)}"
    if all(split is None for split, _ in folders):
        inner = _splits_inside(inventory, [folder for _, folder in folders], stated=True)
        if inner:
            classes, layout = inner, layout + ", each with folders of splits"
    if not classes:
        raise UserError(f"{root} has no folders at level {level} (dataset.class_level={level})")
    return _listing(inventory, classes, layout)


def holds_splits(inventory: Inventory, folder: Path) -> bool:
    """Return whether the folders in ``folder`` are train and other splits, or train alone."""
    folders = inventory.children(folder).folders
    splits = {split_of(path.name) for path in folders}
    alone = splits == {"train"} and all(is_exact(f.name) and not own_image(f) for f in folders)
    return alone or ("train" in splits and len(splits - {None}) > 1)


def inner_folders(inventory: Inventory, here: Path, listing: Listing) -> tuple[int, list[str]]:
    """Return the level and names of the folders below a listing's only class: perhaps the classes.

    Folders that hold nothing but one folder are passed.
    """
    folder = here / listing.class_names[0]
    if len(listing.class_names) > 1 or not folder.is_dir():
        return 0, []
    while len(folders := inventory.children(folder).folders) == 1 and not own_image(folder):
        folder = folders[0]
    level = len(folder.relative_to(inventory.root).parts) + 1
    return level, [path.name for path in folders]


def own_image(folder: Path) -> bool:
    """Return whether an image is directly in a folder, not only below it."""
    return any(no_image(path) is None for path in Inventory(folder).children(folder).files)


def _splits(here: Path, folders: Sequence[Path]) -> list[tuple[Split, Path]] | None:
    """Return the folders of splits, or None if the folders are classes.

    A name is only a hint. Folders with images directly in them count as splits only if their names
    are those of two splits and there are no other folders. Such splits are then refused.
    """
    parts = [(split, folder) for folder in folders if (split := split_of(folder.name))]
    kinds = {split for split, _ in parts}
    if not parts:
        return None
    flat = [folder for _, folder in parts if own_image(folder)]
    if "train" in kinds and len(parts) == len(folders) and (len(kinds) > 1 or not flat):
        if len(kinds) == 1 and not all(is_exact(folder.name) for folder in folders):
            return None  # such as train_steam and train_diesel
        if flat:
            raise UserError(
                f"{here} has folders of splits ({_names(folders)}), and images lie beside the "
                f"class folders in {_names(flat)}. Make a folder per class in each; or, if "
                f"{_names(folders)} are the classes, set dataset.class_level=1."
            )
        doubled = [split for split, times in Counter(s for s, _ in parts).items() if times > 1]
        if doubled:
            same = [folder for split, folder in parts if split in doubled]
            raise UserError(
                f"{here} has two folders for one split, {doubled[0]}: {_names(same)}. Keep one, or "
                "list the images in a table."
            )
        return parts
    exact = {split for split, folder in parts if is_exact(folder.name)}
    if len(exact) > 1 or (len(kinds) > 1 and not flat):
        others = [folder for folder in folders if folder not in [part for _, part in parts]]
        raise UserError(
            f"{here} has folders of splits ({_names([folder for _, folder in parts])}) "
            + (f"beside others ({_names(others)}). Keep one kind" if others else "but no train")
            + f"; or, if {_names(folders)} are the classes, set dataset.class_level=1."
        )
    return None


def _unwrapped(
    inventory: Inventory, splits: Sequence[tuple[Split, Path]]
) -> list[tuple[Split, Path]]:
    """Return the folders of splits without the folders that an archive wraps around their classes.

    As a class, such a folder would be the only one, or one without an image to train on.
    """
    trained: set[str] = set()
    parts = {}
    for split, outer in sorted(splits, key=lambda each: each[0] != "train"):
        part = outer
        while True:
            tree = inventory.children(part)
            wrapped = tree.folders[0] if len(tree.folders) == 1 else None
            if wrapped is None or wrapped.name in trained or own_image(part):
                break
            flat = own_image(wrapped) or not inventory.children(wrapped).folders
            if flat and split_of(wrapped.name) != split:
                break
            inventory.leave_out(inventory.sort(tree), _ABOVE)
            part = wrapped
        if split == "train":
            trained |= {folder.name for folder in inventory.children(part).folders}
        parts[outer] = part
    return [(split, parts[outer]) for split, outer in splits]


def _splits_inside(
    inventory: Inventory, folders: Sequence[Path], *, stated: bool
) -> Classes | None:
    """Return the splits in each of ``folders``, if they are classes that hold nothing else.

    Unless it is ``stated`` that they are the classes, a split must have an image of its own. If
    all splits hold only folders, those may be the classes.
    """
    below = {folder: inventory.children(folder).folders for folder in folders}
    names = {part.name for parts in below.values() for part in parts}
    if not _are_splits(names) or any(own_image(folder) for folder in folders):
        return None
    inner = [part for parts in below.values() for part in parts]
    if not stated and not any(own_image(part) for part in inner):
        return None
    for folder, parts in below.items():
        if parts:  # a class without splits is read whole
            inventory.leave_out(inventory.sort(inventory.children(folder)), _ABOVE)
    return [
        (split_of(part.name), folder.name, part)
        for folder, parts in below.items()
        for part in parts or [folder]  # an empty class is named, not dropped
    ]


def _refuse_shared(inventory: Inventory, here: Path, folders: Sequence[Path]) -> None:
    """Refuse "classes" that hold only the same folders, or only splits of deeper folders."""
    if len(folders) < 2:
        return
    inside = [inventory.children(folder).folders for folder in folders]
    inner = [{path.name.casefold(): path.name for path in paths} for paths in inside]
    union = set().union(*inner)
    common = set.intersection(*map(set, inner))
    if len(union) < 2 or any(own_image(folder) for folder in folders):
        return
    level = 1 + len(here.relative_to(inventory.root).parts)
    holding = f"{here}: the folders {_names(folders)} hold no image of their own and"
    names = {path.name for paths in inside for path in paths}
    if _are_splits(names):
        raise UserError(
            f"{holding} only folders named like splits ({some(sorted(names), 5)}), which hold only "
            f"folders. If those are the classes, set dataset.class_level={level + 2}. If the "
            f"classes are {_names(folders)}, set dataset.class_level={level}."
        )
    if 2 * len(common) < len(union):
        return
    shared = sorted(inner[0][name] for name in common)
    raise UserError(
        f"{holding} share the same folders ({some(shared, 5)}). "
        f"It looks as if {some(shared, 5)} were the classes: set "
        f"dataset.class_level={level + 1} for that. If the classes are {_names(folders)}, set "
        f"dataset.class_level={level}. If {_names(folders)} are splits, name them train, val "
        "and test."
    )


def _doubts(inventory: Inventory, classes: Classes) -> list[str]:
    """Say that the classes may be one level deeper, if no class has an image of its own."""
    folders = [folder for split, _, folder in classes if split in ("train", None)]
    if any(own_image(folder) for folder in folders):
        return []
    inner = {path.name for folder in folders for path in inventory.children(folder).folders}
    if len(inner) < 2:
        return []
    level = 1 + max(len(folder.relative_to(inventory.root).parts) for folder in folders)
    return [
        f"no class has an image of its own, only folders ({some(sorted(inner), 5)}): if those are "
        f"the classes, set dataset.class_level={level}"
    ]


def _listing(inventory: Inventory, classes: Classes, layout: str) -> Listing:
    names = sorted({name for _, name, _ in classes})
    labels = {name: label for label, name in enumerate(names)}
    entries = []
    holdings: dict[str, list[str]] = {}
    for split, name, folder in classes:
        images = inventory.images(folder)
        if not images:
            holdings.setdefault(name, []).append(inventory.holdings(folder))
        entries += [Entry(inventory.relative(i), labels[name], split, i) for i in images]
    without = {name: "; ".join(each) for name, each in holdings.items()}
    return Listing(names, entries, layout, left_out=inventory.left_out(), without_images=without)


def _are_splits(names: set[str]) -> bool:
    return {"train"} < {split_of(name) for name in names} and all(map(split_of, names))


def _class_folders(inventory: Inventory, folder: Path) -> list[Path]:
    """Return the folders in a folder. Refuse images and broken links beside them.

    Such a link may be meant as a class.
    """
    tree = inventory.children(folder)
    for path, why in tree.odd:
        if path.is_symlink() and not path.suffix:
            raise UserError(f"{path}: {why}. Fix the link to the folder of a class, or remove it")
    if images := inventory.sort(tree):
        raise UserError(
            f"{folder}: {count(len(images), 'image')} {'lies' if len(images) == 1 else 'lie'} "
            f"beside the class folders, such as {printable(images[0].name)}. Move each into the "
            "folder of its class, or list all in a table with path and label."
        )
    return tree.folders


def _names(folders: Sequence[Path]) -> str:
    return some([folder.name for folder in folders], 5)
