from __future__ import annotations

import copy
import json

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from huggingface_hub import eval_result_entries_to_yaml as entries_to_yaml

from hfloop.hub.card import whole_card
from hfloop.hub.card_text import parse_card, tables
from hfloop.ner.card import ner_card, ner_results


def card_of(provenance):
    return whole_card(ner_card(provenance, "."))


@pytest.fixture(scope="module")
def measured(tiny_release):
    """What the hfloop.json of a real release holds."""
    return json.loads((tiny_release / "hfloop.json").read_text(encoding="utf-8"))


@pytest.fixture
def provenance(measured):
    """A copy of it that a test may change."""
    return copy.deepcopy(measured)


def table_after(card, header):
    """The rows of the table whose first column is headed so, as lists of cells."""
    (table,) = [
        table for text in parse_card(card).sections.values() for table in tables(text) if table.header[0] == header
    ]
    return table.rows


def section(card, name):
    return parse_card(card).sections[name]


# ------------------------------------------------------------------ metadata


def test_the_hub_reads_the_metadata(provenance):
    data = ModelCard(card_of(provenance)).data
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "token-classification"
    assert data.metrics == ["precision", "recall", "f1"]
    assert "hfloop" in data.tags
    assert data.widget == [{"text": provenance["example"]["text"]}]
    assert data.model_name == "tiny-bert0 for named-entity recognition on train.jsonl"


def test_the_model_index_holds_the_figures_of_the_report(provenance):
    provenance["report"] |= {"precision": 0.81234, "recall": 0.71236, "f1": 0.75905}
    card = ModelCard(card_of(provenance))
    figures = {result.metric_type: result for result in card.data.eval_results}
    assert {name: result.metric_value for name, result in figures.items()} == {
        "precision": 0.8123,
        "recall": 0.7124,
        "f1": 0.7591,
    }
    assert {(r.dataset_name, r.dataset_type, r.dataset_split) for r in figures.values()} == {
        ("train.jsonl", "local/train-jsonl", "test")
    }
    micro = table_after(str(card), "strict character spans")[-1]
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
    data = ModelCard(card_of(provenance)).data
    assert data.datasets == ["someone/people"]
    assert data.eval_results[0].dataset_type == ner_results(provenance)[0].dataset_id == "someone/people"


def test_data_of_this_machine_is_not_linked(provenance):
    assert ModelCard(card_of(provenance)).data.datasets is None
    provenance["data"]["name"] = "数据"
    assert ner_results(provenance)[0].dataset_id == "local/data"


def test_a_base_model_of_the_hub_is_linked_and_one_of_this_machine_is_not(provenance):
    data = ModelCard(card_of(provenance)).data
    assert data.base_model is None
    assert "base_model_relation" not in data.to_dict()
    provenance["base_model"] |= {"name": "someone/bert-mini", "hub_id": "someone/bert-mini"}
    card = ModelCard(card_of(provenance))
    assert (card.data.base_model, card.data.to_dict()["base_model_relation"]) == ("someone/bert-mini", "finetune")
    assert section(str(card), "summary").startswith("\n# bert-mini for named-entity recognition on train.jsonl\n")
    assert "| Base model | someone/bert-mini, " in card.text


# ------------------------------------------------------------------ text


def test_every_label_has_a_row_with_the_figures_of_the_report(provenance):
    rows = table_after(card_of(provenance), "strict character spans")[:-1]
    per_label = provenance["report"]["per_label"]
    assert {row[0]: row[1:] for row in rows} == {
        label: [*(f"{scores[name]:.3f}" for name in ("precision", "recall", "f1")), str(scores["support"])]
        for label, scores in per_label.items()
    }
    assert [int(row[-1]) for row in rows] == sorted((int(row[-1]) for row in rows), reverse=True)


