"""What `hfloop data check` and `hfloop data convert` do."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from hfloop.ner.documents import Document, entity_labels
from hfloop.ner.formats import read_file, write_documents
from hfloop.ner.repair import EXAMPLES_PER_KIND, repair
from hfloop.ner.splits import near_duplicate_groups

LONG_SPAN_WORDS = 200
FEW_EXAMPLES = 10


def check(path: str | Path, format: str = "auto") -> str:
    """What is in an annotated file and what a repair would change; nothing is written, and no text is quoted.

    Raises:
        UserError: the file cannot be read.
    """
    reading = read_file(path, format)
    repaired, report = repair(reading.documents)
    sections = [
        _overview(str(path), reading.format, reading.documents),
        _label_table(reading.documents),
        f"Repairs (made when training, and by `hfloop data convert`)\n{reading.report.merged(report).table()}",
        _near_duplicates(reading.documents),
        _warnings(repaired),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def convert(path: str | Path, target: str | Path, to: str, format: str = "auto", repaired: bool = True) -> str:
    """Write the documents of `path` to `target` in the format `to`; returns one line that says what was done.

    Args:
        to, format: names of :data:`hfloop.ner.formats.FORMATS`; `format` may be `auto`.
        repaired: mend the annotations on the way (:func:`hfloop.ner.repair.repair`); without, they go as they are.

    Raises:
        UserError: the file cannot be read, or the format cannot hold the documents, or the target not be written.
    """
    reading = read_file(path, format)
    documents, report = reading.documents, reading.report
    if repaired:
        documents, repairs = repair(documents)
        report = report.merged(repairs)
    write_documents(documents, target, to)
    return f"{path} ({reading.format}) → {target} ({to}): {len(documents):,} documents. {report.summary()}\n"


def _overview(path: str, format: str, documents: Sequence[Document]) -> str:
    words = sum(len(document.text.split()) for document in documents)
    spans = sum(len(document.spans) for document in documents)
    without = [document.id for document in documents if not document.spans]
    overview = f"{path}: format {format}, {len(documents):,} documents, {words:,} words, {spans:,} spans"
    if not spans:
        return f"{overview}\nNo document has a span: there is nothing to learn from."
    return f"{overview}\n{_some('documents without spans', without)}" if without else overview


def _label_table(documents: Sequence[Document]) -> str:
    lengths: dict[str, list[int]] = defaultdict(list)
    holders: Counter[str] = Counter()
    for document in documents:
        holders.update({span.label for span in document.spans})
        for span in document.spans:
            lengths[span.label].append(len(document.span_text(span).split()))
    if not lengths:
        return ""
    width = max(len("label"), *(len(_shown(label)) for label in lengths))
    lines = [f"{'label':<{width}}  {'spans':>7}  {'documents':>9}  {'median words':>12}  {'max words':>9}"]
    for label, words in sorted(lengths.items(), key=lambda item: (-len(item[1]), item[0])):
        counts = f"{len(words):>7,}  {holders[label]:>9,}  {statistics.median(words):>12g}  {max(words):>9,}"
        lines.append(f"{_shown(label):<{width}}  {counts}")
    return "\n".join(lines)


def _near_duplicates(documents: Sequence[Document]) -> str:
    groups = [group for group in near_duplicate_groups(documents) if len(group) > 1]
    if not groups:
        return "No near-duplicate documents."
    named = [" ~ ".join(documents[index].id for index in group[:EXAMPLES_PER_KIND]) for group in groups]
    found = _some(f"near-duplicate documents in {len(groups):,} groups", named, count=sum(map(len, groups)))
    return f"{found}\nA split keeps each group together."


def _warnings(documents: Sequence[Document]) -> str:
    """What a repair cannot mend, one line each."""
    counts = Counter(span.label for document in documents for span in document.spans)
    long = [
        f"{document.id} {span.label} {span.start}–{span.end}"
        for document in documents
        for span in document.spans
        if len(document.span_text(span).split()) > LONG_SPAN_WORDS
    ]
    warnings = [
        f"The labels {', '.join(f'`{label}`' for label in alike)} look alike: are they one?"
        for alike in _alike_labels(entity_labels(documents))
    ]
    warnings += [
        f"The label `{label}` has {count} examples: fewer than {FEW_EXAMPLES} teach and measure little."
        for label, count in sorted(counts.items())
        if count < FEW_EXAMPLES
    ]
    if long:
        warnings.append(_some(f"spans of more than {LONG_SPAN_WORDS} words", long))
    return "\n".join(["Warnings", *warnings]) if warnings else ""


def _alike_labels(labels: Sequence[str]) -> list[list[str]]:
    """Labels that differ only in case, punctuation, blanks or a plural s."""
    alike: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        alike[re.sub(r"[\W_]", "", label.casefold()).rstrip("s")].append(label)
    return [group for group in alike.values() if len(group) > 1]


def _shown(label: str) -> str:
    return label or "(no label)"


def _some(what: str, places: Sequence[str], count: int | None = None) -> str:
    """`3 what: line 1; line 2; …`, counting the places unless `count` says otherwise."""
    dots = "; …" if len(places) > EXAMPLES_PER_KIND else ""
    return f"{len(places) if count is None else count:,} {what}: {'; '.join(places[:EXAMPLES_PER_KIND])}{dots}"
