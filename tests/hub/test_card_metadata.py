from __future__ import annotations

import math

import pytest
import yaml

from hfloop.hub.metadata import check_metadata

RESULT = {
    "task": {"type": "token-classification"},
    "dataset": {"type": "someone/people", "name": "People"},
    "metrics": [{"type": "f1", "value": 0.5}],
}
GOOD = {
    "license": "apache-2.0",
    "language": ["en", "pt-BR", "code"],
    "tags": ["hfloop"],
    "datasets": ["imdb", "someone/people"],
    "metrics": ["f1"],
    "base_model": "someone/bert",
    "base_model_relation": "finetune",
    "library_name": "transformers",
    "pipeline_tag": "token-classification",
    "co2_eq_emissions": {"emissions": 1.5, "source": "codecarbon", "training_type": "fine-tuning"},
    "widget": [{"text": "Ada", "example_title": "A name"}],
    "model-index": [{"name": "people", "results": [RESULT]}],
    "whatever": {"people": ["add"]},
}


def test_metadata_as_the_hub_wants_it_is_fine():
    assert check_metadata(GOOD) == []
    assert check_metadata({}) == []
    assert check_metadata({"language": "en", "datasets": "imdb", "base_model": ["a/b"], "co2_eq_emissions": 3}) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("tags: hfloop", "tags must be a list, not `hfloop`"),
        ("tags: [1]", "tags holds `1`, which is no text"),
        ("language: [en, no]", "language holds `False`, which is no text: write it in quotes."),
        ("language: english", "language 'english' is no ISO 639 code"),
        ("license: Apache 2.0", "license 'Apache 2.0' is no identifier"),
        ("license: 2", "license holds `2`"),
        ("datasets: [a/b/c]", "datasets names 'a/b/c', which can be no data set of the Hub"),
        ("base_model: ./folder", "base_model names './folder', which can be no model of the Hub"),
        ("metrics: f1", "metrics must be a list"),
        ("library_name: [a]", "library_name must be one text, not `['a']`."),
        ("library_name:", "library_name must be one text, not nothing."),
        ("pipeline_tag: Token Classification", "pipeline_tag 'Token Classification' is no task"),
        ("base_model_relation: child", "base_model_relation 'child' is unknown"),
        ("widget: text", "widget must be a list"),
        ("widget: [{text: 1}]", "widget[0].text must be a text, not `1`."),
        ("co2_eq_emissions: much", "co2_eq_emissions must be grams"),
        ("co2_eq_emissions: {emissions: '3'}", "co2_eq_emissions must be grams"),
        ("co2_eq_emissions: {emissions: .nan}", "co2_eq_emissions must be grams"),
        ("co2_eq_emissions: {emissions: 3, source: 1}", "co2_eq_emissions.source must be a text, not `1`."),
        ("model-index: {}", "model-index must be a list"),
        ("model-index: [{results: []}]", "model-index[0].name is missing"),
        ("model-index: [{name: a}]", "model-index[0].results must be a list"),
    ],
)
def test_what_the_hub_would_not_take_is_named_by_its_key(change, said):
    (sentence,) = check_metadata(GOOD | yaml.safe_load(change))
    assert sentence.startswith(said) and sentence.endswith(".")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": {}}, "task.type is missing or no text"),
        ({"dataset": {"type": "a"}}, "dataset.name is missing or no text"),
        ({"metrics": []}, "metrics must be a list"),
        ({"metrics": [{"value": 1}]}, "metrics[0].type is missing or no text"),
        ({"metrics": [{"type": "f1"}]}, "metrics[0].value must be a finite number, not nothing."),
        ({"metrics": [{"type": "f1", "value": "0.5"}]}, "metrics[0].value must be a finite number, not `0.5`."),
        ({"metrics": [{"type": "f1", "value": True}]}, "metrics[0].value must be a finite number, not `True`."),
        ({"metrics": [{"type": "f1", "value": math.inf}]}, "metrics[0].value must be a finite number, not `inf`."),
    ],
)
def test_a_figure_that_the_hub_would_drop_is_named_by_its_place(change, said):
    (sentence,) = check_metadata({"model-index": [{"name": "a", "results": [RESULT, RESULT | change]}]})
    assert sentence.startswith(f"model-index[0].results[1].{said}")
