"""The search itself, without Hydra."""

import math

import numpy as np
import pytest
from hydra_skopt_sweeper.dimensions import Levels, Point, Span
from hydra_skopt_sweeper.engine import Engine, Proposal
from hydra_skopt_sweeper.surrogate import without_depths
from hypothesis import given, settings
from hypothesis import strategies as st

GRID = [Levels.evenly(5), Levels.evenly(4), Levels.nominal(3)]


def smooth(point: Point) -> float:
    """Best at (3, 1, 2)."""
    off = point[2] != 2 if len(point) > 2 else 0
    return 0.9 - 0.02 * (point[0] - 3) ** 2 - 0.01 * (point[1] - 1) ** 2 - 0.05 * off


def search(engine: Engine, n: int, batch: int = 1) -> list[Proposal]:
    made: list[Proposal] = []
    while len(made) < n and (asked := engine.ask(min(batch, n - len(made)))):
        engine.tell([p.point for p in asked], [smooth(p.point) for p in asked])
        made += asked
    return made


@pytest.mark.parametrize(("surrogate", "batch"), [("gp", 1), ("gp", 4), ("random", 1)])
def test_a_finite_space_is_walked_without_a_repeat_until_it_is_exhausted(
    surrogate: str, batch: int
) -> None:
    engine = Engine([Levels.evenly(4), Levels.nominal(3)], seed=1, surrogate=surrogate)
    points = [proposal.point for proposal in search(engine, 100, batch)]
    assert len(points) == len(set(points)) == engine.size == 12
    assert engine.exhausted
    assert engine.ask(3) == []


def test_the_model_finds_the_best_of_a_smooth_grid_in_a_third_of_it() -> None:
    made = search(Engine(GRID, seed=0), 20)
    assert max(smooth(proposal.point) for proposal in made) == pytest.approx(0.9)
    assert {proposal.kind for proposal in made[6:]} == {"model"}


@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 3))
def test_the_same_calls_give_the_same_proposals(seed: int, batch: int) -> None:
    first = search(Engine(GRID, seed=seed), 9, batch)
    assert search(Engine(GRID, seed=seed), 9, batch) == first


def test_seeds_differ_and_zero_is_one() -> None:
    assert search(Engine(GRID, seed=0), 6) != search(Engine(GRID, seed=1), 6)


def test_initial_points_come_first_and_once() -> None:
    points: list[Point] = [(4, 0, 0), (0, 3, 1), (4, 0, 0)]
    made = search(Engine(GRID, n_initial=4, initial_points=points), 5)
    assert [proposal.point for proposal in made[:2]] == [(4, 0, 0), (0, 3, 1)]
    assert [proposal.kind for proposal in made] == ["initial"] * 4 + ["model"]


def test_the_design_tries_as_many_values_of_a_parameter_as_it_can() -> None:
    made = search(Engine(GRID, seed=3, n_initial=5), 5)
    assert {proposal.point[0] for proposal in made} == set(range(5))


def test_points_whose_values_are_known_are_not_proposed() -> None:
    engine = Engine([Levels.evenly(3)], n_initial=1)
    engine.tell([(0,), (2,)], [0.1, 0.2])
    assert [proposal.point for proposal in engine.ask(3)] == [(1,)]


def test_one_point_is_a_space() -> None:
    engine = Engine([])
    assert [proposal.point for proposal in engine.ask(2)] == [()]
    assert engine.exhausted


def predicted(failure: float, **options: object) -> float:
    """Mean predicted for the point next to one that came to `failure`."""
    engine = Engine([Levels.evenly(6)], n_initial=1, **options)  # type: ignore[arg-type]
    engine.tell([(5,), (3,), (2,), (1,)], [failure, 0.8, 0.7, 0.6])
    means = {p.point: p.mean for p in engine.ask(2)}
    mean = means[4,]
    assert mean is not None
    return mean


def test_a_failure_is_the_worst_value_or_is_left_out() -> None:
    assert predicted(math.nan) == pytest.approx(predicted(0.6))
    assert predicted(math.nan, impute_failures=False) > predicted(math.nan)


def test_a_collapse_is_shown_as_the_worst_of_the_others() -> None:
    assert predicted(0.0, collapse_at=0.0) == pytest.approx(predicted(0.6))
    assert predicted(0.0) < predicted(0.0, collapse_at=0.0)


