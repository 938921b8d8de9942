"""Model cards: metadata that the Hub reads, and text rendered from what `hfloop.json` holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResultEntry, ModelCardData
from huggingface_hub import eval_result_entries_to_yaml as entries_to_yaml

from hfloop.files import write_text
from hfloop.release import CARD_FILE

_FIGURE = re.compile(r"-?\d[\d,]*(\.\d+)?(e-?\d+)?( ± [\d,.]+)?|–")


def render_card(template: str, metadata: ModelCardData, context: dict[str, Any]) -> str:
    """A card: YAML metadata between `---` lines, then the template's Markdown.

    Args:
        template: a file of hub/templates, without its suffix.
        metadata: what goes above the text.
        context: the values that the template names; a missing one is an error, never a blank.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    source = (resources.files("hfloop.hub") / "templates" / f"{template}.md").read_text(encoding="utf-8")
    return f"---\n{metadata.to_yaml()}\n---\n\n{environment.from_string(source).render(context)}"


def write_card(folder: Path, card: str, results: list[EvalResultEntry]) -> None:
    """Write README.md and the same figures in the Hub's newer format, .eval_results/hfloop.yaml."""
    import yaml

    write_text(folder / CARD_FILE, card)
    (folder / ".eval_results").mkdir(exist_ok=True)
    text = yaml.safe_dump(entries_to_yaml(results), sort_keys=False, allow_unicode=True)
    write_text(folder / ".eval_results" / "hfloop.yaml", text)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; figures (numbers, with ± or without, and dashes for missing ones) are right-aligned."""
    cells = [[_cell(value) for value in row] for row in rows]
    right = [all(_is_figure(row[column]) for row in cells) for column in range(len(header))]
    rule = ["---:" if is_number else "---" for is_number in right]
    return "\n".join("| " + " | ".join(row) + " |" for row in [[*map(_cell, header)], rule, *cells])


def settings_table(config: Mapping[str, Any], non_default: Sequence[str]) -> str:
    """Settings that shaped the weights or were chosen by hand, those chosen by hand first and in bold."""
    chosen = [[f"**{name}**", f"**{config[name]}**"] for name in non_default if name in config]
    rest = [[name, value] for name, value in config.items() if name not in non_default]
    return markdown_table(["setting", "value"], [*chosen, *rest])


def dataset_id(data: Mapping[str, Any]) -> str:
    """The Hub id of the data, or a name under `local/` that no Hub user can own a data set by.

    Args:
        data: has `hub_id`, which may be None, and `name`.
    """
    return data["hub_id"] or "local/" + (re.sub(r"[^a-z0-9]+", "-", data["name"].lower()).strip("-") or "data")


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _is_figure(cell: str) -> bool:
    return _FIGURE.fullmatch(cell.strip("*")) is not None
