from __future__ import annotations

import re
import shlex
from itertools import pairwise

import pytest
import typer
import yaml
from card_cases import MODEL_ID, generators, on_one_line, token_classifiers
from huggingface_hub import ModelCard, parse_eval_result_entries
from hypothesis import given, settings
from hypothesis import strategies as st

from hfloop.cli import app
from hfloop.families import family_of
from hfloop.hub.card import results_text, whole_card
from hfloop.hub.card_text import code_blocks, lines_of, model_id_of, parse_card, tables
from hfloop.hub.metadata import check_metadata
from hfloop.hub.rendering import merge_cards


def rendered(provenance, model_id):
    return family_of(provenance, "it").card(provenance, model_id)


def table(card, section, column):
    """The rows of the section's table whose first column is headed so."""
    (found,) = [each for each in tables(parse_card(card).sections[section]) if each.header[0] == column]
    return found.rows


def indexed(card):
    """The figures of a card's metadata, by metric."""
    return {result.metric_type: result.metric_value for result in ModelCard(card).data.eval_results}


def check_form(rendering, model_id, expected_sections):
    """What holds for the cards of all families."""
    card = whole_card(rendering)
    parsed = parse_card(card)
    assert str(parsed) == card
    assert list(parsed.sections) == expected_sections
    assert model_id_of(parsed) == model_id
    assert not [part for part in parsed.parts if part.name is None and part.text.strip()]
    assert ModelCard(card).data.to_dict() == rendering.metadata.to_dict()
    assert check_metadata(parsed.metadata) == []
    assert merge_cards(rendering, [(card, rendering)]) == merge_cards(rendering, []) == card
    lines = [line.rstrip("\n") for line in lines_of(card[len(parsed.front) :])]
    blocks, unclosed = code_blocks(lines)
    assert not unclosed
    for number, line in enumerate(lines):
        if blocks[number]:
            continue
        around = (lines[number - 1] if number else "", lines[number + 1] if number + 1 < len(lines) else "")
        if line.startswith("<!-- "):
            assert around == ("", "")
        if not line:
            assert around[1]  # no two empty lines
    assert "More information needed" not in card
    assert check_commands(card) >= 2


def check_commands(card):
    """Have `hfloop` parse every command of its own that a card shows; how many they are."""
    hfloop = typer.main.get_command(app)
    blocks = re.findall(r"^(```+)bash\n(.*?)^\1$", card, flags=re.MULTILINE | re.DOTALL)
    words = [word for _, block in blocks for word in shlex.split(block.replace(" \\\n", " "), comments=True)]
    starts = [place for place, word in enumerate(words) if word in ("hfloop", "accelerate", "torchrun")]
    commands = [words[start:end] for start, end in pairwise([*starts, len(words)]) if words[start] == "hfloop"]
    for _, name, *arguments in commands:
        hfloop.commands[name].make_context(name, arguments)
    return len(commands)


SHARED = ["limits", "training", "reproduction", "citation"]


