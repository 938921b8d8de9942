"""What `hfloop evaluate` and `hfloop extract` do with a token classifier; each returns what is to be printed."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hfloop.errors import UserError
from hfloop.ner.decoding import ScoredSpan
from hfloop.ner.documents import entity_labels
from hfloop.ner.evaluation import evaluate_documents
from hfloop.ner.extractor import Extractor
from hfloop.ner.formats import read_file
from hfloop.ner.repair import repair, require_spans
from hfloop.ner.text_files import read_text_file
from hfloop.plain import speak_plainly

_LONGEST_SHOWN = 60  # characters of an entity in the table


def evaluate(model: str, path: Path, format: str, *, as_json: bool) -> str:
    """Measure a model on a file of annotated documents.

    Raises:
        UserError: the model or the file cannot be read, or they share no label.
    """
    speak_plainly()
    reading = read_file(path, format)
    documents, mended = repair(reading.documents)
    require_spans(documents, str(path))
    extractor = Extractor.from_pretrained(model)
    known = {label[2:] for label in extractor.labels if label != "O"}
    found = set(entity_labels(documents))
    if not known & found:
        raise UserError(
            f"{model} knows the labels {', '.join(sorted(known))}, and {path} has {', '.join(sorted(found))}: "
            "they share none, so there is nothing to measure."
        )
    report = evaluate_documents(extractor, documents, path.name)
    repairs = reading.report.merged(mended)
    if as_json:
        return json.dumps({**report.to_dict(), "repairs": repairs.to_dict()}, indent=2, ensure_ascii=False)
    lines = [f"{path} ({reading.format}): {len(documents):,} documents. {repairs.summary()}", "", report.table()]
    if unknown := sorted(found - known):
        lines.append(f"labels that the model does not know, so that all of them count as missed: {', '.join(unknown)}")
    return "\n".join(lines)


def extract(model: str, paths: Sequence[Path], *, as_json: bool) -> str:
    """Find the entities of text, PDF and DOCX files.

    Raises:
        UserError: the model or one of the files cannot be read; nothing is printed then.
    """
    speak_plainly()
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it cannot read it raises; the rest it has mended
    texts = [read_text_file(path) for path in paths]
    extractor = Extractor.from_pretrained(model)
    found = [Found(str(path), text, spans) for path, text, spans in zip(paths, texts, extractor(texts), strict=True)]
    if as_json:
        return json.dumps([each.to_dict() for each in found], indent=2, ensure_ascii=False)
    return "\n\n".join(each.table() for each in found)


@dataclass(frozen=True)
class Found:
    """The entities of one file."""

    path: str
    text: str
    spans: list[ScoredSpan]

    def to_dict(self) -> dict[str, object]:
        """Offsets are characters of the text that was read from the file, `end` exclusive."""
        entities = [
            {
                "label": span.label,
                "text": self.text[span.start : span.end],
                "start": span.start,
                "end": span.end,
                "score": round(span.score, 4),
            }
            for span in self.spans
        ]
        return {"file": self.path, "characters": len(self.text), "entities": entities}

    def table(self) -> str:
        """A line per entity, in reading order."""
        title = f"{self.path}: {len(self.spans)} entities in {len(self.text.split()):,} words"
        width = max((len(span.label) for span in self.spans), default=0)
        rows = [f"  {span.label:<{width}}  {span.score:.2f}  {self._shown(span)}" for span in self.spans]
        return "\n".join([title, *rows])

    def _shown(self, span: ScoredSpan) -> str:
        text = " ".join(self.text[span.start : span.end].split())
        return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
