from __future__ import annotations

import copy
import json
import re

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from huggingface_hub import eval_result_entries_to_yaml as entries_to_yaml

from hfloop.ner.card import ner_card, ner_results


@pytest.fixture(scope="module")
def measured(tiny_release):
    """What the hfloop.json of a real release holds."""
    return json.loads((tiny_release / "hfloop.json").read_text(encoding="utf-8"))


@pytest.fixture
def provenance(measured):
    """A copy of it that a test may change."""
    return copy.deepcopy(measured)


def table_after(card, header):
    """The rows of the table whose header line begins so, as lists of cells."""
    lines = card.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(header)) + 2
    rows = []
    while start < len(lines) and lines[start].startswith("|"):
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", lines[start])[1:-1]])
        start += 1
    return rows


def section(card, title):
    return card.split(f"\n## {title}\n")[1].split("\n## ")[0]


# ------------------------------------------------------------------ metadata


def test_the_hub_reads_the_metadata(provenance):
    data = ModelCard(ner_card(provenance)).data
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "token-classification"
    assert data.metrics == ["precision", "recall", "f1"]
    assert "hfloop" in data.tags
    assert data.widget == [{"text": provenance["example"]["text"]}]
    assert data.model_name == "tiny-bert0 for named-entity recognition on train.jsonl"


def test_the_model_index_holds_the_figures_of_the_report(provenance):
    provenance["report"] |= {"precision": 0.81234, "recall": 0.71236, "f1": 0.75905}
    card = ModelCard(ner_card(provenance))
    figures = {result.metric_type: result for result in card.data.eval_results}
    assert {name: result.metric_value for name, result in figures.items()} == {
        "precision": 0.8123,
        "recall": 0.7124,
        "f1": 0.7591,
    }
    assert {(r.dataset_name, r.dataset_type, r.dataset_split) for r in figures.values()} == {
        ("train.jsonl", "local/train-jsonl", "test")
    }
    micro = table_after(card.text, "| strict character spans")[-1]
    assert micro == ["**micro average**", "**0.812**", "**0.712**", "**0.759**", "40"]


def test_the_newer_format_holds_the_headline(provenance):
    provenance["report"]["f1"] = 0.75905
    entries = parse_eval_result_entries(yaml.safe_load(yaml.safe_dump(entries_to_yaml(ner_results(provenance)))))
    (entry,) = entries
    assert (entry.dataset_id, entry.task_id, entry.value) == ("local/train-jsonl", "token-classification/test", 0.7591)
    assert entry.date == provenance["created"]
    assert provenance["report"]["protocol"] in entry.notes


def test_a_dataset_of_the_hub_is_linked(provenance):
    provenance["data"] |= {"name": "someone/people", "hub_id": "someone/people"}
    data = ModelCard(ner_card(provenance)).data
    assert data.datasets == ["someone/people"]
    assert data.eval_results[0].dataset_type == ner_results(provenance)[0].dataset_id == "someone/people"


def test_data_of_this_machine_is_not_linked(provenance):
    assert ModelCard(ner_card(provenance)).data.datasets is None
    provenance["data"]["name"] = "数据"
    assert ner_results(provenance)[0].dataset_id == "local/data"


def test_a_base_model_of_the_hub_is_linked_and_one_of_this_machine_is_not(provenance):
    data = ModelCard(ner_card(provenance)).data
    assert data.base_model is None
    assert "base_model_relation" not in data.to_dict()
    provenance["base_model"] |= {"name": "someone/bert-mini", "hub_id": "someone/bert-mini"}
    card = ModelCard(ner_card(provenance))
    assert (card.data.base_model, card.data.to_dict()["base_model_relation"]) == ("someone/bert-mini", "finetune")
    assert card.text.startswith("\n# bert-mini for named-entity recognition on train.jsonl\n")
    assert "| Base model | someone/bert-mini, " in card.text


# ------------------------------------------------------------------ text


def test_every_label_has_a_row_with_the_figures_of_the_report(provenance):
    rows = table_after(ner_card(provenance), "| strict character spans")[:-1]
    per_label = provenance["report"]["per_label"]
    assert {row[0]: row[1:] for row in rows} == {
        label: [*(f"{scores[name]:.3f}" for name in ("precision", "recall", "f1")), str(scores["support"])]
        for label, scores in per_label.items()
    }
    assert [int(row[-1]) for row in rows] == sorted((int(row[-1]) for row in rows), reverse=True)


def test_a_label_with_a_bar_does_not_break_its_tables(provenance):
    scores = provenance["report"]["per_label"].pop("Name")
    provenance["report"]["per_label"]["A|B\nC"] = scores
    rows = table_after(ner_card(provenance), "| strict character spans")
    assert [len(row) for row in rows] == [5] * 4
    assert "A\\|B C" in [row[0] for row in rows]


def test_a_single_label_is_no_list(provenance):
    provenance["labels"] = ["Name"]
    assert "\nA token classifier that finds Name in documents of any length.\n" in ner_card(provenance)
    provenance["labels"] = ["Company", "Name", "Title"]
    assert "\nA token classifier that finds Company, Name and Title in documents" in ner_card(provenance)


def test_figures_of_the_set_that_chose_the_epoch_are_called_so(provenance):
    told = "**The epoch was chosen on this same set**"
    assert told not in ner_card(provenance)
    provenance["report"]["split"] = "validation"
    figures = section(ner_card(provenance), "Figures")
    assert told in figures
    assert figures.startswith("\nMeasured on the validation set (validation.jsonl (doccano)): 8 complete documents")


def test_warnings_and_limits_are_told_each_on_its_own_line(provenance):
    provenance["data"]["warnings"] = ["one thing", "another thing"]
    provenance["limits"] = ["First.", "Second."]
    card = ner_card(provenance)
    assert "\n\nWarning: one thing.\n\nWarning: another thing.\n" in section(card, "Data")
    assert section(card, "Limits").strip() == "- First.\n- Second."


def test_repairs_are_told_in_numbers(provenance):
    assert "used as it is: nothing needed repair." in ner_card(provenance)
    provenance["data"]["repairs"] = {"edge_blanks": 1234, "cut_words": 2}
    assert "repaired before use: 1,234 edge blanks, 2 cut words." in ner_card(provenance)


def test_settings_that_were_chosen_come_first_and_bold(provenance):
    rows = table_after(ner_card(provenance), "| setting")
    assert ["**learning_rate**", "**0.01**"] in rows
    assert ["seed", "42"] in rows
    assert [row[0].startswith("**") for row in rows] == sorted((row[0].startswith("**") for row in rows), reverse=True)
    assert len(rows) == len(provenance["config"])
    assert not any("output_dir" in row[0] for row in rows)


def test_nothing_is_left_unfilled(provenance):
    card = ner_card(provenance)
    assert "{{" not in card and "{%" not in card
    assert "\n\n\n" not in ModelCard(card).text
