"""How right predicted entities are: strict character spans, what kind of errors remain, and how sure the figure is.

Every ratio whose denominator is 0 counts as 0.0 (scikit-learn's `zero_division=0`), so a model that predicts nothing
where there is nothing to find scores 0, not 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hfloop.ner.decoding import split_words, tags_from_spans
from hfloop.ner.documents import Document, Span

MISSED = "missed"
SPURIOUS = "spurious"
Pair = tuple[Span | None, Span | None]


@dataclass(frozen=True)
class ErrorCounts:
    """What became of the gold and the predicted entities, matched one to one by :func:`match_spans`.

    `correct + boundary + type + missed` is the number of gold entities, and over all labels
    `correct + boundary + type + spurious` is the number of predicted ones.
    """

    correct: int = 0
    boundary: int = 0
    type: int = 0
    missed: int = 0
    spurious: int = 0


@dataclass(frozen=True)
class LabelScores:
    """One label's strict scores, 0 to 1, and counts of gold (`support`), predicted and correct entities.

    `errors` counts a pair under its gold label, and a spurious entity under its predicted label.
    """

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int
    correct: int
    errors: ErrorCounts


@dataclass(frozen=True)
class NerScores:
    """The scores of predictions against complete gold documents; see :func:`score`.

    `confusion[i][j]` counts matched pairs with gold label `labels[i]` and predicted label `labels[j]`, whatever their
    borders; the extra last column counts missed, the extra last row spurious entities.
    """

    precision: float
    recall: float
    f1: float
    f1_interval: tuple[float, float]
    support: int
    predicted: int
    correct: int
    macro_f1: float
    per_label: dict[str, LabelScores]
    errors: ErrorCounts
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    documents: int
    n_resamples: int
    seed: int

    @property
    def protocol(self) -> str:
        """What was measured and how, in one sentence for a card."""
        return (
            "strict character spans (start, end and label must be equal), micro average over "
            f"{self.documents} complete documents; interval: 95 % percentile bootstrap over documents, "
            f"{self.n_resamples} resamples, seed {self.seed}"
        )

    def to_dict(self) -> dict[str, Any]:
        """All figures and their protocol, ready for JSON."""
        figures = asdict(self)
        figures["f1_interval"] = list(self.f1_interval)
        figures["confusion"] = {
            "gold": [*self.labels, SPURIOUS],
            "predicted": [*self.labels, MISSED],
            "counts": [list(row) for row in self.confusion],
        }
        figures.pop("labels")
        return {"protocol": self.protocol, **figures}

    def table(self) -> str:
        """An aligned table for people: labels by support, the averages, the errors, the interval."""
        by_support = sorted(self.per_label.items(), key=lambda item: (-item[1].support, item[0]))
        width = max(len("label"), len("micro"), *(len(label) for label in self.per_label), 0)
        lines = [f"{'label':<{width}}  precision  recall      F1  support  predicted"]
        lines += [_table_row(label, width, scores) for label, scores in by_support]
        lines += [
            "─" * len(lines[0]),
            _table_row("micro", width, self),
            f"{'macro':<{width}}  {'':9}  {'':6}  {self.macro_f1:6.3f}",
            "",
            "gold:      " + _counts(self.errors, ("correct", "boundary", "type", MISSED)),
            "predicted: " + _counts(self.errors, ("correct", "boundary", "type", SPURIOUS)),
            f"micro F1 {self.f1:.3f}, 95 % interval {self.f1_interval[0]:.3f} to {self.f1_interval[1]:.3f} "
            f"over {self.documents} documents",
        ]
        return "\n".join(lines)


def score(
    references: Sequence[Document],
    predictions: Sequence[Sequence[Span]],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> NerScores:
    """Score predicted spans against the gold spans of complete documents.

    The headline is the micro average of strict matches: start, end and label must be equal. Macro F1 is the mean over
    the labels that occur in gold or predictions.

    Args:
        references: the gold documents.
        predictions: for each document its predicted spans, which do not overlap.
        n_resamples: bootstrap resamples of the documents (Efron 1979) behind `f1_interval`.
        seed: seed of the resampling; the interval does not depend on the order of the documents.

    Raises:
        ValueError: there are no documents, or not as many predictions as documents.
    """
    if not references:
        raise ValueError("there are no documents to score")
    pairs_of_documents = [
        match_spans(document.spans, predicted) for document, predicted in zip(references, predictions, strict=True)
    ]
    pairs = [pair for document_pairs in pairs_of_documents for pair in document_pairs]
    labels = sorted({span.label for pair in pairs for span in pair if span})
    per_label = {label: _label_scores(label, pairs) for label in labels}
    errors = ErrorCounts(**Counter(_kind(pair) for pair in pairs))
    support = sum(scores.support for scores in per_label.values())
    predicted = sum(scores.predicted for scores in per_label.values())
    tallies = np.array([_tally(document_pairs) for document_pairs in pairs_of_documents])
    return NerScores(
        precision=_ratio(errors.correct, predicted),
        recall=_ratio(errors.correct, support),
        f1=_ratio(2 * errors.correct, support + predicted),
        f1_interval=_bootstrap_interval(tallies, n_resamples, seed),
        support=support,
        predicted=predicted,
        correct=errors.correct,
        macro_f1=_ratio(sum(scores.f1 for scores in per_label.values()), len(labels)),
        per_label=per_label,
        errors=errors,
        labels=tuple(labels),
        confusion=_confusion(labels, pairs),
        documents=len(references),
        n_resamples=n_resamples,
        seed=seed,
    )


def match_spans(gold: Sequence[Span], predicted: Sequence[Span]) -> list[Pair]:
    """Pair gold and predicted spans one to one; what finds no partner is paired with None.

    Partners are found in four rounds, each among the spans that the rounds before left over: equal span and label
    (correct); equal span, other label (type); overlap with the same label (boundary); overlap with another label (type
    as well, though its border is wrong too). Within a round the largest overlap goes first, then the earlier span.
    Gold spans left over are missed, predicted ones spurious.
    """
    gold, predicted = sorted(gold), sorted(predicted)
    candidates = []
    for g, gold_span in enumerate(gold):
        for p, predicted_span in enumerate(predicted):
            overlap = min(gold_span.end, predicted_span.end) - max(gold_span.start, predicted_span.start)
            if overlap > 0:
                same_place = _place(gold_span) == _place(predicted_span)
                same_label = gold_span.label == predicted_span.label
                match_round = (0 if same_place else 2) + (0 if same_label else 1)
                candidates.append((match_round, -overlap, g, p))
    partner_of_gold: dict[int, int] = {}
    partner_of_predicted: dict[int, int] = {}
    for _, _, g, p in sorted(candidates):
        if g not in partner_of_gold and p not in partner_of_predicted:
            partner_of_gold[g] = p
            partner_of_predicted[p] = g
    pairs: list[Pair] = [
        (span, predicted[partner_of_gold[g]] if g in partner_of_gold else None) for g, span in enumerate(gold)
    ]
    return pairs + [(None, span) for p, span in enumerate(predicted) if p not in partner_of_predicted]


def seqeval_strict(references: Sequence[Document], predictions: Sequence[Sequence[Span]]) -> dict[str, Any]:
    """The figure others report: seqeval's micro scores over words, strict mode, IOB2.

    Texts are split by :func:`hfloop.ner.decoding.split_words`, and a word belongs to the span that covers its first
    character. A span that does not begin and end at word borders is not represented faithfully: the dictionary counts
    these as `unaligned_gold` and `unaligned_predicted`. Without any, the scores are those of :func:`score`.

    Raises:
        ValueError: there are no documents, or not as many predictions as documents.
    """
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2

    if not references:
        raise ValueError("there are no documents to score")
    gold_tags, predicted_tags = [], []
    unaligned_gold = unaligned_predicted = 0
    for document, predicted in zip(references, predictions, strict=True):
        words = split_words(document.text)
        gold_tags.append(tags_from_spans(document.spans, words))
        predicted_tags.append(tags_from_spans(predicted, words))
        unaligned_gold += _count_unaligned(document.spans, words)
        unaligned_predicted += _count_unaligned(predicted, words)
    precision, recall, f1, support = precision_recall_fscore_support(
        gold_tags, predicted_tags, average="micro", scheme=IOB2, zero_division=0
    )
    return {
        "protocol": "seqeval, strict mode, IOB2, micro average over words of complete documents",
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "support": int(support),
        "unaligned_gold": unaligned_gold,
        "unaligned_predicted": unaligned_predicted,
    }


def coverage(references: Sequence[Document], seen: Sequence[Sequence[tuple[int, int]]]) -> float:
    """The share, 0 to 1, of the characters that are not blank and lie in a word that the model saw.

    Less than 1 means that scores count entities that the model could not find. Documents of blanks alone are covered.

    Args:
        references: the documents.
        seen: for each document, the half-open character ranges of the words that the model saw.
    """
    covered = total = 0
    for document, ranges in zip(references, seen, strict=True):
        visible = np.array([not character.isspace() for character in document.text], dtype=bool)
        saw = np.zeros(len(visible), dtype=bool)
        for start, end in ranges:
            saw[start:end] = True
        covered += int((visible & saw).sum())
        total += int(visible.sum())
    return covered / total if total else 1.0


def _place(span: Span) -> tuple[int, int]:
    return span.start, span.end


def _kind(pair: Pair) -> str:
    gold, predicted = pair
    if gold is None:
        return SPURIOUS
    if predicted is None:
        return MISSED
    if gold.label != predicted.label:
        return "type"
    return "correct" if _place(gold) == _place(predicted) else "boundary"


def _tally(pairs: Sequence[Pair]) -> tuple[int, int, int]:
    """The numbers of correct, gold and predicted spans in `pairs`."""
    correct = sum(_kind(pair) == "correct" for pair in pairs)
    return correct, sum(gold is not None for gold, _ in pairs), sum(predicted is not None for _, predicted in pairs)


def _label_scores(label: str, pairs: Sequence[Pair]) -> LabelScores:
    of_gold = [pair for pair in pairs if pair[0] and pair[0].label == label]
    spurious = sum(gold is None and predicted is not None and predicted.label == label for gold, predicted in pairs)
    errors = ErrorCounts(**Counter(_kind(pair) for pair in of_gold), spurious=spurious)
    support = len(of_gold)
    predicted = sum(predicted is not None and predicted.label == label for _, predicted in pairs)
    return LabelScores(
        precision=_ratio(errors.correct, predicted),
        recall=_ratio(errors.correct, support),
        f1=_ratio(2 * errors.correct, support + predicted),
        support=support,
        predicted=predicted,
        correct=errors.correct,
        errors=errors,
    )


def _confusion(labels: Sequence[str], pairs: Sequence[Pair]) -> tuple[tuple[int, ...], ...]:
    place = {label: index for index, label in enumerate(labels)}
    counts = [[0] * (len(labels) + 1) for _ in range(len(labels) + 1)]
    for gold, predicted in pairs:
        row = place[gold.label] if gold else len(labels)
        column = place[predicted.label] if predicted else len(labels)
        counts[row][column] += 1
    return tuple(tuple(row) for row in counts)


def _bootstrap_interval(tallies: npt.NDArray[np.int64], n_resamples: int, seed: int) -> tuple[float, float]:
    """The 2.5 and 97.5 % percentiles of the micro F1 over resampled documents, from each document's `_tally`."""
    # Documents with equal tallies are interchangeable: drawing how often each kind occurs is the same experiment.
    kinds, frequency = np.unique(tallies, axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(len(tallies), frequency / len(tallies), size=n_resamples)
    correct, gold, predicted = (draws @ kinds).T
    f1 = 2 * correct / np.maximum(gold + predicted, 1)
    low, high = np.percentile(f1, [2.5, 97.5])
    return float(low), float(high)


def _count_unaligned(spans: Sequence[Span], words: Sequence[tuple[int, int]]) -> int:
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    return sum(span.start not in starts or span.end not in ends for span in spans)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _table_row(name: str, width: int, scores: LabelScores | NerScores) -> str:
    ratios = f"{scores.precision:9.3f}  {scores.recall:6.3f}  {scores.f1:6.3f}"
    return f"{name:<{width}}  {ratios}  {scores.support:7d}  {scores.predicted:9d}"


def _counts(errors: ErrorCounts, kinds: Sequence[str]) -> str:
    return ", ".join(f"{getattr(errors, kind)} {kind}" for kind in kinds)
