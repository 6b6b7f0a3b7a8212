"""The page in a real headless Chromium: what a reader sees, and that it asks the network nothing.

Needs Debian's chromium and Python's playwright (for its protocol only, not its browsers).
"""

import csv
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from pipeline.reporting.content import compose_report
from pipeline.reporting.published import table1
from pipeline.reporting.results import CellName, read_results
from pipeline.reporting.writing import write_report
from pipeline.trials.journal import KEY_TAG, Journal, experiments
from pipeline.trials.store import tracking_uri
from pipeline.trials.views import view_address
from tests.engines.server import running
from tests.support.synthetic_results import Benchmark, table

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 180_000
"""Milliseconds that a busy machine may take for one step."""
FOLLOWED = """
  (link) => new Promise((done) => {
    const look = () => requestAnimationFrame(link.hash === location.hash ? drawn : look);
    const drawn = () => requestAnimationFrame(done);
    look();
  })
"""
"""Ends when the page has been drawn after a link within it was followed."""
DATASETS = ("dtd", "<i>digits<i> 数字")
STRATEGIES = ("fixed", "grid", "bayes")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets, one of them published, with a cell missing."""
    root = tmp_path_factory.mktemp("benchmark")
    Benchmark(datasets=DATASETS).write(root)
    names = [CellName(d, "resnet50_vd", s) for d in DATASETS for s in STRATEGIES]
    results = read_results(root, [*names, CellName("flowers102", "resnet50_vd", "grid")])
    published = table1()
    paddle = {CellName("dtd", "resnet50_vd", strategy): 0.8 for strategy in STRATEGIES}
    document = compose_report("A report", results, paddle, published, ["resnet50_vd"])
    write_report(document, root / "report", "http://127.0.0.1:5000")
    return root / "report" / "report.html"


@dataclass
class Visit:
    page: Any
    """The report's first page."""
    dataset: Any
    """The page of the dataset with an odd name."""
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self, page: Any) -> None:
        page.on("console", lambda m: m.type in ("error", "warning") and self.faults.append(m.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda each: self.requests.append(each.url))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        yield chromium
        chromium.close()


def new_page(browser: Any, **options: Any) -> Any:
    page = browser.new_page(**options)
    page.set_default_timeout(PATIENCE)
    return page


def wait_for_figures(page: Any) -> None:
    for plot in page.locator(".plot").all():
        playwright.expect(plot).to_have_attribute("data-ready", "yes")


@pytest.fixture(
    scope="module", params=[(390, "light"), (1280, "dark")], ids=["phone-light", "desktop-dark"]
)
def visit(browser: Any, page_file: Path, request: pytest.FixtureRequest) -> Iterator[Visit]:
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    context.set_default_timeout(PATIENCE)
    seen = Visit(context.new_page(), context.new_page())
    seen.watch(seen.page)
    seen.watch(seen.dataset)
    seen.page.goto(page_file.as_uri())
    seen.dataset.goto(page_file.as_uri())
    seen.dataset.get_by_role("navigation").get_by_text("<i>digits<i> 数字").click()
    for page in (seen.page, seen.dataset):
        wait_for_figures(page)
    yield seen
    context.close()


def test_every_figure_draws_without_an_error_or_a_request(visit: Visit, page_file: Path) -> None:
    for page in (visit.page, visit.dataset):
        assert page.locator(".plot").count() == page.locator(".plot svg.marks").count() > 0
    assert visit.faults == []
    described = visit.page.get_by_role("img", name=re.compile("^Test accuracy by strategy"))
    assert described.first.is_visible()
    outside = [url for url in visit.requests if not url.startswith(("data:", "blob:"))]
    assert outside == [page_file.as_uri(), page_file.as_uri(), visit.dataset.url]


def test_a_figure_that_fails_leaves_the_later_ones(
    browser: Any, visit: Visit, page_file: Path, tmp_path: Path
) -> None:
    text = next(page_file.parent.glob("datasets/*.html")).read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace('data-chart="', 'data-chart="no-', 1), encoding="utf-8")
    page = new_page(browser, viewport=visit.page.viewport_size)
    seen = Visit(page, page)
    seen.watch(page)
    page.goto(broken.as_uri())
    playwright.expect(page.locator(".plot").last).to_have_attribute("data-ready", "yes")
    plots = page.locator(".plot").count()
    assert page.locator(".plot[data-ready='yes']").count() == plots - 1 > 0
    assert len(seen.faults) == 1
    assert "TypeError" in seen.faults[0]
    page.close()


