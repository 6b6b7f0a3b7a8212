"""The second table: two sets of weights beside each other."""

import itertools
import json

import pytest

from pipeline.reporting.published import table2_gains
from pipeline.reporting.results import CellName, read_results
from pipeline.reporting.tables import Table
from pipeline.reporting.weights_section import weights_section
from tests.support.synthetic_results import Benchmark

DATASETS = ("leaves", "chairs")


def section(root, models, strategies=("fixed", "grid")):
    Benchmark(DATASETS, models, strategies).write(root)
    names = [CellName(*parts) for parts in itertools.product(DATASETS, models, strategies)]
    results = read_results(root, names)
    assert not results.missing
    return weights_section(results.cells, models), {cell.name: cell for cell in results.cells}


def test_a_row_per_folder_with_both_weights_in_the_order_asked_for(tmp_path):
    found, cells = section(tmp_path, ("resnet50_vd_10w", "resnet50_vd"))
    _, accuracy, gains, _ = found.blocks
    assert isinstance(accuracy, Table)
    assert [column.key for column in accuracy.columns[5:]] == [
        "resnet50_vd_10w_fixed",
        "resnet50_vd_10w_grid",
        "resnet50_vd_fixed",
        "resnet50_vd_grid",
    ]
    final = cells[CellName("leaves", "resnet50_vd", "grid")].final
    other = cells[CellName("leaves", "resnet50_vd_10w", "grid")].final
    assert accuracy.rows[0][1:5] == [
        len(final.classes),
        final.images.train,
        final.images.val,
        final.images.test,
    ]
    assert accuracy.rows[0][-1].mean == pytest.approx(sum(final.top1) / len(final.top1))
    expected = (sum(final.top1) - sum(other.top1)) / len(final.top1)
    assert gains.rows[0][3].mean == pytest.approx(expected)


def test_the_reading_of_the_published_table_has_a_table_of_its_own(tmp_path):
    models = ("resnet50_vd", "resnet50_vd_10w")
    section(tmp_path, models)
    path = tmp_path / "results" / "leaves" / models[0] / "grid" / "final.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"paddle_batch_mean": [0.5, 0.6, 0.7]})
    )
    names = [CellName(*parts) for parts in itertools.product(DATASETS, models, ("fixed", "grid"))]
    _, accuracy, _, as_paddle = weights_section(read_results(tmp_path, names).cells, models).blocks
    assert [column.key for column in as_paddle.columns] == [c.key for c in accuracy.columns]
    assert as_paddle.rows[0][6].mean == pytest.approx(0.6)
    assert "batches of 32" in as_paddle.caption
    assert "batches of 32" not in accuracy.caption


def test_a_half_done_table_keeps_the_order_asked_for(tmp_path):
    models = ("resnet50_vd", "resnet50_vd_10w")
    Benchmark(DATASETS, models, ("fixed",)).write(tmp_path)
    names = [CellName("leaves", models[1], "fixed"), CellName("chairs", models[0], "fixed")]
    for some in (names, names[:1]):
        found = weights_section(read_results(tmp_path, some).cells, models)
        assert found.blocks[0].text.startswith("What Synthetic resnet50_vd_10w is worth over ")
        accuracy = found.blocks[1]
        keys = [column.key for column in accuracy.columns[5:]]
        assert keys == [f"{model}_{how}" for model in models for how in ("fixed", "grid")]
        assert accuracy.rows[0][5] is None
        assert accuracy.rows[0][7] is not None


def test_one_model_has_no_such_table(tmp_path):
    found, _ = section(tmp_path, ("resnet50_vd",))
    assert found is None


def test_a_strategy_that_has_not_run_leaves_its_columns_empty(tmp_path):
    found, _ = section(tmp_path, ("resnet50_vd", "resnet50_vd_10w"), ("fixed",))
    _, accuracy, gains, _ = found.blocks
    assert accuracy.rows[0][6] is None
    assert gains.rows[0][3:] == [None, ""]


def test_the_claim_is_stated_over_all_folders(tmp_path):
    found, _ = section(tmp_path, ("resnet50_vd", "resnet50_vd_10w"))
    text, _, gains, _ = found.blocks
    means = [row[3].mean for row in gains.rows]
    ahead = sum(mean > 0 for mean in means)
    average = f"{100 * sum(means) / len(means):+.2f}".replace("-", "\N{MINUS SIGN}")
    assert f"ahead on {ahead} of 2 after the search, by {average} [" in text.text


def test_without_a_grid_another_search_stands_for_it(tmp_path):
    found, cells = section(tmp_path, ("resnet50_vd", "resnet50_vd_10w"), ("fixed", "bayes"))
    _, accuracy, _, _ = found.blocks
    final = cells[CellName("leaves", "resnet50_vd", "bayes")].final
    assert accuracy.columns[6].key == "resnet50_vd_bayes"
    assert accuracy.rows[0][6].mean == pytest.approx(sum(final.top1) / len(final.top1))
    assert "the best point of bayes" in accuracy.caption


def test_the_published_gains():
    fixed, searched = table2_gains()
    assert min(fixed) == pytest.approx(0.0173)
    assert max(searched) == pytest.approx(0.0177)
    assert min(searched) == pytest.approx(0.0023)
