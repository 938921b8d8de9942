"""A page that computes strict scores of predicted character spans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import evaluate
import gradio as gr
from evaluate.utils.gradio import parse_readme

HERE = Path(__file__).parent
PREDICTIONS = """[
  [{"start": 0, "end": 8, "label": "Name"}, {"start": 12, "end": 17, "label": "Company"}],
  []
]"""
REFERENCES = """[
  [{"start": 0, "end": 8, "label": "Name"}, {"start": 12, "end": 18, "label": "Company"}],
  []
]"""


def compute(predictions: str, references: str) -> dict[str, Any]:
    """The scores of spans in JSON; what is wrong with them is shown to the visitor."""
    predicted, gold = documents_in("predictions", predictions), documents_in("references", references)
    metric = evaluate.load(str(HERE / "strict_spans.py"), keep_in_memory=True)  # its own for each visitor
    try:
        return metric.compute(predictions=predicted, references=gold)
    except ValueError as error:
        raise gr.Error(str(error)) from None


def documents_in(name: str, text: str) -> list[list[dict[str, Any]]]:
    """For each document its list of spans."""
    try:
        documents = json.loads(text)
    except json.JSONDecodeError as error:
        raise gr.Error(f"{name}: not JSON ({error})") from None
    if not (
        isinstance(documents, list)
        and all(isinstance(spans, list) and all(isinstance(span, dict) for span in spans) for spans in documents)
    ):
        raise gr.Error(f"{name}: must be a list with a list of spans for each document")
    return documents


def page() -> gr.Blocks:
    """Spans in, scores out, and the metric's card below."""
    with gr.Blocks(title="Strict spans") as blocks:
        gr.Markdown("# Strict spans")
        gr.Markdown("For each document a list of spans, in JSON.")
        with gr.Row():
            predictions = gr.Code(PREDICTIONS, language="json", label="Predictions")
            references = gr.Code(REFERENCES, language="json", label="References")
        button = gr.Button("Compute", variant="primary")
        scores = gr.JSON(label="Scores")
        button.click(compute, [predictions, references], scores, api_name="compute")
        gr.Markdown(parse_readme(str(HERE / "README.md")))
    return blocks


if __name__ == "__main__":
    page().launch()
