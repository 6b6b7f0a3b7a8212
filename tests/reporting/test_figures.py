"""The numbers in the figures, and that the drawings are made of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.reporting.cell_groups import Place, grid_of, places
from pipeline.reporting.charts import (
    LOOKS,
    OKABE_ITO,
    Axis,
    BarChart,
    BarSeries,
    HeatMap,
    LineChart,
    Panel,
    Series,
)
from pipeline.reporting.document import Text
from pipeline.reporting.drawing import to_spec
from pipeline.reporting.gap_section import gap_chart
from pipeline.reporting.grid_figures import heat_maps, importance, parallel
from pipeline.reporting.model_section import confused_pairs, final_cell, model_section
from pipeline.reporting.overview import accuracy_chart
from pipeline.reporting.published import table1
from pipeline.reporting.results import Cell, CellName, read_results
from pipeline.reporting.search_section import cost, learning_curves, search_section
from pipeline.reporting.vega import to_svg
from pipeline.trials.contract import TrialRow
from tests.support.synthetic_results import PUBLISHED_SPACE, Benchmark, Space, paddle

STRATEGIES = ("fixed", "grid", "bayes")


def place_of(root: Path, benchmark: Benchmark) -> Place:
    benchmark.write(root)
    [dataset] = benchmark.datasets
    names = [CellName(dataset, "resnet50_vd", s) for s in benchmark.strategies]
    [place] = places(read_results(root, names).cells)
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place_of(tmp_path_factory.mktemp("place"), Benchmark(datasets=("dtd",)))


def test_the_gap_ends_where_the_search_ended(place: Place) -> None:
    chart = gap_chart(place, table1()["dtd"])
    assert chart is not None
    series = {each.name: each for each in chart.series}
    walked = series["bayes, this search"].y
    grid, bayes = place.cells["grid"].best, place.cells["bayes"].best
    assert walked[-1] == pytest.approx(grid.objective - bayes.objective)
    assert walked == sorted(walked, reverse=True)
    published = series["published, bayes (test)"]
    assert (published.x, published.y) == ([13], [pytest.approx(0.0006)])
    assert len(series["random search, expected"].y) == 6


def labels_of(svg: bytes) -> list[str]:
    return [
        "".join(each.itertext())
        for each in ElementTree.fromstring(svg).iter()
        if "text" in each.tag
    ]


@pytest.mark.parametrize("epochs", [2, 3, 4, 20])
def test_an_axis_of_whole_numbers_has_each_number_once(epochs: int) -> None:
    epoch = [float(each) for each in range(1, epochs + 1)]
    line = Series("best", epoch, [each / 100 for each in epoch], "blue")
    chart = LineChart(
        "c", "t", "", Axis("epoch", whole=True), Axis("top-1, %", percent=True), [line]
    )
    labels = labels_of(to_svg(to_spec(chart)))
    shown = labels[: labels.index("epoch")]
    numbers = [label for label in shown if label]
    assert numbers[-1] == str(epochs)
    assert numbers == sorted(set(numbers), key=int)


def test_long_names_with_the_same_beginning_have_different_labels(place: Place) -> None:
    names = [f"a name that is much longer than a label may be, number {i}" for i in range(9)]
    bars = BarSeries("accuracy", [0.5] * 9, "blue")
    chart = BarChart("c", "t", "", Axis("%", percent=True), [f"{n} (20)" for n in names], [bars])
    labels = [each for each in labels_of(to_svg(to_spec(chart))) if each.startswith("a name")]
    assert len(set(labels)) == 9
    assert all(label.endswith("(20)") and len(label) == 32 for label in labels)


def test_what_has_a_single_point_is_not_drawn(tmp_path: Path) -> None:
    """A search of one trial has no gap over trials, one epoch no curve, one trial no costs."""
    one = place_of(tmp_path / "trial", Benchmark(bayes_trials=1))
    assert gap_chart(one, None) is None
    epoch = place_of(tmp_path / "epoch", Benchmark(strategies=("fixed", "bayes"), epochs=1))
    assert learning_curves(epoch) == []
    assert cost(epoch) is not None
    alone = place_of(tmp_path / "alone", Benchmark(strategies=("fixed", "bayes"), bayes_trials=1))
    assert cost(alone) is None
    [accuracy, loss] = learning_curves(alone)
    assert isinstance(accuracy, LineChart)
    assert isinstance(loss, LineChart)
    assert accuracy.caption == "Trials of fixed. Best: trial 0, lr 0.003, L2 decay 0.0001."
    assert loss.caption.endswith("Best trial as above.")


def test_a_single_refit_is_said_and_has_no_dot_of_its_own(tmp_path: Path) -> None:
    chart = accuracy_chart([place_of(tmp_path, Benchmark(seeds=(0,)))])
    assert chart.caption == "Test top-1, of one refit."
    assert not any(series.seeds for series in chart.series)


def diverge(cell: Cell, which: Callable[[TrialRow], bool]) -> Cell:
    nothing = {"status": "diverged", "objective": 0.0, "top1": None, "loss": None}
    trials = [row.model_copy(update=nothing) if which(row) else row for row in cell.trials]
    return replace(cell, trials=trials)


def test_a_diverged_trial_has_no_accuracy_in_the_heat_map(place: Place) -> None:
    cell = diverge(place.cells["grid"], lambda row: row.lr == 0.1)
    chart = heat_maps(place, grid_of(cell))
    column = chart.x_labels.index("0.1")
    for panel in chart.panels:
        for row in panel.values:
            assert [value is None for value in row] == [x == column for x in range(len(row))]
    assert "An empty place diverged or failed" in chart.caption


def test_what_the_heat_map_shows_is_what_its_caption_says(tmp_path: Path) -> None:
    place = place_of(tmp_path, Benchmark(datasets=("dtd",), strategies=("grid",)))
    cell = place.cells["grid"]
    plain = [row for row in cell.trials if not row.label_smoothing and not row.mixup]
    best = min(plain, key=lambda row: -(row.objective or 0))
    alone = replace(cell, trials=plain, best=cell.best.model_copy(update={"point": best.point}))
    chart = heat_maps(replace(place, cells={"grid": alone}), grid_of(alone))
    assert chart.y_labels == ["neither"]
    assert "with neither label smoothing nor mixup; the framed" in chart.caption
    assert "The L2 decay is 0.0001 throughout" in chart.caption


def test_random_search_is_compared_from_the_first_trial_of_the_searches(place: Place) -> None:
    """Its second trial is any other point, and no loss where that is worse."""
    grid, first = place.cells["grid"], place.cells["bayes"].trials[0]
    chart = gap_chart(place, None)
    assert chart is not None
    series = {each.name: each for each in chart.series}
    expected, walked = series["random search, expected"], series["bayes, this search"]
    assert expected.y[0] == pytest.approx(walked.y[0])
    others = [row.objective or 0.0 for row in grid.trials if row.point != first.point]
    best = [max(value, first.objective or 0.0) for value in others]
    assert expected.y[1] == pytest.approx(grid.best.objective - np.mean(best))


def test_the_noise_of_one_trial_is_a_band_from_no_gap(tmp_path: Path) -> None:
    place = place_of(tmp_path, Benchmark(space=PUBLISHED_SPACE, epochs=1))
    chart = gap_chart(place, None)
    assert chart is not None
    [band] = [each for each in chart.series if each.name == "noise of one trial"]
    assert band.low is not None
    assert band.high is not None
    assert set(band.low) == {0.0}
    # Uniform noise of 0.02 either way, and nothing else in the synthetic accuracies but L2 decay.
    assert band.high == pytest.approx([0.02 / 3**0.5] * 2, rel=0.35)
    assert f"{100 * band.high[0]:.2f} points" in chart.caption
    small = gap_chart(place_of(tmp_path / "small", Benchmark()), None)
    assert small is not None
    assert "noise of one trial" not in {each.name for each in small.series}


def test_the_final_model_is_best_of_those_evaluated(place: Place) -> None:
    part = model_section(place)
    assert part is not None
    assert isinstance(part.blocks[0], Text)
    assert "best of all strategies" in part.blocks[0].text
    waiting = place.cells | {"grid": replace(place.cells["grid"], final=None)}
    part = model_section(replace(place, cells=waiting))
    assert part is not None
    assert isinstance(part.blocks[0], Text)
    assert "best of those evaluated (not yet: grid)" in part.blocks[0].text


def test_no_grid_no_gap(place: Place) -> None:
    cells = {name: cell for name, cell in place.cells.items() if name != "grid"}
    assert gap_chart(replace(place, cells=cells), None) is None
    only_grid = {"grid": place.cells["grid"]}
    assert gap_chart(replace(place, cells=only_grid), None) is None


@pytest.mark.parametrize("space", [Space(), PUBLISHED_SPACE, Space(lr=(0.1,))], ids=str)
def test_heat_maps_hold_every_point_once(tmp_path: Path, space: Space) -> None:
    place = place_of(tmp_path, Benchmark(space=space, epochs=1, bayes_trials=2))
    grid = place.cells["grid"]
    chart = heat_maps(place, grid_of(grid))
    shown = sorted(v for panel in chart.panels for row in panel.values for v in row if v)
    assert shown == sorted(row.objective for row in grid.trials if row.objective)
    settings = ["neither", "mixup", "label smoothing", "both"]
    whole = len(space.lr) > 1 and len(space.l2_decay) > 1
    panels = [panel.title for panel in chart.panels]
    assert (panels if whole else chart.y_labels) == settings, "an axis of one value collapses"
    [(panel, marked)] = [(p, p.marked) for p in chart.panels if p.marked is not None]
    assert panel.values[marked[0]][marked[1]] == grid.best.objective
    assert chart.x_labels[marked[1]] == f"{grid.best.point.lr:g}"
    if whole:
        assert chart.y_labels[marked[0]] == f"{grid.best.point.l2_decay:g}"


def test_importance_names_what_the_grid_was_made_of(place: Place) -> None:
    chart = importance(place, grid_of(place.cells["grid"]))
    assert isinstance(chart, BarChart)
    shares = dict(zip(chart.categories, chart.series[0].values, strict=True))
    assert "L2 decay" not in shares  # one value only
    assert max(shares, key=lambda name: shares[name] or 0) == "lr"
    assert sum(value or 0 for value in shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), key=lambda value: -(value or 0))


def test_a_grid_with_a_hole_says_why_it_has_no_importance(place: Place) -> None:
    grid = grid_of(place.cells["grid"])
    holed = grid.values.copy()
    holed[0, 0, 0, 0] = np.nan
    found = importance(place, replace(grid, values=holed))
    assert isinstance(found, Text)
    assert "missing at some points" in found.text
    flat = importance(place, replace(grid, values=np.full_like(holed, 0.5)))
    assert isinstance(flat, Text)
    assert "the same everywhere" in flat.text


def test_a_diverged_point_counts_as_the_worst_of_the_others(place: Place) -> None:
    cell = place.cells["grid"]
    lost = cell.trials[0].model_copy(update={"status": "diverged", "objective": 0.0})
    failed = cell.trials[1].model_copy(update={"status": "failed", "objective": None})
    grid = grid_of(replace(cell, trials=[lost, failed, *cell.trials[2:]]))
    worst = min(row.objective for row in cell.trials[2:] if row.objective is not None)
    assert grid.values[grid.index(lost.point)] == worst
    assert np.isnan(grid.values[grid.index(failed.point)])
    assert not grid.complete


def test_curves_are_of_the_best_and_the_median_trial(place: Place) -> None:
    top1, loss = learning_curves(place)
    assert isinstance(top1, LineChart)
    assert isinstance(loss, LineChart)
    assert [series.name for series in top1.series] == ["best", "median"]
    assert top1.series[0].y[-1] == place.cells["grid"].best.objective
    assert [len(series.x) for series in loss.series] == [4] * 4


def test_every_trial_lies_behind_the_best_and_the_median(place: Place) -> None:
    top1, _ = learning_curves(place)
    assert isinstance(top1, LineChart)
    assert len(top1.faint) == len(place.cells["grid"].trials)
    ends = {round(row.objective or 0.0, 3) for row in place.cells["grid"].trials}
    assert {ys[-1] for _, ys in top1.faint} == ends


def test_parallel_coordinates_have_the_axes_that_vary(place: Place) -> None:
    chart = parallel(place, grid_of(place.cells["grid"]))
    assert chart is not None
    assert [title for title, _ in chart.axes] == ["lr", "label smoothing", "mixup"]
    assert chart.axes[0][1] == ["0.003", "0.03", "0.1"]
    places, value = chart.lines[-1]
    best = place.cells["grid"].best
    assert value == best.objective, "the best is drawn last"
    assert chart.axes[0][1][places[0]] == f"{best.point.lr:g}"


def test_costs_are_the_recorded_seconds(place: Place) -> None:
    assert {s.name: len(s.y) for s in cost(place).series} == {"fixed": 1, "grid": 12, "bayes": 6}
    assert cost(place).series[1].y[:3] == [12.5, 13.5, 14.5]


def test_the_final_model_is_chosen_on_validation(place: Place) -> None:
    cell = final_cell(place)
    assert cell is not None
    assert cell.best.objective == max(c.best.objective for c in place.cells.values())
    lucky = place.cells["fixed"].final
    assert lucky is not None
    boosted = replace(
        place.cells["fixed"], final=lucky.model_copy(update={"top1": [1.0, 1.0, 1.0]})
    )
    assert final_cell(replace(place, cells=place.cells | {"fixed": boosted})) == cell


def test_labels_break_only_between_dataset_and_model(place: Place) -> None:
    cells = {name: replace(c, dataset_title="Cats, dogs") for name, c in place.cells.items()}
    one, other = replace(place, cells=cells), replace(place, model="other", cells=cells)
    assert accuracy_chart([one]).categories == ["Cats, dogs"]
    assert accuracy_chart([one, other]).categories == [f"Cats, dogs\n{one.model_title}"] * 2


def test_confused_pairs_come_most_confused_first() -> None:
    matrix = [[5, 3, 0], [1, 9, 0], [0, 4, 6]]
    assert confused_pairs(matrix) == [(2, 1, 4), (0, 1, 3), (1, 0, 1)]


def test_the_paddle_protocol_measures_no_classes(tmp_path: Path) -> None:
    place = place_of(tmp_path, paddle(Benchmark()))
    section = model_section(place)
    assert section is not None
    assert [type(block) for block in section.blocks] == [Text]


def test_an_unevaluated_place_has_no_model(place: Place) -> None:
    cells = {name: replace(cell, final=None) for name, cell in place.cells.items()}
    assert model_section(replace(place, cells=cells)) is None
    assert search_section(replace(place, cells=cells)).blocks


def test_a_drawing_holds_the_numbers_of_its_chart() -> None:
    chart = LineChart(
        "c",
        "Title",
        "Caption",
        Axis("trials", whole=True),
        Axis("gap, points", percent=True),
        [Series("one", [1, 2], [0.5, 0.25], "blue", low=[0.4, 0.2], high=[0.6, 0.3])],
    )
    spec = to_spec(chart)
    assert spec["data"]["values"] == [
        {"series": "one", "x": 1, "y": 50, "low": 40, "high": 60},
        {"series": "one", "x": 2, "y": 25, "low": 20, "high": 30},
    ]
    svg = to_svg(spec).decode()
    assert "gap, points" in svg
    assert OKABE_ITO["blue"] in svg
    assert "var(--" not in svg


def test_a_chart_drawn_again_has_the_same_bytes() -> None:
    """Also with clips and colour scales, which Vega numbers over the life of a process."""
    axis = Axis("y", limits=(0, 1))
    lines = LineChart("c", "T", "C", Axis("x"), axis, [Series("s", [1, 2], [0.5, 3.0], "blue")])
    heat = HeatMap("h", "T", "C", "x", "y", ["a"], ["b"], [Panel("", [[0.5]])], "share")
    for chart in (lines, heat):
        first = to_svg(to_spec(chart))
        assert b"url(#part0)" in first
        assert to_svg(to_spec(chart)) == first


def test_every_strategy_has_a_colour_and_a_mark_of_its_own() -> None:
    colours = [OKABE_ITO[look.colour] for look in LOOKS.values()]
    assert len(set(colours)) == len({look.mark for look in LOOKS.values()}) == len(LOOKS)


def test_names_survive_the_drawing() -> None:
    names = ["$x_1$", "<b>bold</b>", "数字", "clip7"]
    values = [1.0, None, 2.0, 3.0]
    chart = BarChart("c", "Title", "Caption", Axis("x"), names, [BarSeries("s", values, "green")])
    drawn = ElementTree.fromstring(to_svg(to_spec(chart)))
    assert set(names) <= set(drawn.itertext())


def test_a_control_character_of_a_name_is_drawn_as_text() -> None:
    """An SVG with one ends the process that draws it."""
    names = ["a\x1b[31m", "b\x00", "c\ufffe", "d\ne"]
    heat = HeatMap("h", "T", "C", "x", "y", names, names[:1], [Panel("", [[0.5] * 4])], "share")
    bars = BarChart("c", "T", "C", Axis("x"), names, [BarSeries("s", [1.0] * 4, "green")])
    for chart in (heat, bars):
        drawn = " ".join(ElementTree.fromstring(to_svg(to_spec(chart))).itertext())
        assert r"a\x1b[31m" in drawn
        assert "\x1b" not in drawn


def test_an_empty_place_of_a_heat_map_is_left_out_and_a_count_of_zero_too() -> None:
    panels = [Panel("one", [[0.5, None], [0.0, 1.0]], marked=(1, 1))]
    shares = HeatMap("h", "T", "C", "x", "y", ["a", "b"], ["c", "d"], panels, "share")
    assert [row["value"] for row in to_spec(shares)["data"]["values"]] == [50, 0, 100]
    assert [row.get("marked") for row in to_spec(shares)["data"]["values"]] == [None, None, True]
    counts = replace(shares, scale="count")
    assert [row["value"] for row in to_spec(counts)["data"]["values"]] == [0.5, 1]
