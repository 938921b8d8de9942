"""Strict scores of named-entity recognition as a module of `evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import datasets
import evaluate

from .spans import Span, strict_scores

Spans = Iterable[Mapping[str, Any]]

DESCRIPTION = """\
Strict precision, recall and F1 of named-entity recognition on character spans: an entity is right if its start, end
and label are all right, whatever the tokenizer and the tagging scheme. It sees whole documents, repeated and
overlapping spans included. It gives no credit to a span that is off by one character, and does not say what kind of
error was made.
"""

CITATION = """\
@inproceedings{tjongkimsang2003introduction,
  title = {Introduction to the {C}o{NLL}-2003 Shared Task: Language-Independent Named Entity Recognition},
  author = {Tjong Kim Sang, Erik F. and De Meulder, Fien},
  booktitle = {Proceedings of the Seventh Conference on Natural Language Learning at {HLT}-{NAACL} 2003},
  pages = {142--147},
  year = {2003},
  url = {https://aclanthology.org/W03-0419}
}
"""

INPUTS_DESCRIPTION = """
Args:
    predictions: for each document the list of its predicted spans, dicts with `start`, `end` and `label`; offsets are
        characters, `end` is exclusive, and other keys are left out.
    references: for each document the list of its gold spans.

Returns:
    precision, recall, f1: micro averages over all spans, 0 to 1; a ratio whose denominator is 0 is 0.0.
    macro_f1: mean F1 of the labels that occur in predictions or references.
    support, predicted, correct: numbers of gold spans, of predicted spans, and of predicted spans that are right.
    per_label: for each label its precision, recall, f1, support, predicted and correct.

Examples:
    >>> import evaluate
    >>> gold = [[{"start": 0, "end": 8, "label": "Name"}, {"start": 12, "end": 18, "label": "Company"}], []]
    >>> predicted = [[{"start": 0, "end": 8, "label": "Name"}, {"start": 12, "end": 17, "label": "Company"}], []]
    >>> metric = evaluate.load("./strict_spans")
    >>> results = metric.compute(predictions=predicted, references=gold)
    >>> results["f1"], results["support"], results["per_label"]["Name"]["f1"]
    (0.5, 2, 1.0)
"""


class StrictSpans(evaluate.Metric):
    """Strict scores of predicted character spans."""

    def _info(self) -> evaluate.MetricInfo:
        span = {"start": datasets.Value("int64"), "end": datasets.Value("int64"), "label": datasets.Value("string")}
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS_DESCRIPTION,
            # not `Sequence`, which would turn a list of dicts into a dict of lists
            features=datasets.Features({"predictions": datasets.List(span), "references": datasets.List(span)}),
            reference_urls=["https://aclanthology.org/W03-0419"],
        )

    def add_batch(self, *, predictions: Iterable[Spans], references: Iterable[Spans] | None = None) -> None:
        """Add the predicted and the gold spans of documents."""
        if references is None:
            raise ValueError("the gold spans are needed as references")
        super().add_batch(
            predictions=[plain_spans(spans) for spans in predictions],
            references=[plain_spans(spans) for spans in references],
        )

    def add(self, *, prediction: Spans, reference: Spans) -> None:
        """Add the predicted and the gold spans of one document."""
        super().add(prediction=plain_spans(prediction), reference=plain_spans(reference))

    def _compute(self, predictions: list, references: list) -> dict[str, Any]:
        scores = strict_scores(references, predictions)
        per_label = {label: asdict(each) for label, each in scores.per_label.items()}
        return {**asdict(scores.micro), "macro_f1": scores.macro_f1, "per_label": per_label}


def plain_spans(spans: Spans) -> list[dict[str, Any]]:
    """The spans with start, end and label alone: `evaluate` stores nothing else."""
    return [Span.of(fields)._asdict() for fields in spans]
