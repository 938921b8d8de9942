"""What a user of a token classifier must know, each a sentence that holds for its data and figures."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hfloop.hub.card import code_span
from hfloop.ner.corpus import Corpus
from hfloop.ner.documents import Document
from hfloop.ner.evaluation import NerReport

FEW = 20  # entities that a figure rests on, or that a label was learned from
WEAK_F1 = 0.5
OFTEN_UNLIKE = 0.1  # of a label's entities, that do not look like what it is called
LONG = 30  # words of an entity where half of its label's are at most a quarter as long


@dataclass(frozen=True)
class _Look:
    """How what a label is called usually looks.

    Attributes:
        name: of labels, in lower case.
        pattern: what is somewhere in such an entity.
        lacking: what those without it do.
    """

    name: re.Pattern[str]
    pattern: re.Pattern[str]
    lacking: str


_LOOKS = (
    _Look(re.compile(r"e ?mail"), re.compile("@"), "hold no @"),
    _Look(re.compile(r"\b(phone|telephone|mobile|fax)\b"), re.compile(r"(\d\D*){6}"), "hold fewer than six digits"),
    _Look(re.compile(r"\b(url|website|homepage)\b"), re.compile(r"\w[./]\w"), "hold no dot or slash between letters"),
    _Look(re.compile(r"\b(year|date)\b"), re.compile(r"\d"), "hold no digit"),
)
_WEB_ADDRESS = re.compile(r"https?:|www\.|\w\.[a-z]{2,}/", re.IGNORECASE)


def limits(corpus: Corpus, report: NerReport) -> Iterator[str]:
    """The sentences; they tell counts of the data and never quote it.

    Args:
        corpus: the data.
        report: figures measured on it.
    """
    if corpus.name == "sample resumes":
        yield (
            "Trained on invented resumes of regular making: expect much lower scores on real ones; "
            "train on your own data before use."
        )
    words = sum(len(document.text.split()) for document in corpus.train)
    yield f"Learned from {len(corpus.train):,} documents ({words:,} words); what these do not show was not learned."
    yield from limits_of_labels(corpus.train)
    per_label = report.scores.per_label.items()
    if rare := [label for label, scores in per_label if scores.support < FEW]:
        yield f"Fewer than {FEW} gold entities are behind the figures of: {', '.join(rare)}."
    if weak := [label for label, scores in per_label if scores.support and scores.f1 < WEAK_F1]:
        yield f"Found less than half right (F1 below {WEAK_F1}): {', '.join(weak)}."
    if report.coverage < 1:
        unread = 100 * (1 - report.coverage)
        yield f"The tokenizer drops some characters: {unread:.2f} % of the text was not read."
    yield "What is particular to regions, languages and trades outside the training data may be missed."


def limits_of_labels(documents: Sequence[Document]) -> Iterator[str]:
    """What training documents mean by their labels, where the names alone would mislead."""
    entities: defaultdict[str, list[str]] = defaultdict(list)
    for document in documents:
        for span in document.spans:
            entities[span.label].append(document.span_text(span))
    if few := [label for label, texts in sorted(entities.items()) if len(texts) < FEW]:
        yield f"Learned from fewer than {FEW} entities each: {', '.join(few)}."
    for label, texts in sorted(entities.items()):
        for look in _LOOKS:
            if look.name.search(re.sub(r"[\W_]+", " ", label.lower())):
                yield from _unlike(label, texts, look)
        lengths = sorted(len(text.split()) for text in texts)
        median = lengths[len(lengths) // 2]
        if lengths[-1] >= LONG and lengths[-1] >= 4 * median:
            yield (
                f"Entities labelled {code_span(label)} have up to {lengths[-1]:,} words in the training data, half of "
                f"them at most {median:,}: phrases count as much as whole paragraphs, so borders may be others than "
                "expected."
            )


def _unlike(label: str, texts: Sequence[str], look: _Look) -> Iterator[str]:
    unlike = [text for text in texts if not look.pattern.search(text)]
    if len(unlike) <= OFTEN_UNLIKE * len(texts):
        return
    addresses = sum(bool(_WEB_ADDRESS.search(text)) for text in unlike)
    yield (
        f"Of the {len(texts):,} entities labelled {code_span(label)} in the training data "
        f"{_of(len(unlike), len(texts))} {look.lacking}"
        f"{f', {_of(addresses, len(unlike))} of them web addresses' if addresses else ''}: "
        "the model finds what the data calls so."
    )


def _of(part: int, whole: int) -> str:
    return "all" if part == whole else f"{part:,}"
