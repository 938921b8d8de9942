"""Whatever is changed between hfloop's markers is found, and whatever people write elsewhere is left alone."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfloop import __version__
from hfloop.errors import UserError
from hfloop.hub.card import whole_card
from hfloop.hub.card_text import parse_card
from hfloop.hub.claims import card_differences, other_results, rendered_by
from hfloop.ner.family import NerFamily

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)


@pytest.fixture(scope="module")
def fresh(tiny_release):
    """The card of a release, as it is rendered."""
    return NerFamily().card(json.loads((tiny_release / "hfloop.json").read_text(encoding="utf-8")), "ann/resumes")


def differences(text, fresh):
    return card_differences(parse_card(text), fresh)


def managed_places(text):
    """Where in a card a character of hfloop's stands that shows: not blank, no marker, no rule of a table."""
    places, inside, start = [], False, 0
    for line in text.splitlines(keepends=True):
        marker = re.search(r"hfloop:(begin|end)", line)
        if marker:
            inside = marker[1] == "begin"
        elif inside and not re.fullmatch(r"[|:\s-]+", line):
            places += [start + number for number, character in enumerate(line) if not character.isspace()]
        start += len(line)
    return places


@settings(max_examples=40)
@given(st.data())
def test_a_changed_character_in_a_section_is_found(fresh, data):
    text = whole_card(fresh)
    place = data.draw(st.sampled_from(managed_places(text)))
    changed = text[:place] + data.draw(st.sampled_from([c for c in "x0|`" if c != text[place]])) + text[place + 1 :]
    try:
        found = differences(changed, fresh)
    except UserError:  # a fence that opens or closes another block hides a marker, which is said
        return
    assert found, f"{text[place - 20 : place]}⟨{text[place]}⟩{text[place + 1 : place + 20]}"


@settings(max_examples=40)
@given(st.data())
def test_a_line_that_is_lost_or_repeated_is_found(fresh, data):
    lines = whole_card(fresh).splitlines(keepends=True)
    place = data.draw(st.sampled_from(managed_places(whole_card(fresh))))
    number = whole_card(fresh)[:place].count("\n")
    other = data.draw(st.sampled_from([[], [lines[number]] * 2]))
    try:
        assert differences("".join([*lines[:number], *other, *lines[number + 1 :]]), fresh)
    except UserError:
        return


@settings(max_examples=25)
@given(st.data(), WORDS)
def test_what_people_write_between_the_sections_is_left_alone(fresh, data, words):
    parts = re.split(r"(?=\n<!-- hfloop:begin )", whole_card(fresh))
    number = data.draw(st.integers(1, len(parts)))
    text = "".join([*parts[:number], f"\nWe say: {words}\n\n| F1 |\n| --- |\n| 0.1 |\n", *parts[number:]])
    assert differences(text, fresh) == []


def test_a_table_that_is_gone_or_has_other_columns_is_found(fresh):
    text = whole_card(fresh)
    table = re.search(r"\| entities \|.*?\n\n", text, re.DOTALL)
    assert differences(text.replace(table[0], "\n"), fresh) == [
        "README.md, section `data`: the number of tables is 1, and 2 by hfloop.json",
    ]
    (sentence,) = differences(text.replace("| precision | recall |", "| recall | precision |"), fresh)
    assert sentence.startswith("README.md, section `figures`: its columns are strict character spans | recall | prec")


def test_a_row_too_many_is_found(fresh):
    text = whole_card(fresh)
    row = "| Name | 1.000 | 1.000 | 1.000 | 8 |\n"
    assert text.count(row) == 1
    found = differences(text.replace(row, row + row.replace("Name", "Salary")), fresh)
    assert "README.md, section `figures`, row 'Salary', column 'F1': the card says 1.000, hfloop.json nothing" in found


def test_the_version_is_that_of_the_first_line(fresh):
    assert rendered_by(parse_card(whole_card(fresh))) == __version__
    assert rendered_by(parse_card("# A card\n")) is None


def test_results_are_told_apart_by_data_and_metric(fresh):
    text = whole_card(fresh)
    assert other_results(parse_card(text), fresh) == []
    other = text.replace("type: local/train-jsonl", "type: local/other-jsonl")
    assert other_results(parse_card(other), fresh) == [
        f"{metric} on local/other-jsonl" for metric in ("precision", "recall", "f1")
    ]
    assert [sentence.split(" lacks ")[1][:9] for sentence in differences(other, fresh)] == [
        "precision", "recall on", "f1 on loc"
    ]  # fmt: skip


def test_a_model_index_that_is_none_is_found(fresh):
    text = re.sub(r"model-index:\n.*?\n---", "model-index: 0.99\n---", whole_card(fresh), flags=re.DOTALL)
    (sentence,) = differences(text, fresh)
    assert sentence.startswith("README.md: model-index must be a list")
    assert other_results(parse_card(text), fresh) == []
