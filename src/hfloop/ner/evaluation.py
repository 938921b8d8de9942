"""Measuring an extractor on complete documents."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hfloop.ner.documents import Document
from hfloop.ner.scoring import NerScores, coverage, score, seqeval_strict

logger = logging.getLogger("hfloop")

if TYPE_CHECKING:
    from accelerate import Accelerator

    from hfloop.ner.extractor import Extraction, Extractor


@dataclass(frozen=True)
class NerReport:
    """Scores of one model on one set of documents.

    Attributes:
        split: what the documents are: `test`, `validation`, or a file's name.
        scores: strict character spans, the headline.
        seqeval: the comparison figure: seqeval, strict IOB2.
        coverage: the share of characters that lie in a word the model saw; 1 unless the tokenizer drops characters.
    """

    split: str
    scores: NerScores
    seqeval: dict[str, Any]
    coverage: float

    def to_dict(self) -> dict[str, Any]:
        """All figures with their protocols, ready for JSON."""
        return {"split": self.split, **self.scores.to_dict(), "seqeval": self.seqeval, "coverage": self.coverage}

    def table(self) -> str:
        """The report for people."""
        return (
            f"{self.scores.table()}\n"
            f"seqeval strict F1 {self.seqeval['f1']:.3f}; coverage {100 * self.coverage:.2f} % of the text"
        )


def evaluate_documents(
    extractor: Extractor, documents: Sequence[Document], split: str, accelerator: Accelerator | None = None
) -> NerReport:
    """Extract from every document, whole, and score what was found.

    Args:
        extractor: the model under test.
        documents: complete gold documents.
        split: what they are, for the report.
        accelerator: with several processes each takes a share, every document exactly once; all get the full report.
    """
    extractions = extract_shared(extractor, documents, accelerator)
    predictions = [extraction.spans for extraction in extractions]
    return NerReport(
        split=split,
        scores=score(documents, predictions),
        seqeval=seqeval_strict(documents, predictions),
        coverage=coverage(documents, [extraction.words for extraction in extractions]),
    )


def keep_habits_that_help(
    extractor: Extractor, validation: Sequence[Document], accelerator: Accelerator | None = None
) -> dict[str, float]:
    """Drop the model's mention habits from its configuration, unless they raise the F1 on the validation set.

    Returns:
        The F1 on the validation set `with_habits` and `without`.
    """
    config: Any = extractor.model.config
    learned = config.mention_habits
    with_habits = evaluate_documents(extractor, validation, "validation", accelerator).scores.f1
    config.mention_habits = None
    without = evaluate_documents(extractor, validation, "validation", accelerator).scores.f1
    helps = with_habits > without
    if helps:
        config.mention_habits = learned
    logger.info(
        "one decision per mention text: validation F1 %.4f, without %.4f; %s",
        with_habits,
        without,
        "kept" if helps else "dropped",
    )
    return {"with_habits": with_habits, "without": without}


def extract_shared(
    extractor: Extractor, documents: Sequence[Document], accelerator: Accelerator | None
) -> list[Extraction]:
    """The extraction of each document, in order, the work shared among the processes."""
    if accelerator is None or accelerator.num_processes == 1:
        return list(extractor.extract(document.text for document in documents))

    from accelerate.utils import gather_object

    mine = range(accelerator.process_index, len(documents), accelerator.num_processes)
    found = extractor.extract(documents[index].text for index in mine)
    shared: list[tuple[int, Extraction]] = gather_object(list(zip(mine, found, strict=True)))
    return [extraction for _, extraction in sorted(shared, key=lambda pair: pair[0])]
