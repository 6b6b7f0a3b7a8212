"""Draw the report from the exported results: tables, figures, report.md and report.html.

Reads only <root>/results (and paddle_protocol/figures.csv for the root's own report), so it needs
neither data nor a tracking server, and runs on a benchmark that is half done.
Run: python -m pipeline.report [--config-path quickstart]
"""

import itertools
import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pipeline.base.errors import UserError
from pipeline.base.files import write_json, write_text
from pipeline.reporting.console import first_screen
from pipeline.reporting.content import compose_report
from pipeline.reporting.for_dvc import metrics
from pipeline.reporting.paddle_figures import FIGURES, read_figures, write_figures
from pipeline.reporting.published import table1
from pipeline.reporting.results import CellName, read_results
from pipeline.reporting.writing import write_report
from pipeline.settings.command_line import stage
from pipeline.settings.folders import PROGRAM, report_dir
from pipeline.settings.schema import Config

LOCAL_UI = "http://127.0.0.1:5000"
PADDLE_ROOT = Path("paddle_protocol")


def report(cfg: Config) -> None:
    """Draw the report. Raises UserError when an existing result file cannot be read."""
    names = [
        CellName(*parts) for parts in itertools.product(cfg.datasets, cfg.models, cfg.strategies)
    ]
    root, folder = Path(cfg.root), report_dir(cfg)
    results = read_results(root, names)
    paddle = read_figures(PADDLE_ROOT / FIGURES) if root == Path() else {}
    published = table1()
    planned = {subject: reason for subject, reason in cfg.planned if reason}
    document = compose_report(cfg.title, results, paddle, published, cfg.models, planned)
    write_report(document, folder, ui_address())
    write_json(folder / "metrics.json", metrics(results.cells, several_models=len(cfg.models) > 1))
    if cfg.protocol.name == "paddle":
        write_figures(root / FIGURES, results.cells)
    notes = [
        f"simulated, not trained: {cell.name}"
        for cell in results.cells
        if cell.best.machine.simulated
    ]
    notes += [f"missing: {cell.target}" for cell in results.missing]
    where = [f"report: {folder / 'report.html'}", f"trials: {PROGRAM} ui"]
    summary = folder / "summary.txt"
    write_text(summary, "\n".join([*first_screen(results.cells), *notes, *where]) + "\n")
    # `make` prints the summary, even if this stage had nothing to do
    print("\n".join([*notes, f"table: {summary}"]))


def ui_address() -> str:
    """Return the address of the MLflow UI: the tracking server if one is set, else that of `ui`.

    User name and password are removed, because people pass the page on.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise UserError(
            f"MLFLOW_TRACKING_URI: found {uri!r}, which is not an address ({error})"
        ) from None
    if parts.scheme not in ("http", "https"):
        return LOCAL_UI
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


if __name__ == "__main__":
    stage(report, __doc__ or "")