def test_nothing_is_wider_than_the_screen(visit: Visit) -> None:
    for page in (visit.page, visit.dataset):
        inner, outer = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert inner <= outer


def test_a_long_name_wraps_on_a_phone(browser: Any, tmp_path: Path) -> None:
    name = "A name of words, and " + "one_word_of_many_letters_" * 4
    Benchmark(datasets=(name,)).write(tmp_path)
    results = read_results(tmp_path, [CellName(name, "resnet50_vd", each) for each in STRATEGIES])
    document = compose_report(name, results, {}, {}, ["resnet50_vd"])
    write_report(document, tmp_path / "report", "http://127.0.0.1:5000")
    page = new_page(browser, viewport={"width": 390, "height": 900})
    page.goto((tmp_path / "report" / "report.html").as_uri())
    wait_for_figures(page)
    inner, outer = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert inner <= outer
    page.close()


def test_labels_of_an_axis_do_not_overlap(visit: Visit) -> None:
    for page in (visit.page, visit.dataset):
        overlaps = page.evaluate(
            """() => [...document.querySelectorAll(".plot .role-axis-label")].flatMap((axis) => {
              const boxes = [...axis.querySelectorAll("text")]
                .filter((each) => getComputedStyle(each).opacity !== "0")
                .map((each) => [each.getBoundingClientRect(), each.textContent]);
              // Boxes of slanted labels overlap where the labels do not.
              const slanted = axis.querySelector("text[transform*='rotate(-45']");
              return slanted ? [] : boxes.slice(1).filter(([box], i) => {
                const [before] = boxes[i];
                return box.left < before.right - 1 && before.left < box.right - 1
                  && box.top < before.bottom - 1 && before.top < box.bottom - 1;
              }).map(([, text]) => text);
            })"""
        )
        assert overlaps == []


def test_figures_keep_to_the_places_that_were_kept_for_them(visit: Visit) -> None:
    for page in (visit.page, visit.dataset):
        heights = page.locator(".plot").evaluate_all(
            "all => all.map((each) => [each.querySelector('svg').getAttribute('height'),"
            " each.clientHeight])"
        )
        assert all(0 < int(drawn) <= kept < int(drawn) + 60 for drawn, kept in heights)


def test_links_land_where_they_say_before_any_figure_is_drawn(browser: Any, visit: Visit) -> None:
    """The places of figures have their heights before they are drawn."""
    page = new_page(browser, viewport=visit.dataset.viewport_size, reduced_motion="reduce")
    page.add_init_script("globalThis.setTimeout = () => 0")  # so no figure is drawn
    page.goto(visit.dataset.url)
    assert page.locator(".plot svg").count() == 0
    links = page.locator("nav a[href^='#']")
    for link in [links.nth(i) for i in range(links.count())]:
        page.evaluate("scrollTo(0, 0)")
        link.click()
        link.evaluate(FOLLOWED)
        target = page.locator(f"[id='{unquote(link.get_attribute('href'))[1:]}']")
        top, least = target.evaluate(
            "e => [e.getBoundingClientRect().top, "
            "Math.max(0, innerHeight - (document.body.scrollHeight - e.offsetTop))]"
        )
        assert abs(top - least) < 40
    assert links.count() == 4
    page.close()


def test_a_page_is_below_four_megabytes(page_file: Path) -> None:
    pages = [page_file, *page_file.parent.glob("datasets/*.html")]
    assert len(pages) == 3
    assert max(page.stat().st_size for page in pages) < 4_000_000


