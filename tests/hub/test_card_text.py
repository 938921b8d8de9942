from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfloop.errors import UserError
from hfloop.hub.card import markdown_table
from hfloop.hub.card_text import CardText, model_id_of, parse_card, read_card, tables

HEADER = "<!-- Rendered by hfloop 1.2 for `user/name`; text between hfloop's markers is rendered again. -->\n"
CARD = f"""---
tags:
- b
license: mit
---

{HEADER}
<!-- hfloop:begin summary -->
# Title
<!-- hfloop:end summary -->

My own words.

<!-- hfloop:begin figures -->
| a | b |
| --- | ---: |
| x\\|y | 1 |
<!-- hfloop:end figures -->
"""
LINES = st.sampled_from(
    [
        "---",
        "key: value",
        "text",
        "",
        "```",
        "````python",
        "~~~",
        "| a | b |",
        "<!-- hfloop:begin a -->",
        "<!-- hfloop:end a -->",
        "<!-- hfloop:begin b -->",
        "<!-- hfloop:end b -->",
        "<!--hfloop:end  b-->  ",
        "    <!-- hfloop:begin a -->",
        HEADER.strip(),
        "\ufeff",
        "\u2028ümlaut 😀",
    ]
)
README = st.one_of(
    st.text(),
    st.builds(
        "".join, st.lists(st.builds(lambda line, end: line + end, LINES, st.sampled_from(["\n", "\r\n", "\n\n"])))
    ),
)


def parsed(text):
    """The card, or the sentence that refuses it."""
    try:
        return parse_card(text)
    except UserError as error:
        return str(error)


@given(README)
def test_a_card_is_given_back_to_the_last_character(text):
    card = parsed(text)
    if isinstance(card, CardText):
        assert str(card) == text
        names = [part.name for part in card.parts]
        assert all(first or second for first, second in pairwise(names))
        assert all(part.text for part in card.parts)
    else:
        assert card.startswith("README.md") and card.endswith(".")


def test_metadata_keeps_its_order_and_sections_their_names():
    card = parse_card(CARD)
    assert list(card.metadata.items()) == [("tags", ["b"]), ("license", "mit")]
    assert [part.name for part in card.parts] == [None, "header", None, "summary", None, "figures"]
    assert card.sections["summary"] == "# Title\n"
    assert card.parts[4].text == "\nMy own words.\n\n"
    assert model_id_of(card) == "user/name"


@pytest.mark.parametrize("model_id", [".", "user/na.me"])
def test_the_header_names_what_the_snippets_load(model_id):
    assert model_id_of(parse_card(CARD.replace("user/name", model_id))) == model_id
    assert model_id_of(parse_card("# By hand\n")) is None


@pytest.mark.parametrize("text", ["", "# Title\n", "---\nno end\n", "text\n---\nkey: value\n---\n"])
def test_a_card_may_have_no_metadata(text):
    assert (parse_card(text).front, parse_card(text).metadata) == ("", {})


@pytest.mark.parametrize("text", ["---\n---\n# T\n", "---\n\n---\n# T\n", "---\n# only a remark\n---\n# T\n"])
def test_empty_metadata_is_none(text):
    card = parse_card(text)
    assert card.metadata == {}
    assert str(card).removeprefix(card.front) == "# T\n"


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("a: 1\nb: [", "README.md, line 4: its metadata is not valid YAML (expected the node content"),
        ("a: 1\n\tb: 2", "README.md, line 3: its metadata is not valid YAML"),
        ("date: 2024-13-45", "README.md: its metadata is not valid YAML (month must be in 1..12"),
        ("- a", "README.md, line 2: between its first two lines of --- stand no `key: value` lines"),
        ("!!python/name:os.system", "README.md, line 2: its metadata is not valid YAML"),
    ],
)
def test_metadata_that_is_none_is_refused_with_its_line(yaml, said):
    with pytest.raises(UserError) as error:
        parse_card(f"---\n{yaml}\n---\ntext\n")
    assert str(error.value).startswith(said)


BEGIN, END = "<!-- hfloop:begin a -->\n", "<!-- hfloop:end a -->\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"x\n{BEGIN}text\n", "the section `a`, begun in line 2, has no end: write <!-- hfloop:end a --> under it"),
        (f"x\n{END}", "line 2: the section `a` ends here without having begun: write <!-- hfloop:begin a --> above"),
        (BEGIN + BEGIN, "line 2: the section `a`, begun in line 1, has not ended before `a` begins"),
        (f"{BEGIN}<!-- hfloop:end b -->\n", "line 2: the section `a`, begun in line 1, has not ended before `b` ends"),
        (BEGIN + END + BEGIN + END, "line 3: here is a second section `a`: take one of the two away"),
        (HEADER + HEADER, "line 2: here is a second section `header`"),
        (f"```\n{BEGIN}{END}", "counts as code here, since the code block begun in line 1 has no end"),
        (f"```\n{BEGIN}```\n{END}", "or close the code block begun in line 1"),
    ],
)
def test_broken_markers_are_refused_by_name_with_the_mend(text, said):
    assert said in parsed(text)


@pytest.mark.parametrize("fence", ["```", "~~~~", "```html"])
def test_markers_in_a_code_block_are_text(fence):
    text = f"{fence}\n{BEGIN}{fence.removesuffix('html')}\n"
    assert [part.name for part in parse_card(text).parts] == [None]


def test_cells_are_read_as_they_were_before_they_were_written():
    header, row = ["a|b", "c"], ["x|y \\ `z`", "1,234"]
    assert [(table.header, table.rows) for table in tables(f"text\n\n{markdown_table(header, [row])}\n\nmore")] == [
        (header, [row])
    ]
    assert tables("```\n| a |\n| - |\n```\n") == []


def test_a_file_keeps_its_line_ends_and_must_be_utf_8(tmp_path):
    path = tmp_path / "README.md"
    path.write_bytes(b"a\r\nb\n")
    assert read_card(path, "README.md") == "a\r\nb\n"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"README\.md is not UTF-8"):
        read_card(path, "README.md")
