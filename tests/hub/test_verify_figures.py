from __future__ import annotations

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.hub.figures import ABSENT, compared, table

NUMBERS = st.integers(-1000, 1000) | st.floats(allow_nan=True, allow_infinity=True)
LEAVES = NUMBERS | st.text(max_size=5) | st.booleans() | st.none()
NAMES = st.sampled_from(["f1", "value", "Skills", "counts", "a.b"])
REPORTS = st.dictionaries(
    NAMES, st.recursive(LEAVES, lambda each: st.lists(each, max_size=3) | st.dictionaries(NAMES, each, max_size=3))
)


def one(claimed, measured, tolerance=1e-4):
    (figure,) = compared({"f1": claimed}, {"f1": measured}, [], tolerance)
    return figure


def leaves_of(value, path=()):
    """The places of all leaves, to change them by hand."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves_of(each, (*path, key))
    else:
        yield path


@given(REPORTS)
def test_a_report_is_equal_to_itself(report):
    figures = compared(report, copy.deepcopy(report), ["f1"], 0)
    assert all(figure.is_equal and figure.difference in (0, None) for figure in figures)
    table(figures)


@given(REPORTS, st.data())
def test_another_leaf_is_the_one_difference(report, data):
    report = {"it": report, "one": 0.5}  # with `value` in a dictionary below, as in reports
    places = list(leaves_of(report))
    place = data.draw(st.sampled_from(places))
    other = copy.deepcopy(report)
    holder = other
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = "something else entirely"
    wrong = [figure for figure in compared(report, other, [], 0.5) if not figure.is_equal]
    assert len(wrong) == 1
    assert wrong[0].measured == "something else entirely"
    assert wrong[0].name in table(wrong)


@pytest.mark.parametrize(
    ("claimed", "measured", "tolerance", "is_equal"),
    [
        (0.5, 0.5, 0, True),
        (0.5, math.nextafter(0.5, 1), 0, False),
        (1.0, 1.0001, 1e-4, True),
        (1.0, 1.00011, 1e-4, False),
        (-1.0, -1.0001, 1e-4, True),
        (1.0001, 1.0, 1e-4, True),
        (1.0, 2.0, 0.5, True),
        (2.0, 1.0, 0.5, True),
        (1.0, 2.1, 0.5, False),
        (0.0, 1e-12, 1e-4, False),  # relative to a figure that is nothing everything is much
        (0.0, -0.0, 0, True),
        (7, 7, 0, True),
        (7, 8, 0.5, False),
        (7, 7.0, 0, True),
        (7, 7.0001, 1e-4, True),
        (True, 1, 0.5, False),
        (True, True, 0, True),
        ("7", 7, 0.5, False),
        (None, 0.0, 0.5, False),
        (None, None, 0, True),
        (math.nan, math.nan, 0, True),
        (math.nan, 0.5, 1, False),
        (0.5, math.nan, 1, False),
        (math.inf, math.inf, 0, True),
        (math.inf, 0.5, 1, False),
        (0.5, -math.inf, 1, False),
    ],
)
def test_equal_means_within_the_tolerance_of_the_larger_and_counts_exactly(claimed, measured, tolerance, is_equal):
    assert one(claimed, measured, tolerance).is_equal is is_equal


def test_what_one_side_lacks_is_a_difference():
    claimed, measured = compared({"f1": 0.5}, {"recall": 0.5}, [], 1)
    assert (claimed.measured, measured.claimed) == (ABSENT, ABSENT)
    assert not claimed.is_equal and not measured.is_equal
    assert compared({"classes": None}, {"classes": {"names": ["a"]}}, [], 1)[0].is_equal is False


def test_metrics_go_by_their_names_and_headlines_come_first():
    sides = {"generated": {"value": 2.0, "uncertainty": 0.1, "metric": "kid/v1"}, "floor": None}
    report = {"seed": 3, "figures": [{"metric": "fd/v1", "generated": {"value": 1.0}}, {"metric": "kid/v1", **sides}]}
    names = [figure.name for figure in compared(report, report, ["kid/v1"], 0)]
    assert names == [
        "kid/v1.generated", "kid/v1.generated.uncertainty", "seed", "fd/v1.metric", "fd/v1.generated", "kid/v1.metric",
        "kid/v1.generated.metric", "kid/v1.floor",
    ]  # fmt: skip


def test_the_table_shows_decimals_and_what_differs_and_counts_the_rest():
    claimed = {"protocol": "strict", "f1": 0.87654321, "support": 12, "documents": 8, "name": "x" * 40}
    measured = {"protocol": "strict", "f1": 0.87654331, "support": 13, "documents": 8, "name": "x" * 39 + "y"}
    assert table(compared(claimed, measured, ["f1"], 1e-4)).splitlines() == [
        "figure                   claimed                 measured  difference",
        "f1                      0.876543                 0.876543      +1e-07",
        "support                       12                       13          +1  ✗",
        "name     xxxxxxxxxxx…xxxxxxxxxxx  xxxxxxxxxxx…xxxxxxxxxxy       other  ✗",
        "and 2 counts, names and settings of the protocol, each the same",
    ]


def test_no_figure_hides_behind_another_of_its_name():
    honest = {"figures": [{"metric": "fd/v1", "value": 2.0}]}
    claimed = {"figures": [{"metric": "fd/v1", "value": 1.0}, *honest["figures"]]}
    assert [figure.is_equal for figure in compared(claimed, honest, [], 0)].count(False) >= 2
    assert [figure.name for figure in compared({"it": {"value": {"f1": 1}, "f1": 2}}, {}, [], 0)] == [
        "it.f1",
        "it.f1.#2",
    ]
