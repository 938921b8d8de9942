"""The data card of the sample resumes, every figure in it counted from the resumes themselves."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from statistics import median
from typing import Any

from scripts.sample_resumes.markup import LABELS

Resume = dict[str, Any]

CARD = """\
---
license: apache-2.0
language: en
task_categories: [token-classification]
pretty_name: Sample resumes
size_categories: [n<1K]
---

# Sample resumes

{documents} invented resumes in English with ten kinds of entities, {spans:,} in all, to try hfloop offline. **Nobody
in them exists.** People, firms, colleges, many of the towns, careers and addresses are put together by
`scripts/make_sample_resumes.py` from lists of parts; a likeness to a person or a firm is chance. E-mail addresses
are under example.com, example.org and example.net, telephone numbers in the ranges kept for fiction (555-01xx, 020
7946 0xxx, 01632 960xxx). The ten labels are those of the DataTurks resume set; no text of that set is used.

Licence: Apache-2.0, or CC0 1.0 as you like. Seed {seed}: `python -m scripts.make_sample_resumes` writes the same
bytes.

## Format

doccano JSON lines, UTF-8, a resume a line: `{{"id": "sample-0001", "text": "…", "label": [[start, end, "Name"],
…]}}`. Offsets count characters (Unicode code points) and `end` is exclusive; spans stand in reading order, do not
overlap, and begin and end on word borders.

## Figures

{table}

Words a resume, least / median / most: {words}.

*Unseen* is the share of test spans whose text, in whatever capitals, occurs nowhere in the training texts. A quarter
of the surnames, towns, tools and words for firms, three of the sixteen layouts and some headings, bullets and date
formats serve validation and test only. Looking up every training span by its text (longest match, most frequent
label) finds the test spans with an F1 of only {gazetteer:.2f}: labels have to be read from the context.

## What is an entity

Every mention counts, wherever it stands; a rule that leaves something out says so.

- **Name**: the applicant's name, also in a page footer or signature, without titles (Dr., Ms) and letters behind it
  (MBA). Not: referees, supervisors, colleagues, parents, authors, people whom prizes or firms are named after.
- **Designation**: a title that the applicant has or had, with its level and department (`Senior Data Analyst`, `Head
  of Quality`), without `(part-time)` or `(contract)`. Not: titles of others ("reported to the Fleet Manager"),
  titles sought ("looking for a position as …").
- **Companies worked at**: employers with their legal form, and the shorter name in a sentence; a university that
  employs is one. Not: clients, suppliers, competitors, merger partners, charities, product names.
- **Location**: any town named as a place, alone: `Pune` in "Pune, Maharashtra". Not: regions, countries, streets, or
  towns that are part of another name (a college, a firm, a marathon, a surname).
- **Email Address**: the applicant's. Not: those of referees or recipients; no web addresses.
- **College Name**: universities, colleges and schools attended.
- **Degree**: degree or school certificate with its field: `B.Sc. Physics`, `Bachelor of Arts (History)`, `MBA`,
  `Abitur`. Not: the mark, the thesis, courses, certificates, `MBA` behind a name.
- **Graduation Year**: the year alone in which a degree was finished, so of `09/2010 – 06/2014` only `2014`. Not: the
  first year, years of jobs, prizes, courses, versions.
- **Skills**: in a list of skills each item by itself, with its version, without the level, mark or years behind it
  (`Excel 2016` in "Excel 2016 (advanced)") and without the group's title. In sentences: whatever the applicant
  claims to master ("skilled in negotiation and SAP"), and each named tool that the applicant uses. Not: abilities
  mentioned in passing ("trained nurses in triage"), tools that others use, spoken languages, certificates.
- **Years of Experience**: how long the applicant has worked in all, number and unit: `8+ years`, `twelve (12)
  years`. Not: other periods (a job's or contract's length, years with one tool, age).

## Limits

The sentences come from a grammar and sound like it. Spelling is right nearly everywhere, the annotation is
consistent, and real resumes are neither: a score on these resumes says that the programs work, not how good a model
is on real ones. Careers are mixed freely from all countries; nothing about real careers, names or places can be
learned from them.
"""


def data_card(splits: dict[str, list[Resume]], seed: int) -> str:
    """The README of the data: what it is, its counts, its annotation guideline and its limits."""
    resumes = [resume for split in splits.values() for resume in split]
    return CARD.format(
        documents=len(resumes),
        spans=sum(len(resume["label"]) for resume in resumes),
        seed=seed,
        table=_table(splits),
        words="; ".join(f"{split} {_lengths(resumes)}" for split, resumes in splits.items()),
        gazetteer=gazetteer_f1(splits["train"], splits["test"]),
    )


def _table(splits: dict[str, list[Resume]]) -> str:
    """Documents, words and spans per label of each split, and the unseen share of the test spans."""
    counts = {
        split: Counter(label for resume in resumes for *_, label in resume["label"])
        for split, resumes in splits.items()
    }
    words = {split: sum(len(resume["text"].split()) for resume in resumes) for split, resumes in splits.items()}
    unseen = unseen_shares(splits["train"], splits["test"])
    rows = [["", *splits, "unseen in test"], ["---", *("---:" for _ in splits), "---:"]]
    rows.append(["resumes", *(f"{len(resumes)}" for resumes in splits.values()), ""])
    rows.append(["words", *(f"{words[split]:,}" for split in splits), ""])
    rows += [[label, *(f"{counts[split][label]:,}" for split in splits), f"{unseen[label]:.0%}"] for label in LABELS]
    rows.append(["all spans", *(f"{counts[split].total():,}" for split in splits), ""])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _lengths(resumes: list[Resume]) -> str:
    lengths = [len(resume["text"].split()) for resume in resumes]
    return f"{min(lengths)} / {median(lengths):.0f} / {max(lengths):,}"


def unseen_shares(train: list[Resume], test: list[Resume]) -> dict[str, float]:
    """Per label the share of test spans whose words, capitals and line breaks aside, are in no training text."""
    seen_text = "\n".join(_normal(resume["text"]) for resume in train)
    unseen: dict[str, list[bool]] = defaultdict(list)
    for resume in test:
        for start, end, label in resume["label"]:
            words = _normal(resume["text"][start:end])
            seen = words in seen_text and re.search(rf"(?<!\w){re.escape(words)}(?!\w)", seen_text)
            unseen[label].append(not seen)
    return {label: sum(flags) / len(flags) for label, flags in unseen.items()}


def gazetteer_f1(train: list[Resume], test: list[Resume]) -> float:
    """Strict span F1 of a look-up: each training span text finds itself in the test texts, the longest first."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for resume in train:
        for start, end, label in resume["label"]:
            labels[_normal(resume["text"][start:end])][label] += 1
    entries = sorted(labels, key=len, reverse=True)
    pattern = "|".join(re.escape(entry).replace(r"\ ", r"\s") for entry in entries)
    lookup = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)
    correct = found = expected = 0
    for resume in test:
        text = resume["text"]
        matches = {(*match.span(), labels[_normal(match[0])].most_common(1)[0][0]) for match in lookup.finditer(text)}
        gold = {(start, end, label) for start, end, label in resume["label"]}
        correct, found, expected = correct + len(matches & gold), found + len(matches), expected + len(gold)
    return 2 * correct / (found + expected)


def _normal(text: str) -> str:
    return re.sub(r"\s", " ", text).lower()
