from __future__ import annotations

import copy
import json

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from huggingface_hub import eval_result_entries_to_yaml as entries_to_yaml
from small_release import METHOD, report_facts, small_release, written

from hfloop.gan.card import gan_card, gan_results
from hfloop.hub.card import whole_card
from hfloop.hub.card_text import parse_card, tables


def card_of(provenance):
    return whole_card(gan_card(provenance, "."))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """What the hfloop.json of a conditional release holds."""
    folder = tmp_path_factory.mktemp("card")
    return json.loads(json.dumps(written(folder / "release", small_release(folder, 10))))


@pytest.fixture
def provenance(recorded):
    """A copy of it with figures that tests can rely on, which a test may change."""
    return copy.deepcopy(recorded) | {"report": report_facts()}


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
    assert (data.library_name, data.pipeline_tag) == ("diffusers", "unconditional-image-generation")
    assert data.tags == ["hfloop", "gan", "dcgan"]
    assert data.model_name == "DCGAN on digits"
    assert data.datasets is None
    provenance["method"]["name"] = "GAN"
    assert ModelCard(card_of(provenance)).data.tags == ["hfloop", "gan"]


def test_the_model_index_holds_the_figures_under_the_extractor_s_name(provenance):
    results = ModelCard(card_of(provenance)).data.eval_results
    assert {result.metric_type: result.metric_value for result in results} == {
        "frechet_distance/digits-v1": 30.12,
        "kernel_distance/digits-v1": 0.01235,
        "precision/digits-v1": 0.6,
        "recall/digits-v1": 0.5,
    }
    assert {result.metric_name for result in results} == {result.metric_type for result in results}
    assert {(r.dataset_name, r.dataset_type, r.dataset_split) for r in results} == {("digits", "local/digits", "test")}


def test_the_newer_format_holds_the_headline_with_its_protocol(provenance):
    entries = parse_eval_result_entries(yaml.safe_load(yaml.safe_dump(entries_to_yaml(gan_results(provenance)))))
    (entry,) = entries
    assert (entry.dataset_id, entry.task_id) == ("local/digits", "unconditional-image-generation/test")
    assert (entry.value, entry.date) == (30.12, provenance["created"])
    for part in ("frechet_distance/digits-v1", "1,437 generated", "360 real", "seed 42"):
        assert part in entry.notes


def test_a_dataset_of_the_hub_is_linked(provenance):
    provenance["data"] |= {"name": "someone/faces", "hub_id": "someone/faces"}
    assert ModelCard(card_of(provenance)).data.datasets == ["someone/faces"]


@pytest.mark.parametrize(
    ("test_source", "cut_from", "measured"),
    [
        ("datasets/someone/faces:validation", None, ("someone/faces", "validation")),
        ("datasets/another/people:test", None, ("another/people", "test")),
        ("people.npz", None, ("local/someone-faces", "test")),  # not the Hub's, whatever was learned from
        ("cut from datasets/someone/faces:train", "datasets/someone/faces:train", ("someone/faces", "held out")),
    ],
)
def test_figures_stand_beside_the_set_that_they_were_measured_on(provenance, test_source, cut_from, measured):
    provenance["data"] |= {"name": "someone/faces", "hub_id": "someone/faces", "cut_from": cut_from}
    provenance["data"]["splits"]["test"]["source"] = test_source
    (result, *_), (entry,) = (
        ModelCard(card_of(provenance)).data.eval_results,
        gan_results(provenance),
    )
    assert (result.dataset_type, result.dataset_split) == measured
    assert (entry.dataset_id, entry.task_id.partition("/")[2]) == measured


# ------------------------------------------------------------------ figures


def test_every_figure_stands_between_its_bounds(provenance):
    provenance["report"]["figures"][1]["floor"] = None
    assert table_after(card_of(provenance), "metric") == [
        ["`frechet_distance/digits-v1` ↓", "30.1 ± 1.2", "4.50 ± 0.10", "1,234.5 ± 7.0"],
        ["`kernel_distance/digits-v1` ↓", "0.01235 ± 0.00054", "–", "0.900 ± 0.010"],
        ["`precision/digits-v1` ↑", "0.600 ± 0.020", "0.850 ± 0.010", "0"],
        ["`recall/digits-v1` ↑", "0.500 ± 0.020", "0.800 ± 0.010", "0"],
    ]
    assert "| --- | ---: | ---: | ---: |" in card_of(provenance)