@settings(max_examples=60)
@given(token_classifiers(), MODEL_ID)
def test_the_card_of_a_token_classifier_says_what_its_hfloop_json_says(provenance, model_id):
    rendering = rendered(provenance, model_id)
    card, report = whole_card(rendering), provenance["report"]
    check_form(rendering, model_id, ["summary", "labels", "figures", "use", "data", *SHARED])

    *by_label, micro = table(card, "figures", "strict character spans")
    assert {row[0]: row[1:] for row in by_label} == {
        on_one_line(label): [
            *(f"{scores[figure]:.3f}" for figure in ("precision", "recall", "f1")),
            f"{scores['support']:,}",
        ]
        for label, scores in report["per_label"].items()
    }
    figures = {name: report[name] for name in ("precision", "recall", "f1")}
    assert micro == [
        "**micro average**",
        *(f"**{value:.3f}**" for value in figures.values()),
        f"{report['support']:,}",
    ]
    assert indexed(card) == {name: round(value, 4) for name, value in figures.items()}
    (entry,) = parse_eval_result_entries(yaml.safe_load(results_text(rendering)))
    assert entry.value == indexed(card)["f1"]
    (result, *_) = ModelCard(card).data.eval_results
    assert entry.dataset_id == result.dataset_type
    assert entry.task_id == f"{result.task_type}/{result.dataset_split}"

    splits = provenance["data"]["splits"]
    assert [row[:3] for row in table(card, "data", "split")] == [
        [name, f"{split['documents']:,}", f"{split['words']:,}"] for name, split in splits.items()
    ]
    assert {row[0]: row[1:] for row in table(card, "data", "entities")} == {
        on_one_line(label): [f"{split['spans'][label]:,}" for split in splits.values()]
        for label in provenance["labels"]
    }
    found = {span["label"]: span for span in sorted(provenance["example"]["spans"], key=lambda span: span["score"])}
    examples = {row[0]: row[1] for row in table(card, "labels", "label")}
    assert {label for label, text in examples.items() if text} == {on_one_line(label) for label in found}
    epochs = [[cell.strip("*") for cell in row] for row in table(card, "training", "epoch")]
    assert epochs == [
        [str(row["epoch"]), f"{row['train_loss']:.4f}", f"{row['validation_f1']:.4f}"] for row in provenance["curve"]
    ]
    assert all(on_one_line(each) in card for each in [*provenance["limits"], *provenance["data"]["warnings"]])


@settings(max_examples=60)
@given(generators(), MODEL_ID)
def test_the_card_of_a_generator_says_what_its_hfloop_json_says(provenance, model_id):
    rendering = rendered(provenance, model_id)
    card, report = whole_card(rendering), provenance["report"]
    check_form(rendering, model_id, ["summary", "figures", "use", "data", *SHARED])

    rows = table(card, "figures", "metric")
    for row, figure in zip(rows, report["figures"], strict=True):
        assert row[0].partition(" ")[0] == f"`{figure['metric']}`"
        for cell, side in zip(row[1:], ("generated", "floor", "ceiling"), strict=True):
            if figure[side] is None:
                assert cell == "–"
            else:
                value, uncertainty = (figure[side][each] for each in ("value", "uncertainty"))
                shown, *rest = (float(part.replace(",", "")) for part in cell.split(" ± "))
                assert shown == pytest.approx(value, abs=uncertainty / 10 or abs(value) * 1e-3 + 1e-12)
                assert rest == [pytest.approx(uncertainty, rel=0.06, abs=0.5)] or not uncertainty
    generated = {figure["metric"]: figure["generated"]["value"] for figure in report["figures"][:4]}
    assert indexed(card) == {metric: float(f"{value:.4g}") for metric, value in generated.items()}
    (entry,) = parse_eval_result_entries(yaml.safe_load(results_text(rendering)))
    (result, *_) = ModelCard(card).data.eval_results
    assert (entry.value, entry.dataset_id) == (result.metric_value, result.dataset_type)
    assert entry.task_id == f"{result.task_type}/{result.dataset_split}"

    if report["classes"]:
        shares = report["classes"]["shares"]
        assert table(card, "figures", "class") == [
            [on_one_line(name), f"{100 * generated:.1f}", f"{100 * real:.1f}"]
            for name, generated, real in zip(
                report["classes"]["names"], shares["generated"], shares["real"], strict=True
            )
        ]
    assert [row[:2] for row in table(card, "data", "split")] == [
        [name, f"{split['images']:,}"] for name, split in provenance["data"]["splits"].items()
    ]
    assert all(on_one_line(each) in card for each in [*provenance["limits"], *provenance["alarms"]])


@settings(max_examples=30)
@given(st.lists(st.one_of(token_classifiers(), generators()), min_size=2, max_size=3), MODEL_ID)
def test_a_card_of_another_release_leaves_nothing_of_itself(releases, model_id):
    cards = [rendered(provenance, model_id) for provenance in releases]
    text = whole_card(cards[0])
    for before, fresh in pairwise(cards):
        text = merge_cards(fresh, [(text, before)])
        assert parse_card(text).metadata == parse_card(whole_card(fresh)).metadata
        assert parse_card(text).sections == parse_card(whole_card(fresh)).sections
