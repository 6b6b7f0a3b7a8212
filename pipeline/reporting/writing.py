"""Write a report and the files that belong to it."""

from collections.abc import Iterable
from pathlib import Path

from pipeline.base.files import write_bytes, write_text
from pipeline.reporting.charts import Chart
from pipeline.reporting.document import PAGES, Document, Gallery
from pipeline.reporting.drawing import to_spec
from pipeline.reporting.markdown import to_report
from pipeline.reporting.page import to_pages
from pipeline.reporting.tables import Table, to_csv, to_latex
from pipeline.reporting.vega import to_svg


def write_report(document: Document, folder: Path, ui: str) -> None:
    """Write ``report.md``, ``report.html``, ``datasets/``, ``tables/`` and ``figures/``.

    Files of an earlier report that this one does not have are removed.
    """
    tables = {}
    for table in document.every(Table):
        tables[f"{table.name}.csv"] = to_csv(table).encode()
        tables[f"{table.name}.tex"] = to_latex(table).encode()
    specs = {chart.name: to_spec(chart) for chart in document.every(Chart)}
    # The figures of pages for a single dataset are only drawn by the browser: drawing hundreds of
    # them here would take most of the time of a report.
    svg = {chart.name: to_svg(specs[chart.name]) for chart in document.front.every(Chart)}
    figures = {f"{name}.svg": drawing for name, drawing in svg.items()}
    for gallery in document.every(Gallery):
        for i, picture in enumerate(gallery.pictures):
            figures[f"{gallery.name}-{i}.png"] = picture.png
    _fill(folder / "tables", tables.items())
    _fill(folder / "figures", figures.items())
    write_text(folder / "report.md", to_report(document))
    pages = to_pages(document, specs, svg, ui)
    write_text(folder / "report.html", next(pages)[1])
    _fill(folder / PAGES, ((name, page.encode()) for name, page in pages))


def _fill(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    outdated = {old.name for old in folder.iterdir()}
    for name, data in files:
        write_bytes(folder / name, data)
        outdated.discard(name)
    for name in outdated:
        (folder / name).unlink()
