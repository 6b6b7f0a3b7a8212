"""The walk along one dimension, alone and inside the search."""

import math
from collections.abc import Callable

import pytest
from hydra_skopt_sweeper.dimensions import Levels, Point, Span
from hydra_skopt_sweeper.engine import Engine, Proposal
from hydra_skopt_sweeper.walk import STANDSTILL, next_step
from hypothesis import given
from hypothesis import strategies as st

GRID = [Levels.evenly(7), Levels.evenly(3), Levels.nominal(3)]


def walked(line: list[float], start: int) -> list[int]:
    """The indices that a walk tries on a line of these values, in order."""
    values: dict[int, float | None] = {}
    while (step := next_step(values, len(line), start)) is not None:
        assert 0 <= step < len(line)
        assert step not in values
        values[step] = line[step]
    return list(values)


numbers = st.floats(-1e6, 1e6)
lines = st.lists(numbers, min_size=1, max_size=40)


@given(lines, st.data())
def test_a_walk_ends_at_a_best_with_tried_neighbours_or_an_end(
    line: list[float], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(line) - 1))
    tried = walked(line, start)
    best = max(tried, key=lambda i: line[i])
    assert tried[0] == start
    assert {i for i in (best - 1, best + 1) if 0 <= i < len(line)} <= set(tried)


@given(st.integers(1, 60), st.data())
def test_a_walk_finds_the_top_of_a_line_with_one_top(size: int, data: st.DataObject) -> None:
    top = data.draw(st.integers(0, size - 1))
    tried = walked([-abs(i - top) for i in range(size)], data.draw(st.integers(0, size - 1)))
    assert top in tried


@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2])
def test_a_walk_follows_a_shifted_axis(shift: int) -> None:
    line = [-abs(i - (3 + shift)) for i in range(7)]
    assert walked([float(v) for v in line], 3)[-1] in {2 + shift, 3 + shift, 4 + shift}
    assert len(walked([float(v) for v in line], 3)) <= 5


def test_a_walk_that_noise_ended_looks_into_the_middle_of_the_untried_part() -> None:
    assert walked([0.4, 0.8, 0.7, 0.4, 0.1, 0.09, 0.1], 6) == [6, 5, 2, 1, 0]


def test_a_walk_that_stands_still_looks_at_the_untried_ends_of_its_line() -> None:
    values: dict[int, float | None] = {2: 0.1, 3: 0.2, 4: 0.1}
    assert next_step(values, 7, 3, idle=STANDSTILL - 1) is None
    steps = []
    while (step := next_step(values, 7, 3, idle=STANDSTILL)) is not None:
        steps.append(step)
        values[step] = 0.1
    assert steps == [0, 5]


def test_a_search_that_began_on_a_plateau_leaves_it() -> None:
    def plateau(point: Point) -> float:
        return 0.9 if point[0] == 0 else 0.1 + 0.01 * (point[0] == 3)

    engine = Engine(GRID, line=[0], acquisition="mean", initial_points=[(3, 0, 1)])
    made = search(engine, 12, value=plateau)
    assert (0, 0, 1) in [proposal.point for proposal in made]
    assert made[-1].point[0] == 0


def test_a_search_that_stands_still_tries_the_other_value_of_a_flag() -> None:
    def flagged(point: Point) -> float:
        return 0.6 - 0.1 * abs(point[0] - 3) - 0.01 * point[1] + 0.3 * point[2]

    space = [Levels.evenly(7), Levels.evenly(7), Levels.nominal(2)]
    engine = Engine(space, line=[0], acquisition="mean", initial_points=[(3, 0, 0)])
    made = search(engine, 12, value=flagged)
    assert (3, 0, 1) in [proposal.point for proposal in made]
    assert all(proposal.point[2] == 1 for proposal in made[-2:])


def test_one_value_is_a_walk() -> None:
    assert walked([0.3], 0) == [0]


def test_failures_do_not_hold_a_walk_up() -> None:
    assert next_step({3: -math.inf}, 7, 3) == 2
    assert next_step({3: -math.inf, 2: -math.inf, 4: 0.5}, 7, 3) == 5


def test_a_batch_goes_on_to_both_sides_without_knowing_the_values() -> None:
    values: dict[int, float | None] = {}
    while (step := next_step(values, 7, 3)) is not None:
        values[step] = None
    assert list(values) == [3, 2, 4, 1, 5]


def smooth(point: Point) -> float:
    """Best at (1, 2, 0)."""
    return 0.9 - 0.1 * abs(point[0] - 1) - 0.01 * (2 - point[1]) - 0.02 * (point[2] > 0)


def search(
    engine: Engine, n: int, batch: int = 1, value: Callable[[Point], float] = smooth
) -> list[Proposal]:
    made: list[Proposal] = []
    while len(made) < n and (asked := engine.ask(min(batch, n - len(made)))):
        engine.tell([p.point for p in asked], [value(p.point) for p in asked])
        made += asked
    return made


def test_the_others_keep_the_values_of_the_first_point_while_one_is_walked() -> None:
    made = search(Engine(GRID, line=[0], initial_points=[(3, 0, 1)]), 8)
    assert [p.point for p in made[:4]] == [(3, 0, 1), (2, 0, 1), (1, 0, 1), (0, 0, 1)]
    assert [p.kind for p in made] == ["initial", "line", "line", "line"] + ["model"] * 4


def test_the_walk_begins_at_the_best_of_several_first_points() -> None:
    made = search(Engine(GRID, line=[0], initial_points=[(6, 0, 1), (2, 1, 2)]), 4)
    assert [p.point for p in made[2:]] == [(1, 1, 2), (0, 1, 2)]


def test_without_a_first_point_the_walk_begins_in_the_middle() -> None:
    [first] = Engine(GRID, line=[0]).ask()
    assert first.point[0] == 3
    assert first.kind == "initial"


def test_several_lines_are_walked_one_after_the_other() -> None:
    made = search(Engine(GRID, line=[0, 1], initial_points=[(3, 0, 1)]), 7)
    walked = [p.point for p in made if p.kind == "line"]
    assert walked == [(2, 0, 1), (1, 0, 1), (0, 0, 1), (1, 1, 1), (1, 2, 1)]


@given(st.integers(0, 6), st.integers(1, 9), st.integers(0, 20))
def test_what_comes_next_follows_from_the_points_and_their_values(
    start: int, batch: int, seed: int
) -> None:
    def engine() -> Engine:
        return Engine(GRID, line=[0], acquisition="mean", seed=seed, initial_points=[(start, 0, 1)])

    made = search(engine(), 10, batch)
    points = [p.point for p in made]
    assert len(set(points)) == len(points) == 10
    resumed = engine()
    kept = 10 - 10 % batch - batch if 10 % batch == 0 else 10 - 10 % batch
    resumed.tell(points[:kept], [smooth(point) for point in points[:kept]])
    assert [p.point for p in resumed.ask(10 - kept)] == points[kept:]


def test_a_first_batch_larger_than_the_walk_is_filled_by_other_points() -> None:
    kinds = [p.kind for p in Engine(GRID, line=[0], initial_points=[(3, 0, 1)]).ask(8)]
    assert kinds == ["initial"] + ["line"] * 4 + ["initial"] * 3


@pytest.mark.parametrize("dimension", [Levels.nominal(3), Span.real(0, 1), Span.integer(0, 5)])
def test_only_ordered_lists_are_walked(dimension: Levels | Span) -> None:
    with pytest.raises(ValueError, match="ordered"):
        Engine([dimension], line=[0])
