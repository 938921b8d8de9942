"""Strict scores of named-entity recognition: an entity counts if its start, end and label are all right.

This is the exact match of the CoNLL shared tasks (Tjong Kim Sang and De Meulder 2003,
https://aclanthology.org/W03-0419/), on character offsets in place of tags of words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple


class Span(NamedTuple):
    """An entity at the characters from `start` up to, but not including, `end`."""

    start: int
    end: int
    label: str

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Span:
        """The span that `fields` describes; what they say besides start, end and label is left out.

        Raises:
            ValueError: one of the three is missing or of another type.
        """
        if not isinstance(fields, Mapping):
            raise ValueError(f"a span is a dictionary with start, end and label, not {fields!r}")
        start, end, label = fields.get("start"), fields.get("end"), fields.get("label")
        if not (isinstance(start, Integral) and isinstance(end, Integral) and isinstance(label, str)):
            raise ValueError(f"a span needs whole numbers as start and end and a string as label, not {dict(fields)}")
        return cls(int(start), int(end), label)


@dataclass(frozen=True)
class Scores:
    """Precision, recall and F1, 0 to 1; a ratio whose denominator is 0 is 0.0.

    Attributes:
        precision: the share of the predicted spans that are right.
        recall: the share of the gold spans that were found.
        f1: the harmonic mean of the two.
        support: how many gold spans there are.
        predicted: how many spans were predicted.
        correct: how many of them are right.
    """

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int
    correct: int

    @classmethod
    def of(cls, *, support: int, predicted: int, correct: int) -> Scores:
        """The scores that follow from the three counts."""
        return cls(
            precision=_ratio(correct, predicted),
            recall=_ratio(correct, support),
            f1=_ratio(2 * correct, support + predicted),
            support=support,
            predicted=predicted,
            correct=correct,
        )


@dataclass(frozen=True)
class StrictScores:
    """The scores of all spans together, and of each label.

    Attributes:
        micro: of all spans, whatever their label.
        macro_f1: the mean F1 of the labels that occur in the gold or the predicted spans.
        per_label: those labels, sorted.
    """

    micro: Scores
    macro_f1: float
    per_label: dict[str, Scores]


def strict_scores(
    references: Sequence[Sequence[Mapping[str, Any]]], predictions: Sequence[Sequence[Mapping[str, Any]]]
) -> StrictScores:
    """Score predicted spans against gold spans; a span that occurs several times in a document counts as often.

    Args:
        references: the gold spans of each document, with the keys `start`, `end` and `label`.
        predictions: the predicted spans of each document, in the same order.

    Raises:
        ValueError: there are not as many predictions as documents, or a span has no start, end or label.
    """
    support: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for gold_fields, predicted_fields in zip(references, predictions, strict=True):
        gold, found = Counter(map(Span.of, gold_fields)), Counter(map(Span.of, predicted_fields))
        support.update(span.label for span in gold.elements())
        predicted.update(span.label for span in found.elements())
        correct.update(span.label for span in (gold & found).elements())
    per_label = {
        label: Scores.of(support=support[label], predicted=predicted[label], correct=correct[label])
        for label in sorted(support | predicted)
    }
    return StrictScores(
        micro=Scores.of(support=support.total(), predicted=predicted.total(), correct=correct.total()),
        macro_f1=_ratio(sum(scores.f1 for scores in per_label.values()), len(per_label)),
        per_label=per_label,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
