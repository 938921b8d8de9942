"""What the Hub expects of a card's metadata, checked here, so that nothing is refused or silently dropped there."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from reprlib import Repr
from typing import Any

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

_WORDS = ("library_name", "pipeline_tag", "license_name", "license_link", "base_model_relation")
_RELATIONS = ("adapter", "finetune", "merge", "quantized")
_LISTS = ("tags", "metrics")
_WORDS_OR_LISTS = ("language", "license", "datasets", "base_model")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*|code|multilingual")
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_PIPELINE_TAG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_MOST_SHOWN = 200  # characters
_CO2_TEXTS = ("source", "training_type", "geographical_location", "hardware_used")


def check_metadata(metadata: dict[str, Any]) -> list[str]:
    """What the Hub would refuse or drop in a card's metadata: a sentence for each, naming the key and the mend.

    Args:
        metadata: the keys between a card's `---` lines; the Hub has no opinion on keys that it does not know.
    """
    return [
        *_of_types(metadata),
        *_of_values(metadata),
        *_of_widget(metadata),
        *_of_emissions(metadata),
        *check_model_index(metadata.get("model-index")),
    ]


def check_model_index(index: Any) -> list[str]:
    """What is wrong with the figures in the metadata, a sentence for each.

    Args:
        index: the value of `model-index`; None where there is none.
    """
    if index is None:
        return []
    if not isinstance(index, list) or not all(isinstance(model, dict) for model in index):
        return ["model-index must be a list with one entry, which has `name` and `results`."]
    said = []
    for number, model in enumerate(index):
        place = f"model-index[{number}]"
        if not _is_text(model.get("name")):
            said.append(f"{place}.name is missing: give the model's name.")
        results = model.get("results")
        if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
            said.append(f"{place}.results must be a list of entries with `task`, `dataset` and `metrics`.")
            continue
        for each, result in enumerate(results):
            said += _of_result(result, f"{place}.results[{each}]")
    return said


def _of_types(metadata: dict[str, Any]) -> Iterator[str]:
    for key in _WORDS:
        if key in metadata and not _is_text(metadata[key]):
            yield f"{key} must be one text, not {_shown(metadata[key])}."
    for key in (*_LISTS, *_WORDS_OR_LISTS):
        value = metadata.get(key, [])
        if key in _WORDS_OR_LISTS and not isinstance(value, list):
            value = [value]
        if not isinstance(value, list):
            yield f"{key} must be a list, not {_shown(value)}: write each entry on a line of its own, after `- `."
        else:
            for entry in value:
                if not _is_text(entry):
                    yield f"{key} holds {_shown(entry)}, which is no text: write it in quotes."


def _of_values(metadata: dict[str, Any]) -> Iterator[str]:
    for code in _texts(metadata.get("language")):
        if not _LANGUAGE.fullmatch(code):
            yield f"language {code!r} is no ISO 639 code: write en, de or pt, say, multilingual or code."
    for license in _texts(metadata.get("license")):
        if not _LICENSE.fullmatch(license):
            yield f"license {license!r} is no identifier of the Hub's: write apache-2.0 or mit, say, or other."
    for key, kind in (("datasets", "data set"), ("base_model", "model")):
        for name in _texts(metadata.get(key)):
            try:
                validate_repo_id(name)
            except HFValidationError:
                yield f"{key} names {name!r}, which can be no {kind} of the Hub: write USER/NAME, or take it out."
    for tag in _texts(metadata.get("pipeline_tag")):
        if not _PIPELINE_TAG.fullmatch(tag):
            yield f"pipeline_tag {tag!r} is no task of the Hub: write one such as token-classification."
    for relation in _texts(metadata.get("base_model_relation")):
        if relation not in _RELATIONS:
            yield f"base_model_relation {relation!r} is unknown: write {', '.join(_RELATIONS)}."


def _of_widget(metadata: dict[str, Any]) -> Iterator[str]:
    widget = metadata.get("widget", [])
    if not isinstance(widget, list) or not all(isinstance(example, dict) for example in widget):
        yield "widget must be a list of examples such as `- text: …`."
        return
    for number, example in enumerate(widget):
        for key in ("text", "example_title"):
            if key in example and not _is_text(example[key]):
                yield f"widget[{number}].{key} must be a text, not {_shown(example[key])}."


def _of_emissions(metadata: dict[str, Any]) -> Iterator[str]:
    emissions = metadata.get("co2_eq_emissions")
    if emissions is None or _is_number(emissions):
        return
    if not isinstance(emissions, dict) or not _is_number(emissions.get("emissions")):
        yield "co2_eq_emissions must be grams of CO2 as a number, or have them as a number under `emissions`."
        return
    for key in _CO2_TEXTS:
        if key in emissions and not _is_text(emissions[key]):
            yield f"co2_eq_emissions.{key} must be a text, not {_shown(emissions[key])}."


def _of_result(result: dict[str, Any], place: str) -> Iterator[str]:
    for part, keys in (("task", ("type",)), ("dataset", ("type", "name"))):
        found = result.get(part)
        for key in keys:
            if not isinstance(found, dict) or not _is_text(found.get(key)):
                yield f"{place}.{part}.{key} is missing or no text: say it."
    metrics = result.get("metrics")
    if not isinstance(metrics, list) or not metrics or not all(isinstance(metric, dict) for metric in metrics):
        yield f"{place}.metrics must be a list of entries with `type` and `value`."
        return
    for number, metric in enumerate(metrics):
        if not _is_text(metric.get("type")):
            yield f"{place}.metrics[{number}].type is missing or no text: name the metric."
        if not _is_number(metric.get("value")):
            yield f"{place}.metrics[{number}].value must be a finite number, not {_shown(metric.get('value'))}."


def _texts(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if _is_text(each)]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"`{as_said(value)}`"[:80]


def in_short(value: Any) -> str:
    """A value as Python writes it, in at most 200 characters; of YAML's aliases, which can unfold without end, too."""
    brief = Repr()
    brief.maxlevel, brief.maxlist, brief.maxdict = 3, 10, 10
    brief.maxstring = brief.maxlong = brief.maxother = 200
    return cut(brief.repr(value))


def as_said(value: Any) -> str:
    """The same of a text without quotes."""
    return cut(value) if isinstance(value, str) else in_short(value)


def cut(text: str) -> str:
    """The first 200 characters of a text that somebody else wrote."""
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"