def test_the_published_table_fits_a_desktop(browser: Any, page_file: Path) -> None:
    page = new_page(browser, viewport={"width": 1280, "height": 900})
    page.goto(page_file.as_uri())
    table = page.locator("table[aria-labelledby='caption-result']")
    inner, outer = table.evaluate("t => [t.scrollWidth, t.closest('.wide').clientWidth]")
    assert inner <= outer
    page.close()


def test_a_page_has_its_landmarks_headings_and_descriptions(visit: Visit) -> None:
    for page in (visit.page, visit.dataset):
        for role in ("banner", "main", "navigation"):
            assert page.get_by_role(role).count() == 1
        assert page.locator("h1").count() == 1
        assert page.locator("th:not([scope])").count() == 0
        bare = "img:not([alt]), img[alt=''], .plot:not([aria-label])"
        assert page.locator(bare).count() == 0


def test_tables_sort_by_figure_not_by_text(visit: Visit) -> None:
    visit.dataset.locator("details > summary", has_text="Every trial of grid").first.click()
    table = visit.dataset.locator("details[open] table")
    head = table.locator("th", has_text=re.compile("^L2 decay|^lr"))
    loss = table.locator("th", has_text="Validation top-1")
    column = [th.inner_text().strip() for th in table.locator("thead th").all()].index(
        "Validation top-1 %"
    )

    def figures() -> list[float]:
        cells = table.locator(f"tbody td:nth-child({column + 1})").all_inner_texts()
        return [float(text) for text in cells]

    assert head.count() == 2
    before = figures()
    loss.locator("button").click()
    assert figures() == sorted(before)
    assert loss.get_attribute("aria-sort") == "ascending"
    loss.locator("button").click()
    assert figures() == sorted(before, reverse=True)
    assert sorted(before) != before


def test_names_are_text_never_markup(visit: Visit) -> None:
    assert visit.page.locator("main i").count() + visit.dataset.locator("main i").count() == 0
    assert visit.dataset.locator("h1", has_text="<i>digits<i> 数字").count() == 1


def test_trials_link_to_their_mlflow_run(visit: Visit) -> None:
    link = visit.dataset.locator("details a").first
    address = (
        r"http://127\.0\.0\.1:5000/#/experiments/1/runs/[0-9a-f]+\?workflowType=machine_learning"
    )
    assert re.fullmatch(address, link.get_attribute("href"))


@pytest.fixture
def journal_here(tmp_path: Path, empty_journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty journal in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "runs").mkdir()
    shutil.copy(empty_journal, tmp_path / "runs" / "mlflow.db")


def test_a_link_opens_its_run_in_the_mlflow_ui(
    browser: Any, tmp_path: Path, journal_here: None, port: int
) -> None:
    """On the side for model training: MLflow's UI itself starts on another."""
    journal = Journal.open("linked")
    run_id = journal.start("digits · fixed · trial 0", parent_id=None, params={}, tags={})
    Benchmark(strategies=("fixed",)).write(tmp_path)
    runs = tmp_path / "results" / "digits" / "resnet50_vd" / "fixed" / "runs.csv"
    with runs.open() as file:
        (row,) = csv.DictReader(file)
    row |= {"experiment_id": journal.experiment_id, "run_id": run_id}
    table(runs, list(row), [row])
    results = read_results(tmp_path, [CellName("digits", "resnet50_vd", "fixed")])
    document = compose_report("A report", results, {}, {}, ["resnet50_vd"])
    address = f"http://127.0.0.1:{port}"
    write_report(document, tmp_path / "report", address)
    mlflow = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--port", str(port)]
    mlflow += ["--backend-store-uri", tracking_uri()]
    with running(mlflow, address, tmp_path / "ui.log", os.environ):
        page = new_page(browser)
        page.goto((tmp_path / "report" / "report.html").as_uri())
        page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
        page.locator("details a").click()
        heading = page.get_by_role("heading", name="digits · fixed · trial 0")
        playwright.expect(heading).to_be_visible()
        playwright.expect(page.get_by_text("Runs", exact=True).first).to_be_visible()
        assert page.get_by_text("Evaluation runs").count() == 0
        page.close()