def test_where_nothing_has_worked_yet_points_are_drawn() -> None:
    engine = Engine(GRID, n_initial=1)
    for _ in range(3):
        [proposal] = engine.ask()
        engine.tell([proposal.point], [math.nan])
    assert proposal.kind == "random"


def test_intervals_are_searched_by_sampling() -> None:
    engine = Engine([Span.real(1e-4, 1.0, log=True), Span.integer(1, 10**6)], seed=0)
    values = []
    for _ in range(15):
        [proposal] = engine.ask()
        rate, width = proposal.point
        values.append(-((math.log10(rate) / 4 + 0.5) ** 2) - (width / 10**6 - 0.3) ** 2)
        engine.tell([proposal.point], values[-1:])
    assert engine.size == math.inf
    assert max(values) > -0.005  # 15 uniform draws come to -0.02 on average


@pytest.mark.parametrize("options", [{"acquisition": "UCB"}, {"surrogate": "forest"}])
def test_unknown_methods_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="known are"):
        Engine(GRID, **options)  # type: ignore[arg-type]


def test_a_search_sees_what_is_bad_when_most_are_the_best() -> None:
    engine = Engine([Levels.ordered(range(7)), Levels.ordered(range(7))], seed=0)
    bad = 0
    for _ in range(25):
        [proposal] = engine.ask()
        good = proposal.point[0] >= 3
        bad += not good
        engine.tell([proposal.point], [1.0 if good else 0.1])
    assert bad < 6, "at random, 11 of 25"


def test_depths_are_cut_only_where_there_is_a_scale() -> None:
    assert without_depths(np.array([1.0, 1.0, 1.0, 0.1])).tolist() == [1.0, 1.0, 1.0, 0.1]
    assert without_depths(np.array([0.9, 0.8, 0.7, -50.0])).min() > -1


SQUARE = [Span.real(0, 1), Span.real(0, 1)]


@pytest.mark.parametrize("space", [SQUARE, GRID], ids=["intervals", "lists"])
@pytest.mark.parametrize("level", [0.5, -7e9])
def test_equal_values_leave_the_model_unsure(space: list[Levels | Span], level: float) -> None:
    def flat(level: float) -> list[Proposal]:
        engine, made = Engine(space), []
        for _ in range(6):
            made += engine.ask()
            engine.tell([made[-1].point], [level])
        return made

    first, made = flat(0.1), flat(level)
    assert [p.point for p in made] == [p.point for p in first]
    for proposal in made[3:]:
        assert (proposal.std or 0.0) > 1e-3
        assert 0 < (proposal.acquisition or 0.0) < math.inf


@pytest.mark.parametrize("space", [[Levels.evenly(12)], [Span.real(0, 11)]], ids=["list", "span"])
def test_a_value_far_from_zero_is_searched_like_one_near_it(space: list[Levels | Span]) -> None:
    def searched(offset: float) -> list[Proposal]:
        engine, made = Engine(space), []
        for _ in range(8):
            [proposal] = engine.ask()
            engine.tell([proposal.point], [offset + math.floor(proposal.point[0])])
            made.append(proposal)
        return made

    near, far = searched(0.0), searched(1e8)
    assert [p.point for p in far] == [p.point for p in near]
    stds = [p.std for p in near if p.std is not None]
    assert [p.std for p in far if p.std is not None] == pytest.approx(stds, rel=1e-6)


def test_a_random_search_draws_all_over_the_space() -> None:
    engine = Engine([Span.integer(0, 3), *SQUARE], surrogate="random")
    drawn = [p.point for p in search(engine, 400)]
    counts = np.bincount([int(point[0]) for point in drawn], minlength=4)
    assert (counts > 0.18 * 400).all()
    assert np.histogram([point[1] for point in drawn], bins=4, range=(0, 1))[0].min() > 0.18 * 400


def test_an_interval_is_searched_down_to_a_small_neighbourhood_of_the_top() -> None:
    engine, values = Engine(SQUARE, seed=0), []
    for _ in range(20):
        [proposal] = engine.ask()
        x, y = proposal.point
        values.append(-((x - 0.3) ** 2) - (y - 0.6) ** 2)
        engine.tell([proposal.point], values[-1:])
    assert max(values) > -1e-5
