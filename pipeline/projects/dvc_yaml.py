"""Write dvc.yaml: the same six stages for the committed pipelines and for every project."""

import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from pipeline.base.templates import rendered
from pipeline.settings.point import HYPERPARAMETERS

COMMAND = "python -m pipeline.projects.committed"
"""The command that writes the committed files again."""
_TEMPLATE = "dvc.yaml.jinja"


@dataclass(frozen=True)
class Pipeline:
    """The properties in which one dvc.yaml differs from another."""

    header: str
    """Comment at the top of the file: what it is and how to run it."""
    folder: str = "."
    """Folder of the file and its params.yaml, relative to where the stages run."""
    downloads: bool = False
    own_folders: bool = False
    """Whether its datasets are a person's own images, listed in ``folders`` of params.yaml."""
    refits: bool = True
    """Whether evaluate trains again; False under the paddle protocol."""
    metrics: bool = False
    """Whether `dvc metrics` shows its results."""
    report_reads: tuple[str, ...] = ()
    """Additional files that its report reads."""
    installed: bool = False
    """Whether an installed program runs the stages; then they list its version, not its code."""

    def text(self, params: Mapping[str, Any]) -> str:
        """Return the text of the file; ``params`` is the content of the params.yaml beside it."""
        header = textwrap.dedent(self.header).strip().splitlines()
        if not self.installed and not self.folder.startswith("projects/"):
            header.append(f"Written by `{COMMAND}` from pipeline/projects/templates/{_TEMPLATE}.")
        parts = PurePosixPath(self.folder).parts
        return rendered(
            "pipeline.projects",
            _TEMPLATE,
            **(asdict(self) | {"header": header}),
            here="".join(f"{part}/" for part in parts),
            up="/".join(".." for _ in parts),
            program="vdtransfer" if self.installed else "./vdtransfer",
            # DVC refuses a key that params.yaml lacks.
            point=", ".join(name for name in HYPERPARAMETERS if name in params),
            limited="max_hours" in (params.get("search") or {}),
            planned="planned" in params,
        )