def test_the_views_are_filtered_and_sorted_and_have_their_columns(
    browser: Any, tmp_path: Path, journal_here: None, port: int
) -> None:
    journal = Journal.open("viewed")
    assert experiments() == {"viewed": journal.experiment_id}
    trained, replayed = {KEY_TAG: "k"}, {"replay_of": "another run"}
    for name, purpose, objective, more in (
        ("trial 00", "search", 0.5, trained),
        ("trial 01", "search", 0.75, trained),
        ("trial 02", "search", 0.75, replayed),
        ("seed 0", "final", 0.9, trained),
        ("grid", "sweep", 0.75, {}),
    ):
        tags = {"purpose": purpose, "best.point": "lr 0.1", **more}
        run_id = journal.start(name, parent_id=None, params={"lr": 0.1}, tags=tags)
        journal.log(run_id, {"best/objective" if purpose == "sweep" else "objective": objective})
    ui = f"http://127.0.0.1:{port}"
    mlflow = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--port", str(port)]
    mlflow += ["--backend-store-uri", tracking_uri()]
    with running(mlflow, ui, tmp_path / "ui.log", os.environ):
        page = new_page(browser, viewport={"width": 1600, "height": 900})
        page.goto(view_address(ui, journal.experiment_id, "trials"))
        best = page.get_by_text("trial 01", exact=True).first
        playwright.expect(best).to_be_visible()
        other = page.get_by_text("trial 00", exact=True).first
        assert best.bounding_box()["y"] < other.bounding_box()["y"]
        for absent in ("seed 0", "trial 02"):
            assert page.get_by_text(absent, exact=True).count() == 0
        for column in ("lr", "objective"):
            playwright.expect(page.get_by_text(column, exact=True).first).to_be_visible()
        for word in ("searchFilter", "orderByKey", "workflowType=machine_learning"):
            assert word in page.url
        page.goto(view_address(ui, journal.experiment_id, "sweeps"))
        for text in ("grid", "best/objective", "best.point", "lr 0.1"):
            playwright.expect(page.get_by_text(text, exact=True).first).to_be_visible()
        assert page.get_by_text("trial 01", exact=True).count() == 0
        page.close()


CONTRAST = """
  const parts = (css) => css.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => {
      v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((x, y) => x - y);
    return (bright + 0.05) / (dark + 0.05);
  };
  const page = parts(getComputedStyle(document.body).backgroundColor).slice(0, 3);
"""
"""JavaScript for WCAG's contrast of two colours, and the colour of the page."""


def test_text_is_readable_on_its_ground(visit: Visit) -> None:
    """WCAG's contrast of at least 4.5 for text on the page and in figures, in light and dark."""
    for page in (visit.page, visit.dataset):
        contrasts = page.evaluate(
            f"""() => {{ {CONTRAST}
              const texts = document.querySelectorAll("p, td, th, dt, dd, figcaption, .plot text");
              const colour = (e) => getComputedStyle(e)[e.matches("text") ? "fill" : "color"];
              const inCell = ".notice, [data-chart$='-heat'] .role-mark text, "
                + "[data-chart$='-confusion'] .role-mark text";
              // Below a label in a figure lies the same text in the page's colour, as an edge.
              const edge = (e) => getComputedStyle(e).stroke === getComputedStyle(e).fill;
              return [...texts].filter((e) => !e.matches(inCell) && !edge(e))
                .map((e) => [contrast(parts(colour(e)).slice(0, 3), page), e.textContent]);
            }}"""
        )
        assert len(contrasts) > 50
        assert [text for ratio, text in contrasts if ratio < 4.5] == []


