"""Time how a browser opens every page of a report.

    python benchmarks/opening.py REPORT [--json PATH]

REPORT is the folder of a report. Each page is opened three times, without a network and with an
empty cache; the figures are the medians. Needs chromium and the package playwright.
"""

import os
import shutil
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from pipeline.base.arguments import documented
from pipeline.base.files import write_json

TURNS = 3
DRAWN = "[...document.querySelectorAll('.plot')].every((plot) => plot.dataset.ready)"
TIMES = """() => {
  const [all] = performance.getEntriesByType("navigation");
  return {
    dom_seconds: all.domContentLoadedEventEnd / 1000,
    load_seconds: all.loadEventEnd / 1000,
  };
}"""


def opened(browser: Browser, path: Path) -> dict[str, float]:
    """Open a page in a fresh window; return seconds since the request.

    ``busy_seconds`` is the time that the page's own thread worked until every figure was drawn.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    developer = context.new_cdp_session(page)
    developer.send("Performance.enable")
    page.goto(path.resolve().as_uri())
    page.wait_for_function(DRAWN, timeout=120_000)
    times: dict[str, float] = page.evaluate(TIMES)
    measures = developer.send("Performance.getMetrics")["metrics"]
    busy = next(each["value"] for each in measures if each["name"] == "TaskDuration")
    context.close()
    return {**times, "busy_seconds": busy}


def measured(report: Path) -> dict[str, Any]:
    """Measure every page; return the figures of the first page and the worst of the others."""
    first, *others = [report / "report.html", *sorted(report.glob("datasets/*.html"))]
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        pages = {path: _page(chromium, path) for path in (first, *others)}
        version = chromium.version
        chromium.close()
    figures: dict[str, Any] = {"chromium": version, "load": os.getloadavg()[0]}
    figures["first"] = pages[first]
    if others:
        rest = [pages[path] for path in others]
        worst = {key: max(each[key] for each in rest) for key in rest[0]}
        figures |= {"others": len(others), "worst_of_others": worst}
    return figures


def _page(browser: Browser, path: Path) -> dict[str, float]:
    turns = [opened(browser, path) for _ in range(TURNS)]
    times = {key: median(each[key] for each in turns) for key in turns[0]}
    return {"bytes": path.stat().st_size, **times}


def described(figures: dict[str, Any]) -> str:
    shown = {"first page": figures["first"]}
    if "others" in figures:
        shown[f"worst of {figures['others']} others"] = figures["worst_of_others"]
    rows = [
        f"{name:<19} {page['bytes'] / 1e6:>6.2f} MB {page['dom_seconds']:>8.2f} s "
        f"{page['load_seconds']:>8.2f} s {page['busy_seconds']:>8.2f} s"
        for name, page in shown.items()
    ]
    head = f"{'':<19} {'size':>9} {'parsed':>10} {'loaded':>10} {'busy':>10}"
    browser = f"chromium {figures['chromium']}, {os.cpu_count()} cores, load {figures['load']:.1f}"
    return "\n".join([browser, head, *rows])


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument("report", type=Path)
    arguments = parser.parse_args()
    figures = measured(arguments.report)
    print(described(figures))
    if arguments.json:
        write_json(arguments.json, figures)


if __name__ == "__main__":
    main()