def test_a_label_with_a_bar_does_not_break_its_tables(provenance):
    scores = provenance["report"]["per_label"].pop("Name")
    provenance["report"]["per_label"]["A|B\nC"] = scores
    rows = table_after(card_of(provenance), "strict character spans")
    assert [len(row) for row in rows] == [5] * 4
    assert "A|B C" in [row[0] for row in rows]


def test_a_single_label_is_no_list(provenance):
    provenance["labels"] = ["Name"]
    told = "\nA token classifier that finds Name in documents of any length: tiny-bert0, fine-tuned on train.jsonl.\n"
    assert told in card_of(provenance)
    provenance["labels"] = ["Company", "Name", "Title"]
    assert "\nA token classifier that finds Company, Name and Title in documents" in card_of(provenance)


def test_figures_of_the_set_that_chose_the_epoch_are_called_so(provenance):
    told = "**The epoch was chosen on this same set**"
    assert told not in card_of(provenance)
    provenance["report"]["split"] = "validation"
    figures = section(card_of(provenance), "figures")
    assert told in figures
    assert figures.startswith(
        "\n## Figures\n\nMeasured on the validation set (validation.jsonl, doccano): 8 complete documents"
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("test (doccano)", "test, doccano"),
        ("my (new) cvs (2).jsonl (spaCy 3)", "my (new) cvs (2).jsonl, spaCy 3"),
        (
            "cut from the training data, near-duplicates together",
            "cut from the training data, near-duplicates together",
        ),
        ("(odd)", "(odd)"),
    ],
)
def test_what_was_measured_on_is_told_without_brackets_in_brackets(provenance, source, told):
    provenance["data"]["splits"]["test"]["source"] = source
    assert f"\nMeasured on the test set ({told}): 8 complete documents" in section(card_of(provenance), "figures")


def test_where_it_can_be_made_again_to_the_bit_is_told(provenance):
    provenance["config"]["mixed_precision"] = "auto"
    provenance["hardware"] |= {"mixed_precision": "bf16", "threads": 3}
    told = section(card_of(provenance), "reproduction")
    assert "to the bit only on a machine of the same kind with as many threads (3):\n\n```bash" in told
    assert "--mixed_precision bf16\n```" in told


def test_weights_that_are_no_average_are_not_called_one(provenance):
    assert f"| Weights | exponential moving average after epoch {provenance['best_epoch']} |" in card_of(provenance)
    provenance["config"]["ema_decay"] = 0.0
    card = card_of(provenance)
    assert f"| Weights | those after epoch {provenance['best_epoch']}, not averaged |" in card
    assert "moving average" not in card


def test_warnings_and_limits_are_told_each_on_its_own_line(provenance):
    provenance["data"]["warnings"] = ["one thing", "another thing"]
    provenance["limits"] = ["First.", "Second."]
    card = card_of(provenance)
    assert "\n\nWarning: one thing.\n\nWarning: another thing.\n" in section(card, "data")
    assert section(card, "limits").strip() == "## Limits\n\n- First.\n- Second."


def test_repairs_are_told_in_numbers(provenance):
    assert "used as it is: nothing needed repair." in card_of(provenance)
    provenance["data"]["repairs"] = {"edge_blanks": 1234, "cut_words": 2}
    assert "repaired before use: 1,234 edge blanks, 2 cut words." in card_of(provenance)


def test_settings_that_were_chosen_come_first_and_bold(provenance):
    rows = table_after(card_of(provenance), "setting")
    assert ["**learning_rate**", "**0.01**"] in rows
    assert ["seed", "42"] in rows
    are_bold = [row[0].startswith("**") for row in rows]
    assert are_bold == sorted(are_bold, reverse=True)
    assert len(rows) == len(provenance["config"])
    assert not any("output_dir" in row[0] for row in rows)


def test_nothing_is_left_unfilled(provenance):
    card = card_of(provenance)
    assert "{{" not in card.replace("{{BERT}", "") and "{%" not in card
    assert "\n\n\n" not in ModelCard(card).text


