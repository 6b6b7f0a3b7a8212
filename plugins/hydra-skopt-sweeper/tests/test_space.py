"""Hydra's override grammar as a search space."""

import math

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import OverrideParseException
from hydra_skopt_sweeper.dimensions import Levels, Span
from hydra_skopt_sweeper.errors import SweepError
from hydra_skopt_sweeper.space import Parameter, Space, build_space, parse_value
from hypothesis import given, settings
from hypothesis import strategies as st


def parameter(sweep: str) -> Parameter:
    [swept] = build_space({"x": sweep}, [], None).parameters
    return swept


@pytest.mark.parametrize(
    ("sweep", "strings"),
    [
        ("choice(0.1,1e-05)", ["0.1", "1e-05"]),
        ("true,false", ["True", "False"]),
        ("null,1", ["null", "1"]),
        ("choice([1,2],[3])", ["[1,2]", "[3]"]),
        ("choice({a:1},{a:2})", ["{a:1}", "{a:2}"]),
        ("'a b',c", ["'a b'", "c"]),
        ("a\\ b,c", ["a\\ b", "c"]),
        ("range(1,10,2)", ["1", "3", "5", "7", "9"]),
        ("range(1,2,0.5)", ["1.0", "1.5"]),
        ("sort(3,1,2)", ["1", "2", "3"]),
        ("shuffle(range(1,4))", ["1", "2", "3"]),
        ("shuffle(3,1,2)", ["3", "1", "2"]),
        ("tag(ordered,choice(small,large))", ["small", "large"]),
        ("choice(7)", ["7"]),
    ],
)
def test_jobs_get_the_parsers_own_strings(sweep: str, strings: list[str]) -> None:
    swept = parameter(sweep)
    assert [swept.text(i) for i in range(len(strings))] == strings
    assert [swept.coordinate(text) for text in strings] == list(range(len(strings)))


@pytest.mark.parametrize(
    ("sweep", "line"),
    [
        ("choice(0.1,0.01,0.001)", [0, 0.5, 1]),  # even in the logarithm
        ("choice(1,2,3)", [0, 0.5, 1]),  # even as it is
        ("choice(1,2,100)", [0, math.log(2) / math.log(100), 1]),
        ("choice(0,1e-5,1e-4,1e-3)", [0, 1 / 3, 2 / 3, 1]),  # neither: by rank
        ("tag(ordered,choice(8,4,16))", [0, 0.5, 1]),  # as listed
        ("tag(log,choice(1,10,100))", [0, 0.5, 1]),
        ("tag(log,choice(10,1,100))", [0.5, 0, 1]),
        ("true,false", [0, 1]),
        ("range(0,3)", [0, 0.5, 1]),
    ],
)
def test_ordered_values_lie_on_a_line(sweep: str, line: list[float]) -> None:
    dimension = parameter(sweep).dimension
    assert isinstance(dimension, Levels)
    places = dimension.features[:, 0]
    assert list(places if places[0] <= places[-1] else 1 - places) == pytest.approx(line)


@pytest.mark.parametrize(
    "sweep", ["choice(8,4,16)", "tag(nominal,choice(1,2,3))", "null,1,2", "a,b,c", "true,1,2"]
)
def test_values_without_order_are_equally_far_apart(sweep: str) -> None:
    dimension = parameter(sweep).dimension
    assert isinstance(dimension, Levels)
    assert dimension.features.shape == (3, 3)


@pytest.mark.parametrize(
    ("sweep", "inside", "text"),
    [
        ("interval(1,4)", 1, "1.0"),
        ("interval(1e-5,1)", "3e-05", "3e-05"),
        ("int(interval(1,4))", "3", "3"),
        ("tag(log,int(interval(1,1000)))", 10, "10"),
    ],
)
def test_intervals_keep_their_type(sweep: str, inside: object, text: str) -> None:
    swept = parameter(sweep)
    assert isinstance(swept.dimension, Span)
    assert swept.text(swept.coordinate(inside)) == text


