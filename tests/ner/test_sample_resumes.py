"""What the data card of the bundled sample resumes promises."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

import hfloop.ner
from hfloop.ner.documents import Document, Span
from hfloop.ner.formats import read_documents
from hfloop.ner.repair import repair
from hfloop.ner.splits import leaked

Resume = dict[str, Any]

DATA = Path(hfloop.ner.__file__).parent / "data"
LABELS = {
    "Name",
    "Designation",
    "Companies worked at",
    "Location",
    "Email Address",
    "College Name",
    "Degree",
    "Graduation Year",
    "Skills",
    "Years of Experience",
}


def read_split(split: str) -> list[Resume]:
    lines = (DATA / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


SPLITS = {split: read_split(split) for split in ("train", "validation", "test")}
RESUMES = [resume for split in SPLITS.values() for resume in split]


def span_texts(resumes: list[Resume], label: str) -> list[str]:
    return [resume["text"][start:end] for resume in resumes for start, end, name in resume["label"] if name == label]


def word_counts(resumes: list[Resume]) -> list[int]:
    return [len(resume["text"].split()) for resume in resumes]


def folded(text: str) -> str:
    return re.sub(r"\s", " ", text).lower()


def test_sizes_are_as_the_card_says():
    assert {split: len(resumes) for split, resumes in SPLITS.items()} == {"train": 82, "validation": 18, "test": 22}
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 500_000
    assert len({resume["id"] for resume in RESUMES}) == len(RESUMES)
    assert sum(len(resume["label"]) for resume in SPLITS["test"]) >= 300


def test_the_card_counts_what_is_there():
    card = (DATA / "README.md").read_text(encoding="utf-8")
    for label in LABELS:
        counts = [f"{len(span_texts(resumes, label)):,}" for resumes in SPLITS.values()]
        assert f"| {label} | {' | '.join(counts)} |" in card


@pytest.mark.parametrize("split", SPLITS)
def test_every_label_occurs_in_every_split(split: str):
    assert {label for resume in SPLITS[split] for *_, label in resume["label"]} == LABELS


def test_lengths_reach_from_short_to_very_long():
    words = word_counts(RESUMES)
    assert min(words) >= 150
    assert max(words) <= 2500
    assert sum(count <= 500 for count in words) > 0.8 * len(words)
    assert sum(count > 1000 for count in words) >= 6
    assert sum(count >= 2000 for count in words) >= 2
    assert max(word_counts(SPLITS["test"])) >= 2000


def test_spans_stand_in_order_apart_and_on_word_borders():
    for resume in RESUMES:
        text, last = resume["text"], 0
        for start, end, _ in resume["label"]:
            assert last <= start < end <= len(text), resume["id"]
            assert text[start:end] == text[start:end].strip()
            assert not (start and text[start - 1].isalnum() and text[start].isalnum()), text[start - 9 : end]
            assert not (end < len(text) and text[end - 1].isalnum() and text[end].isalnum()), text[start : end + 9]
            last = end


def test_hfloop_reads_them_with_nothing_to_repair():
    for split, resumes in SPLITS.items():
        documents, form = read_documents(DATA / f"{split}.jsonl")
        assert form == "doccano"
        repaired, report = repair(documents)
        assert not report.counts
        for document, resume in zip(repaired, resumes, strict=True):
            assert document.text == resume["text"]
            assert [[span.start, span.end, span.label] for span in document.spans] == resume["label"]


def test_no_resume_resembles_one_of_another_split():
    documents = {
        split: [
            Document(resume["text"], tuple(Span(*span) for span in resume["label"]), resume["id"])
            for resume in resumes
        ]
        for split, resumes in SPLITS.items()
    }
    assert not leaked(documents["train"], documents["test"])
    assert not leaked(documents["train"], documents["validation"])


@pytest.mark.parametrize("label", ["Name", "Companies worked at", "College Name", "Email Address"])
def test_names_in_test_are_unseen_in_training(label: str):
    training = "\n".join(folded(resume["text"]) for resume in SPLITS["train"])
    texts = span_texts(SPLITS["test"], label)
    seen = [text for text in texts if re.search(rf"(?<!\w){re.escape(folded(text))}(?!\w)", training)]
    assert len(seen) <= 0.05 * len(texts), seen


def test_only_example_domains_and_fictitious_telephone_numbers_occur():
    for resume in RESUMES:
        hosts = re.findall(r"@([\w.-]+\w)|\b((?:[\w-]+\.)+(?:com|org|net)\b)", resume["text"])
        assert all(re.search(r"(^|\.)example\.(com|org|net)$", left or right) for left, right in hosts), resume["id"]
        for number in re.findall(r"\+?\d[\d ]{8,}\d|\b\d{3}-\d{4}\b", resume["text"]):
            assert re.search(r"555[ -]01\d\d$|^020 7946 0\d{3}$|^(0|\+44 )?1632 960( ?\d{3})?$", number), number


def test_every_mention_of_name_address_college_and_employer_is_annotated():
    for resume in RESUMES:
        text = resume["text"]
        covered = {place for start, end, _ in resume["label"] for place in range(start, end)}
        for start, end, label in resume["label"]:
            if label in ("Name", "Email Address", "College Name", "Companies worked at"):
                mentions = re.finditer(rf"(?<![\w.]){re.escape(text[start:end])}(?!\w)", text)
                assert all(mention.start() in covered for mention in mentions), (resume["id"], text[start:end])


def test_a_text_alone_does_not_tell_the_label():
    """Many texts stand under two labels, or under one here and under none there."""
    labels: dict[str, set[str]] = defaultdict(set)
    for label in LABELS:
        for text in span_texts(RESUMES, label):
            labels[text].add(label)
    assert sum(len(names) >= 2 for names in labels.values()) >= 20
    unlabelled: Counter[str] = Counter()
    for resume in RESUMES:
        covered = {place for start, end, _ in resume["label"] for place in range(start, end)}
        for match in re.finditer(r"\b\w[\w ]*\b", resume["text"]):
            unlabelled.update({match[0]} if match[0] in labels and match.start() not in covered else ())
        for match in re.finditer(r"\b(?:19|20)\d\d\b", resume["text"]):
            unlabelled.update({match[0]} if match.start() not in covered else ())
    assert sum(text in labels for text in unlabelled) >= 30


def test_looking_up_training_spans_finds_less_than_half():
    names: dict[str, Counter[str]] = defaultdict(Counter)
    for label in LABELS:
        for text in span_texts(SPLITS["train"], label):
            names[folded(text)][label] += 1
    entries = "|".join(re.escape(text).replace(r"\ ", r"\s") for text in sorted(names, key=len, reverse=True))
    lookup = re.compile(rf"(?<!\w)(?:{entries})(?!\w)", re.IGNORECASE)
    correct = total = 0
    for resume in SPLITS["test"]:
        found = {(*m.span(), names[folded(m[0])].most_common(1)[0][0]) for m in lookup.finditer(resume["text"])}
        gold = {tuple(span) for span in resume["label"]}
        correct, total = correct + len(found & gold), total + len(found) + len(gold)
    assert 0.1 < 2 * correct / total < 0.5


def test_hard_cases_are_there():
    texts = [resume["text"] for resume in RESUMES]
    spans = [text for label in LABELS for text in span_texts(RESUMES, label)]
    assert sum("\n" in span for span in spans) >= 30  # wrapped lines
    assert sum(not span.isascii() for span in spans) >= 50
    assert sum("&" in span for span in spans) >= 10
    assert any("<" in text for text in texts)
    assert any("\t" in text for text in texts)
    assert any("'" in span or "-" in span for span in span_texts(RESUMES, "Name"))
    assert any(re.match(r"[a-z]+ years", span, re.IGNORECASE) for span in span_texts(RESUMES, "Years of Experience"))
    for label in ("Email Address", "Skills", "Years of Experience"):
        assert any(label not in {name for *_, name in resume["label"]} for resume in RESUMES), f"all have {label}"


def test_the_sentences_are_thousands():
    lines = {line.lstrip("•-*●➢–o✓»‣ \t") for resume in RESUMES for line in resume["text"].split("\n")}
    assert sum(len(line.split()) >= 6 for line in lines) > 2000
