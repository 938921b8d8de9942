"""Model cards: metadata that the Hub reads, and text rendered from what `hfloop.json` holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from huggingface_hub import eval_result_entries_to_yaml as entries_to_yaml

from hfloop import __version__
from hfloop.hub.card_text import code_blocks
from hfloop.hub.family import RenderedCard
from hfloop.hub.reproduction import energy, reproduction

_SOFTWARE = """@software{{hfloop,
  title   = {{hfloop: From a data file to a trained, honestly measured model that is ready for the Hugging Face Hub}},
  version = {{{version}}}
}}"""
_FIGURE = re.compile(r"-?\d[\d,]*(\.\d+)?(e-?\d+)?( ± [\d,.]+)?|–")


def render_text(template: str, model_id: str, context: dict[str, Any]) -> str:
    """The Markdown of a card.

    Args:
        template: a file of hub/templates, without its suffix.
        model_id: what the snippets load; the card's first line names it.
        context: the other values that the template names; a missing one is an error, never a blank.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hfloop.hub"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"line": on_one_line, "fenced": fenced}
    text = environment.get_template(f"{template}.md").render(context | {"model_id": model_id})
    header = (
        f"<!-- Rendered by hfloop {__version__} for `{model_id}`; text between hfloop's markers is rendered again "
        "with every release; write outside of them. -->"
    )
    return _with_single_empty_lines(f"{header}\n\n{text}")


def whole_card(card: RenderedCard) -> str:
    """README.md as it is where nobody has added to it: YAML metadata between `---` lines, then the Markdown."""
    return f"---\n{card.metadata.to_yaml()}\n---\n\n{card.text}"


def results_text(card: RenderedCard) -> str:
    """The headline figures in the Hub's newer format, the content of `.eval_results/hfloop.yaml`."""
    import yaml

    return yaml.safe_dump(entries_to_yaml(card.results), sort_keys=False, allow_unicode=True)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; figures (numbers, with ± or without, and dashes for missing ones) are right-aligned."""
    cells = [[_cell(value) for value in row] for row in rows]
    right = [all(_is_figure(row[column]) for row in cells) for column in range(len(header))]
    rule = ["---:" if is_number else "---" for is_number in right]
    return "\n".join("| " + " | ".join(row) + " |" for row in [[*map(_cell, header)], rule, *cells])


def code_span(text: str) -> str:
    """Inline code, whatever backticks the text holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{'`' * (longest + 1)}{padding}{on_one_line(text)}{padding}{'`' * (longest + 1)}"


def fenced(text: str, language: str) -> str:
    """A code block, whatever backticks the text holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def on_one_line(text: str) -> str:
    """The text with every stretch of white space made one blank."""
    return " ".join(text.split())


def common_context(provenance: Mapping[str, Any], paths: Iterable[str], citations: Sequence[str]) -> dict[str, Any]:
    """What the templates of all families name.

    Args:
        provenance: what the release's `hfloop.json` holds.
        paths: the settings that name files or folders of the machine that trained.
        citations: BibTeX of the method and of what it builds on; hfloop's own follows them.
    """
    return {
        "hfloop_version": provenance["hfloop_version"],
        "settings_table": settings_table(provenance["config"], provenance["non_default"]),
        "versions": ", ".join(f"{name} {number}" for name, number in provenance["versions"].items()),
        "energy": energy(provenance),
        "reproduction": reproduction(provenance, paths),
        "citations": [*citations, _SOFTWARE.format(version=provenance["hfloop_version"])],
    }


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
    return on_one_line(text).replace("|", "\\|")


def _is_figure(cell: str) -> bool:
    return _FIGURE.fullmatch(cell.strip("*")) is not None


def _with_single_empty_lines(text: str) -> str:
    """The Markdown without double empty lines, which parts that are left out leave behind; code stays as it is."""
    lines = text.split("\n")
    blocks, _ = code_blocks(lines)
    kept = [
        line
        for number, (line, block) in enumerate(zip(lines, blocks, strict=True))
        if line or block or not number or lines[number - 1]
    ]
    return "\n".join(kept)
