"""Write a prepared dataset's splits as PaddleClas list files.

train_list.txt, val_list.txt and test_list.txt hold a path and a label per line, label_list.txt a
label and its name. Paths are relative to the folder the images came from (Paddle's image_root).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.config import UserError
from pipeline.datasets.files import write_text
from pipeline.datasets.listing import SPLITS
from pipeline.datasets.manifest import Manifest

LABELS = "label_list.txt"


def export_lists(manifest: Manifest, into: Path, delimiter: str = " ") -> list[Path]:
    """Write the four files and return their paths.

    PaddleClas splits a line at every ``delimiter`` (its config has the same key): raises UserError
    for a path that holds it.
    """
    paths, labels = manifest.column("path"), manifest.labels
    breaking = [path for path in paths if delimiter in path]
    if breaking:
        raise UserError(
            f"{len(breaking)} paths hold the delimiter {delimiter!r}, such as {breaking[0]!r}. "
            "Choose another with --delimiter, and the same in PaddleClas's config."
        )
    written = []
    for split in SPLITS:
        rows = manifest.rows([split])
        written.append(into / f"{split}_list.txt")
        lines = (f"{paths[row]}{delimiter}{labels[row]}\n" for row in rows)
        write_text(written[-1], "".join(lines))
    written.append(into / LABELS)
    names = (f"{label} {name}\n" for label, name in enumerate(manifest.class_names))
    write_text(written[-1], "".join(names))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prepared", type=Path, help="such as data/prepared/flowers102")
    parser.add_argument("into", type=Path, help="folder to write to")
    parser.add_argument("--delimiter", default=" ", help="between path and label (default: blank)")
    arguments = parser.parse_args()
    try:
        manifest = Manifest.load(arguments.prepared)
        for path in export_lists(manifest, arguments.into, arguments.delimiter):
            print(path)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