def test_counts_bounds_and_protocol_are_told(provenance):
    figures = section(card_of(provenance), "figures")
    assert figures.startswith(
        "\n## Figures\n\n1,437 generated images, of all classes in turn whatever their shares in the data, "
        "against 360 real ones that were held out from training"
    )
    assert "what 1,437 training images get in the generated ones' place, and what 1,437 images of uniform" in figures
    assert f"the sha256 `{'ab' * 32}`, seed 42" in figures
    assert "\n- `precision`, `recall`: standard error over the images, the neighbourhoods taken as given.\n" in figures
    provenance["report"] |= {"floor": "held-out real images"}
    provenance["report"]["images"]["floor"] = 180
    assert "what 180 held-out real images get" in section(card_of(provenance), "figures")


PATHS_ARE_WANTED = "in this folder, with paths in place of the names of files and folders:\n"


def test_the_command_names_both_sets(provenance):
    splits = provenance["data"]["splits"]
    card = card_of(provenance)
    assert "in this folder:\n\n```bash\nhfloop evaluate . --data digits:test --train_data digits:train\n" in card
    assert "\nhfloop verify .  # compares" in card
    splits["train"]["source"] = "datasets/user/name:train"
    assert "in this folder:\n" in card_of(provenance)
    splits["test"]["source"] = "my images"
    card = card_of(provenance)
    assert PATHS_ARE_WANTED in card
    assert "\nhfloop evaluate . --data 'my images' --train_data datasets/user/name:train\n" in card
    assert "\nhfloop verify . --data 'my images'  # compares" in card


def test_two_folders_of_one_name_are_no_cut(provenance):
    splits = provenance["data"]["splits"]
    splits["train"]["source"] = splits["test"]["source"] = "images"
    assert "\nhfloop evaluate . --data images --train_data images\n" in card_of(provenance)


@pytest.mark.parametrize(
    ("whole", "is_path"),
    [("datasets/user/name", False), ("digits:train", False), ("a.npz", True), ("saved:train", True)],
)
def test_the_command_cuts_the_test_set_again(provenance, whole, is_path):
    provenance["data"]["cut_from"] = whole
    card = card_of(provenance)
    assert f"\nhfloop evaluate . --train_data {whole}\n" in card
    assert f"\nhfloop verify .{f' --data {whole}' if is_path else ''}  # compares" in card
    assert (PATHS_ARE_WANTED in card) == is_path


def test_the_command_leaves_out_corrupt_images_if_the_run_did(provenance):
    provenance["config"]["skip_corrupt"] = True
    assert " --data digits:test --train_data digits:train --skip_corrupt\n" in card_of(provenance)


def test_classes_are_told_where_the_extractor_knows_them(provenance):
    told = "How often each class is made"
    card = card_of(provenance)
    assert told in card
    rows = table_after(card, "class")
    assert rows[:2] == [["0", "19.0", "10.0"], ["1", "1.0", "10.0"]]
    assert len(rows) == 10
    assert "is 0.912 on average for generated images and 0.988 for real ones.\n" in card
    assert "Of the generated images" not in card
    provenance["report"]["classes"]["asked_class_share"] = 0.9876
    asked = "Of the generated images 98.8 % show the class that was asked for; of real ones it recognises the class of"
    assert f" {asked} 99.7 %.\n" in card_of(provenance)
    provenance["report"]["classes"] = None
    assert told not in card_of(provenance)


# ------------------------------------------------------------------ the rest of the text


def test_samples_come_first_and_are_not_chosen(provenance):
    card = ModelCard(card_of(provenance)).text
    assert card.index("](samples.png)") < card.index("\n|")
    assert "\n8 images of each of 10 classes, a column for each: the first that this model makes of seed 42" in card
    provenance |= {"num_classes": None, "samples": {"rows": 8, "columns": 8}}
    provenance["example"]["class_labels"] = None
    card = card_of(provenance)
    assert "\nThe first 64 images that this model makes of seed 42, none left out.\n" in card
    assert "class_labels" not in card and "each can be asked for" not in card and "of all classes" not in card


