from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hfloop.hub.card import code_span, fenced, markdown_table, settings_table
from hfloop.hub.card_text import code_blocks, tables

TEXT = st.text(st.sampled_from("`~ ab\n|\\-"), max_size=20)


@given(TEXT)
def test_a_code_block_holds_any_text(text):
    lines = f"{fenced(text, 'text')}\nafter".split("\n")
    blocks, unclosed = code_blocks(lines)
    assert not unclosed
    assert blocks == [*[1] * (len(lines) - 1), 0]


def test_inline_code_holds_backticks():
    assert code_span("Email Address") == "`Email Address`"
    assert code_span("a`b") == "``a`b``"
    assert code_span("`a`") == "`` `a` ``"


@given(st.lists(st.lists(TEXT, min_size=2, max_size=2), min_size=1, max_size=3))
def test_a_table_is_read_as_it_was_written(rows):
    expected = [[" ".join(cell.split()) for cell in row] for row in rows]
    (table,) = tables(markdown_table(["one", "two"], rows))
    assert table.rows == expected


def test_figures_stand_on_the_right():
    assert markdown_table(["name", "count"], [["a", 1234], ["b", "–"]]) == (
        "| name | count |\n| --- | ---: |\n| a | 1,234 |\n| b | – |"
    )


def test_settings_that_were_chosen_come_first():
    assert tables(settings_table({"seed": 1, "rate": 2.5}, ["rate"]))[0].rows == [
        ["**rate**", "**2.5**"],
        ["seed", "1"],
    ]