def test_figures_in_a_heat_map_are_readable_on_their_cells(visit: Visit) -> None:
    """Those of the grid and of the confusion matrix."""
    for chart in ("heat", "confusion"):
        contrasts = visit.dataset.evaluate(
            f"""() => {{ {CONTRAST}
              const plot = document.querySelector("[data-chart$='-{chart}']");
              const fill = (e) => parts(getComputedStyle(e).fill).slice(0, 3);
              const cells = [...plot.querySelectorAll(".role-mark.mark-rect path")]
                .filter((e) => getComputedStyle(e).fill !== "none")  // the frame
                .map((e) => [e.getBoundingClientRect(), fill(e)]);
              return [...plot.querySelectorAll(".role-mark.mark-text text")].map((text) => {{
                const box = text.getBoundingClientRect();
                const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
                const below = cells.find(([c]) =>
                  c.left <= x && x <= c.right && c.top <= y && y <= c.bottom);
                return contrast(fill(text), below[1]);
              }});
            }}"""
        )
        assert len(contrasts) > 10
        assert min(contrasts) >= 4.5


def test_marks_are_visible_on_their_ground(visit: Visit) -> None:
    """WCAG's contrast of at least 3 for what a figure is drawn with, in light and dark.

    Areas and the thin lines behind the curves are faint on purpose.
    """
    for page, least in ((visit.page, 10), (visit.dataset, 50)):
        contrasts = page.evaluate(
            f"""() => {{ {CONTRAST}
              return [...document.querySelectorAll(".plot .role-mark")]
                .filter((e) => e.matches(".mark-symbol, .mark-rule, .mark-line"))
                .flatMap((e) => [...e.querySelectorAll("path, line")])
                .map((e) => {{
                  const style = getComputedStyle(e);
                  const css = style.fill === "none" ? style.stroke : style.fill;
                  return [css, Number(style.opacity)];
                }})
                .filter(([css, share]) => share > 0.3 && css !== "none")
                .map(([css, share]) => contrast(
                  parts(css).slice(0, 3).map((v, i) => share * v + (1 - share) * page[i]), page));
            }}"""
        )
        assert len(contrasts) > least
        assert min(contrasts) >= 3


def test_figures_are_printed_dark_on_white(visit: Visit) -> None:
    """In the page's dark style, too; no figure is wider than the paper."""
    for page in (visit.page, visit.dataset):
        before = page.viewport_size
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 1030, "height": 700})
        inks = page.evaluate(
            """() => [...document.querySelectorAll(".plot .role-axis-label text")]
                 .map((each) => getComputedStyle(each).fill)"""
        )
        widths = page.evaluate(
            """() => [...document.querySelectorAll(".plot svg.marks")]
                 .map((each) => each.getBoundingClientRect().width)"""
        )
        page.emulate_media(media="screen")
        page.set_viewport_size(before)
        assert set(inks) == {"rgb(0, 0, 0)"}
        assert 100 < min(widths) <= max(widths) <= 1030


def test_everything_fits_on_paper(visit: Visit) -> None:
    """Also a table of many columns, as with the paddle protocol's; A4 less its margins."""
    before = visit.page.viewport_size
    visit.page.emulate_media(media="print")
    visit.page.set_viewport_size({"width": 1030, "height": 700})
    widths = visit.page.locator("table").evaluate_all(
        "all => all.map((each) => [each.scrollWidth, each.closest('.wide').clientWidth])"
    )
    visit.page.emulate_media(media="screen")
    visit.page.set_viewport_size(before)
    assert len(widths) > 5
    assert [(table, page) for table, page in widths if page and table > page] == []


def test_without_javascript_the_first_page_has_its_figures(browser: Any, page_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(page_file.as_uri())
    figure = page.locator("figure.chart").first
    assert figure.locator("img").evaluate("image => image.naturalWidth") > 100
    playwright.expect(figure.locator(".plot")).to_be_hidden()
    page.goto(next(page_file.parent.glob("datasets/*.html")).as_uri())
    figure = page.locator("figure.chart").first
    playwright.expect(figure.locator("noscript p")).to_be_visible()
    context.close()