def test_what_it_is_is_said_in_one_line(provenance):
    card = card_of(provenance)
    assert "\nA generator of gray images of 8 × 8 pixels like those of digits, of a class that is asked for. " in card
    assert METHOD.summary in card
    provenance["data"]["shape"] = [3, 32, 32]
    assert "\nA generator of colour images of 32 × 32 pixels" in card_of(provenance)
    method = table_after(card, "")[0]
    assert method == ["Method", f"DCGAN: [{METHOD.paper}]({METHOD.url})"]


def test_names_of_classes_are_told_where_they_are_more_than_numbers(provenance):
    assert "The classes:" not in card_of(provenance)
    provenance["data"]["class_names"] = ["T-shirt/top", "ankle\nboot"]
    assert "\nThe classes: 0 T-shirt/top, 1 ankle boot.\n" in card_of(provenance)


def test_a_class_with_a_bar_does_not_break_its_table(provenance):
    provenance["report"]["classes"]["names"][0] = "a|b"
    rows = table_after(card_of(provenance), "class")
    assert rows[0] == ["a|b", "19.0", "10.0"]
    assert {len(row) for row in rows} == {3}


def test_a_folder_that_is_called_like_the_data_set_changes_no_card(provenance, tmp_path, monkeypatch):
    provenance["data"]["splits"]["test"]["source"] = "datasets/someone/faces:validation"
    before = card_of(provenance)
    assert "someone/faces" in before
    (tmp_path / "datasets" / "someone" / "faces").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert card_of(provenance) == before


def test_how_the_step_was_chosen_is_told(provenance):
    training = section(card_of(provenance), "training")
    assert training.startswith("\n## Training\n\n60 steps in 12 s on A processor, mixed precision no.")
    assert "the lowest of 3: 30 at step 40, when the discriminator had seen 2,560 real images" in training
    assert "| Weights | exponential moving average after step 40 |" in card_of(provenance)
    provenance["config"]["ema_decay"] = 0.0
    card = card_of(provenance)
    assert "| Weights | those after step 40, not averaged |" in card
    assert "averaged weights" not in card


def test_alarms_warnings_and_limits_are_told_each_on_its_own_line(provenance):
    provenance["data"]["warnings"] = ["one thing", "another thing"]
    provenance["limits"] = ["First.", "Second."]
    card = card_of(provenance)
    assert "\n\nWarning: one thing.\n\nWarning: another thing.\n" in section(card, "data")
    assert section(card, "limits").strip() == "## Limits\n\n- First.\n- Second."
    assert "\n\n- after 640 images the discriminator is dead\n" in section(card, "training")
    assert "No alarm" not in card
    provenance["alarms"] = []
    assert "\nNo alarm was raised while it trained.\n" in section(card_of(provenance), "training")


def test_settings_that_were_chosen_come_first_and_bold(provenance):
    assert table_after(card_of(provenance), "setting") == [
        ["**learning_rate**", "**0.01**"],
        ["seed", "42"],
        ["train_data", "None"],
        ["skip_corrupt", "False"],
    ]


def test_the_paper_and_hfloop_can_be_cited(provenance):
    cited = section(card_of(provenance), "citation")
    assert cited.startswith(f"\n## Citation\n\n```bibtex\n{METHOD.citation}\n\n@software{{hfloop,\n")
    assert f"  version = {{{provenance['hfloop_version']}}}\n}}\n```\n" in cited


@pytest.mark.parametrize(
    "change", [{}, {"alarms": []}, {"num_classes": None, "example": {"class_labels": None, "output": "x"}}]
)
@pytest.mark.parametrize("with_classes", [True, False])
def test_nothing_is_left_unfilled(provenance, change, with_classes):
    if not with_classes:
        provenance["report"]["classes"] = None
        provenance["data"]["class_names"] = ["one", "two"]
    card = card_of(provenance | change)
    assert "{{" not in card and "{%" not in card
    text = ModelCard(card).text
    assert "\n\n\n" not in text
    lines = text.splitlines()
    blocks = [number for number, line in enumerate(lines) if line.startswith(("#", "![", "```python", "```bash"))]
    assert len(blocks) > 12
    assert not [lines[number] for number in blocks if number and lines[number - 1]]  # each after an empty line