# ------------------------------------------------------------------ what helps a reader on


def test_a_label_has_an_example_of_the_invented_resume_if_the_model_finds_one(provenance):
    text = provenance["example"]["text"]
    name, town = text.index("Marisol Quennevar"), text.index("Lisbon")
    provenance["example"]["spans"] = [
        {"start": town, "end": town + 6, "label": "Name", "score": 0.4},
        {"start": name, "end": name + 17, "label": "Name", "score": 0.9},
    ]
    assert table_after(card_of(provenance), "label") == [
        ["Company", ""],
        ["Designation", ""],
        ["Name", "Marisol Quennevar"],
    ]


def test_the_epoch_that_is_released_stands_out(provenance):
    rows = table_after(card_of(provenance), "epoch")
    assert len(rows) == provenance["epochs"]
    best = provenance["curve"][provenance["best_epoch"] - 1]
    assert [row for row in rows if row[0].startswith("**")] == [
        [f"**{provenance['best_epoch']}**", f"**{best['train_loss']:.4f}**", f"**{best['validation_f1']:.4f}**"]
    ]


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({"train_file": "a b.jsonl", "test_file": None}, " --data 'a b.jsonl'"),
        ({"train_file": "a.jsonl", "test_file": "t.jsonl"}, " --data t.jsonl"),
        ({"train_file": None, "test_file": None}, ""),
        ({"train_file": None, "test_file": None, "dataset_name": "folder"}, " --data folder"),
    ],
)
def test_the_command_that_measures_again_names_what_only_its_owner_has(provenance, change, options):
    provenance["config"] |= change
    figures = section(card_of(provenance), "figures")
    assert f"\nhfloop verify .{options}  # compares" in figures
    assert ("with a path in place of the name" in figures) == bool(options)
    provenance["data"]["hub_id"] = "someone/people"
    assert "\nhfloop verify .  # compares" in section(card_of(provenance), "figures")


def test_the_base_model_is_cited_where_its_paper_is_known(provenance):
    keys = ["@inproceedings{devlin2019bert,", "@inproceedings{reimers2019sentence,", "@software{hfloop,"]
    assert [key in card_of(provenance) for key in keys] == [True, False, True]
    provenance["base_model"] |= {"hub_id": "sentence-transformers/all-MiniLM-L6-v2"}
    assert [key in card_of(provenance) for key in keys] == [True, True, True]


def test_energy_is_told_where_it_was_measured(provenance):
    assert "kWh" not in card_of(provenance)
    assert "co2_eq_emissions" not in ModelCard(card_of(provenance)).data.to_dict()
    provenance["emissions"] = {
        "energy_kwh": 0.0123456,
        "co2_grams": 5.8642,
        "grams_per_kwh": 475.0,
        "country": None,
        "source": "codecarbon 3.3.2",
    }
    card = card_of(provenance)
    assert "\n\nIt took 0.01235 kWh and 5.864 g of CO2, as codecarbon 3.3.2 estimates it from the hardware" in card
    assert ", at 475 g/kWh: the world's average, since the country of the machine was not told.\n\n" in card
    assert ModelCard(card).data.to_dict()["co2_eq_emissions"] == {
        "emissions": 5.864,
        "source": "codecarbon",
        "training_type": "fine-tuning",
        "hardware_used": provenance["hardware"]["device"],
    }
    provenance["emissions"]["country"] = "Germany"
    card = card_of(provenance)
    assert " at 475 g/kWh: that of Germany.\n" in card
    assert ModelCard(card).data.to_dict()["co2_eq_emissions"]["geographical_location"] == "Germany"


def test_what_a_snippet_prints_keeps_its_empty_lines_and_its_backticks(provenance):
    provenance["example"]["hfloop_output"] = "a\n\n\n```\nb"
    assert "\n````text\na\n\n\n```\nb\n````\n" in section(card_of(provenance), "use")
