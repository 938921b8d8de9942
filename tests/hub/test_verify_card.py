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
from hfloop.hub.claims import card_differences, other_results, rendered_by, text_of_people
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


# ------------------------------------------------------------------ cards of another version


@pytest.fixture
def other(fresh):
    """The card, as if another version had rendered it."""
    return whole_card(fresh).replace(f"Rendered by hfloop {__version__}", "Rendered by hfloop 9.9")


def test_a_card_of_another_version_may_speak_otherwise(other, fresh):
    assert differences(other.replace("by the very weights in this repository", "by these weights"), fresh) == []


def without(text, section):
    (part,) = (part.text for part in parse_card(text).parts if part.name == section)
    return text.replace(part, "")


def test_a_card_of_another_version_lacks_no_section_with_tables(other, fresh):
    for section in ("summary", "labels", "figures", "data", "training"):
        assert differences(without(other, section), fresh) == [f"README.md lacks the section `{section}`"]
    assert differences(without(other, "limits"), fresh) == []


def test_a_card_of_another_version_lacks_no_table_row_or_column_of_the_figures(other, fresh):
    table = re.search(r"\| strict character spans \|.*?\n\n", other, re.DOTALL)[0]
    assert differences(other.replace(table, "\n"), fresh) == [
        "README.md, section `figures`: the number of tables is 0, and 1 by hfloop.json"
    ]
    row = "| Name | 1.000 | 1.000 | 1.000 | 8 |\n"
    (sentence, *_) = differences(other.replace(row, ""), fresh)
    assert sentence.startswith("README.md, section `figures`, row 'Name', column 'precision': the card says nothing")
    (sentence, *_) = differences(other.replace(row, row + row.replace("Name", "Salary")), fresh)
    assert sentence.startswith("README.md, section `figures`, row 'Salary', column 'precision': the card says 1.000")
    (sentence,) = differences(other.replace("| precision |", "| purity |"), fresh)
    assert "its columns are strict character spans | purity" in sentence


# ------------------------------------------------------------------ metadata


def test_names_in_the_model_index_are_compared(fresh):
    text = whole_card(fresh)
    for part, old in (("metric", "name: strict span f1"), ("data set", "name: train.jsonl")):
        assert old in text
        found = differences(text.replace(old, "name: CoNLL-2003"), fresh)
        assert found and all(
            f" calls the {part} of " in each and "'CoNLL-2003', and it is '" in each for each in found
        )


def test_a_list_of_one_says_what_a_text_says(fresh):
    text = whole_card(fresh)
    listed = text.replace("library_name: transformers", "library_name:\n- transformers")
    assert listed != text
    assert differences(listed, fresh) == []
    (sentence,) = differences(text.replace("library_name: transformers", "library_name: [transformers, a]"), fresh)
    assert sentence.startswith(
        "README.md: `library_name` in its metadata is ['transformers', 'a'], and 'transformers'"
    )


def test_what_unfolds_without_end_is_shown_in_short(fresh):
    aliases = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for before, name in zip("abcdefghijklm", "bcdefghijklmn", strict=True):
        aliases += f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    text = whole_card(fresh).replace("---\n", f"---\n{aliases}", 1)
    for old, new in (
        ("library_name: transformers", "library_name: *n"),
        ("name: strict span f1", "name: *n"),
        ("  - task:", "  - task: {type: a}\n    dataset: {type: b, name: c, config: *n}\n    metrics: [{type: f1, "
         "value: 1}]\n  - task:"),
        ("      value: 1.0", "      value: *n"),
    ):  # fmt: skip
        assert old in text
        changed = parse_card(text.replace(old, new, 1))
        assert all(len(sentence) < 600 for sentence in card_differences(changed, fresh))
        assert all(len(each) <= 200 for each in other_results(changed, fresh))


def test_text_of_people_is_told_by_its_lines(fresh):
    text = whole_card(fresh)
    assert text_of_people(parse_card(text)) == []
    start = "<!-- hfloop:begin figures -->\n"
    changed = text.replace(start, f"We say:\n\nF1 0.99\n\n{start}") + "\nBuy it.\n"
    first = text[: text.index(start)].count("\n") + 1
    last = changed.count("\n")
    assert text_of_people(parse_card(changed)) == [f"{first}–{first + 2}", str(last)]
