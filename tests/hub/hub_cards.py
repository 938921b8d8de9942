"""How the Hub judges the front matter of a README: what is an error, what is a warning, in its words."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

FRONT_MATTER = re.compile(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))")
_LICENSES = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl
lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0
openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown
other
"""
LICENSES = _LICENSES.split()
_COLORS = ["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]
_SDKS = ["gradio", "docker", "static", "streamlit"]
_DATASET = re.compile(r"(?:[\w-]+/)?[\w.-]+", re.ASCII)
_NO_METADATA = "empty or missing yaml metadata in repo card"


class _JsYaml(yaml.SafeLoader):
    """YAML 1.2 as the Hub reads it: `no` and `yes` are words, a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                mark = node.value[position][0].start_mark
                raise yaml.MarkedYAMLError(problem=f"duplicated mapping key: {key}", problem_mark=mark)
        return super().construct_mapping(node, deep)


_JsYaml.yaml_implicit_resolvers = {
    letter: [(tag, regex) for tag, regex in resolvers if not tag.endswith(":bool")]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_JsYaml.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def metadata(content: str) -> dict[str, Any]:
    """The front matter of a README; an empty dict where it has none.

    Raises:
        yaml.YAMLError: it is not valid YAML.
        TypeError: it is something other than a mapping.
    """
    block = FRONT_MATTER.search(content)
    read = yaml.load(block[2], _JsYaml) if block else None
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise TypeError("repo card metadata block should be a dict")
    return read


def judge(content: str, kind: str) -> tuple[list[str], list[str]]:
    """The errors and warnings of a README of a model, dataset or space."""
    try:
        card = metadata(content)
    except yaml.YAMLError as error:
        return [f"YAML metadata is invalid: {error}"], []
    except TypeError as error:
        return [str(error)], []
    if not card:
        return [], [_NO_METADATA]
    errors = _of_every_card(card)
    if kind == "model":
        errors += _of_models(card)
    if kind == "space":
        errors += _of_spaces(card)
    return errors, []


def _one_of(name: str, value: Any, known: list[str]) -> list[str]:
    return [] if value in known else [f'"{name}" must be one of [{", ".join(known)}]']


def _strings(name: str, value: Any) -> list[str]:
    """The complaints about something that must be a string or a list of strings."""
    if isinstance(value, str):
        return []
    if not isinstance(value, list):
        return [f'"{name}" must be one of [string, array]']
    return [f'"{name}[{n}]" must be a string' for n, each in enumerate(value) if not isinstance(each, str)]


def _list(name: str, value: Any) -> list[str]:
    return _strings(name, value) if isinstance(value, list) else [f'"{name}" must be an array']


def _of_every_card(card: dict[str, Any]) -> list[str]:
    errors = []
    if "license" in card:
        names = card["license"] if isinstance(card["license"], list) else [card["license"]]
        if any(name not in LICENSES for name in names):
            errors += [f'"license" must be one of [{", ".join(LICENSES)}, array]']
    if "tags" in card:
        errors += _list("tags", card["tags"])
    if "language" in card:
        errors += _strings("language", card["language"]) or _languages(card["language"])
    for name in ("license_name", "license_link", "pretty_name"):
        if name in card and not isinstance(card[name], str):
            errors.append(f'"{name}" must be a string')
    return errors


def _languages(value: str | list[str]) -> list[str]:
    errors = []
    for n, code in enumerate([value] if isinstance(value, str) else value):
        name = "language" if isinstance(value, str) else f"language[{n}]"
        if code != code.lower():
            errors.append(f'"{name}" must only contain lowercase characters')
        elif not re.fullmatch(r"[a-z]{2,3}|code|multilingual", code):
            errors.append(
                f'"{name}" with value "{code}" is not valid. It must be an ISO 639-1, 639-2 or 639-3 code (two/three '
                'letters), or a special value like "code", "multilingual". If you want to use BCP-47 identifiers, you '
                "can specify them in language_bcp47."
            )
    return errors


def _of_models(card: dict[str, Any]) -> list[str]:
    errors = []
    for name in ("library_name", "pipeline_tag", "inference", "base_model_relation"):
        if name in card and not isinstance(card[name], str | bool if name == "inference" else str):
            errors.append(f'"{name}" must be a string')
    if "datasets" in card:
        errors += _strings("datasets", card["datasets"]) or _ids("datasets", card["datasets"])
    if "base_model" in card:
        errors += _strings("base_model", card["base_model"]) or _base_models(card["base_model"])
    if "metrics" in card:
        errors += _strings("metrics", card["metrics"])
    if "widget" in card and not isinstance(card["widget"], list):
        errors.append('"widget" must be an array')
    if "model-index" in card:
        errors += _model_index(card["model-index"])
    return errors


def _ids(name: str, value: str | list[str]) -> list[str]:
    values = [value] if isinstance(value, str) else value
    return [error for n, each in enumerate(values) for error in _pattern(f"{name}[{n}]", each)]


def _pattern(name: str, value: str) -> list[str]:
    said = f'"{name}" with value "{value}" fails to match the required pattern: /^(?:[\\w-]+\\/)?[\\w-.]+$/'
    return [] if _DATASET.fullmatch(value) else [said]


def _base_models(value: str | list[str]) -> list[str]:
    return [
        f'"base_model" with value "{each}" is not valid. Use a model id from https://hf.co/models.'
        for each in ([value] if isinstance(value, str) else value)
        if not re.fullmatch(r"(?:[\w-][\w.-]*/)?[\w-][\w.-]*", each, re.ASCII)
    ]


def _model_index(value: Any) -> list[str]:
    """model-index: models with a name and results; results with a task, a dataset and metrics."""
    if not isinstance(value, list):
        return ['"model-index" must be an array']
    errors = []
    for n, model in enumerate(value):
        place = f"model-index[{n}]"
        errors += _required(place, model, {"name": str, "results": list})
        results = model.get("results") if isinstance(model, dict) else None
        for m, result in enumerate(results if isinstance(results, list) else []):
            errors += _result(f"{place}.results[{m}]", result)
    return errors


def _result(place: str, result: Any) -> list[str]:
    errors = _required(place, result, {"task": dict, "metrics": list})
    if errors:
        return errors
    errors += _required(f"{place}.task", result["task"], {"type": str})
    if "dataset" in result:
        errors += _required(f"{place}.dataset", result["dataset"], {"type": str, "name": str})
        if not errors:
            errors += _pattern(f"{place}.dataset.type", result["dataset"]["type"])
    for n, metric in enumerate(result["metrics"]):
        errors += _required(f"{place}.metrics[{n}]", metric, {"type": str, "value": object})
    if "source" in result:
        errors += _required(f"{place}.source", result["source"], {"url": str})
    return errors


def _required(place: str, value: Any, types: dict[str, type]) -> list[str]:
    said: dict[type, str] = {str: "a string", list: "an array", dict: "of type object"}
    if not isinstance(value, dict):
        return [f'"{place}" must be of type object']
    errors = []
    for name, wanted in types.items():
        if value.get(name) is None:
            errors.append(f'"{place}.{name}" is required')
        elif not isinstance(value[name], wanted):
            errors.append(f'"{place}.{name}" must be {said[wanted]}')
    return errors


def _of_spaces(card: dict[str, Any]) -> list[str]:
    errors = []
    for name, known in (("sdk", _SDKS), ("colorFrom", _COLORS), ("colorTo", _COLORS)):
        if name in card:
            errors += _one_of(name, card[name], known)
    for name in ("sdk_version", "python_version"):
        if name in card and not isinstance(card[name], str):
            errors.append(f'"{name}" must be a string')
        elif not re.fullmatch(r"\d+(\.\d+){0,2}([a-z]+\d+)?", card.get(name, "1")):
            errors.append(f'"{name}" must be a valid version')
    for name in ("title", "emoji", "app_file", "app_port"):
        if name in card and not isinstance(card[name], int if name == "app_port" else str):
            errors.append(f'"{name}" must be a {"number" if name == "app_port" else "string"}')
    for name in ("models", "datasets"):
        if name in card:
            errors += _list(name, card[name])
    if "pinned" in card and not isinstance(card["pinned"], bool):
        errors.append('"pinned" must be a boolean')
    if len(str(card.get("short_description", ""))) > 60:
        errors.append('"short_description" length must be less than or equal to 60 characters long')
    return errors