@pytest.mark.parametrize(
    ("sweep", "reason"),
    [
        ("tag(odd,choice(1,2))", "tag 'odd'; known are log, ordered, nominal"),
        ("tag(nominal,log,choice(1,2))", "nominal and log"),
        ("tag(nominal,interval(1,2))", "cannot be nominal"),
        ("tag(log,interval(0,2))", "not above zero"),
        ("tag(log,choice(0,2))", "not above zero"),
        ("tag(log,choice(a,b))", "not above zero"),
        ("interval(2,1)", "lower end first"),
        ("interval(0,inf)", "finite ends"),
        ("choice(1,2,1)", "repeats a value"),
        ("choice(1,1.0)", "repeats a value"),
        ("range(3,1)", "no values"),
        ("choice(null,1)", "such as x=null,1"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_reason(sweep: str, reason: str) -> None:
    with pytest.raises(SweepError, match=r"^x=.*") as caught:
        parameter(sweep)
    assert reason in str(caught.value)


def test_what_is_no_override_is_the_parsers_error() -> None:
    with pytest.raises(OverrideParseException, match="choice"):
        parameter("choice(1,")


def test_the_command_line_wins_and_the_rest_is_handed_on() -> None:
    space = build_space(
        {"lr": "choice(0.1,0.01)", "decay": "choice(1,2)", "drop": "choice(1,2)", "epochs": "3"},
        ["decay=5", "++lr=0.3,0.2", "~drop", "+db@store=mysql,'post gres'", "name='a,b'"],
        None,
    )
    assert [p.key for p in space.parameters] == ["++lr", "+db@store"]
    assert space.overrides((1, 1)) == [
        "epochs=3",
        "decay=5",
        "~drop",
        "name='a,b'",
        "++lr=0.2",
        "+db@store='post gres'",
    ]
    assert space.texts((0, 0)) == {"lr": "0.3", "db@store": "mysql"}


def test_the_last_of_two_overrides_of_one_target_holds() -> None:
    space = build_space({}, ["lr=1,2", "lr=3", "~model", "+model=b"], None)
    assert space.overrides(()) == ["lr=3", "~model", "+model=b"]


def space() -> Space:
    return build_space({"lr": "choice(0.1,0.01)", "mixup": "true,false", "+epochs": "3"}, [], None)


@pytest.mark.parametrize(
    "values",
    [
        {"lr": 0.01, "mixup": True},
        {"lr": "1e-2", "mixup": "true"},
        {"lr": 0.01, "mixup": True, "epochs": 9},
    ],
)
def test_points_are_found_by_value(values: dict[str, object]) -> None:
    assert space().point(values) == (1, 0)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"lr": 0.02, "mixup": True}, r"lr=0.02 is not in the space: lr is choice\(0.1,0.01\)"),
        ({"lr": 0.1, "mixup": 1}, "mixup=1 is not in the space"),
        ({"lr": 0.1}, "no value for mixup"),
        ({"lr": 0.1, "mixup": True, "size": 3}, "size is not a parameter of the space: lr, mixup"),
    ],
)
def test_a_point_outside_is_refused_by_name(values: dict[str, object], reason: str) -> None:
    with pytest.raises(SweepError, match=reason):
        space().point(values)


@settings(max_examples=30)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, unique=True))
def test_any_numbers_come_back_exactly(numbers: list[float]) -> None:
    swept = parameter(f"choice({','.join(map(repr, numbers))})")
    texts = [swept.text(index) for index in range(len(numbers))]
    assert [float(text) for text in texts] == numbers
    assert [swept.coordinate(number) for number in numbers] == list(range(len(numbers)))


@settings(max_examples=10)
@given(st.lists(st.text(max_size=8), min_size=2, max_size=4, unique=True))
def test_any_quoted_texts_come_back_exactly(texts: list[str]) -> None:
    swept = parameter(",".join(QuotedString(text, Quote.single).with_quotes() for text in texts))
    for index, text in enumerate(texts):
        [given_to_job] = OverridesParser.create().parse_overrides([f"x={swept.text(index)}"])
        assert given_to_job.value() == text


def test_text_reads_back_as_the_value_hydra_would_give() -> None:
    texts = ["1e-05", "True", "null", "'a b'", "[1,2]", "a]b", "a,b"]
    assert [parse_value(t) for t in texts] == [1e-05, True, None, "a b", [1, 2], "a]b", "a,b"]
