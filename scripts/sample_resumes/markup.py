"""Labelled text: templates write `⟦label|value⟧`, and one pass turns that into plain text with character spans."""

from __future__ import annotations

import re

NAME = "Name"
DESIGNATION = "Designation"
COMPANY = "Companies worked at"
LOCATION = "Location"
EMAIL = "Email Address"
COLLEGE = "College Name"
DEGREE = "Degree"
YEAR = "Graduation Year"
SKILL = "Skills"
EXPERIENCE = "Years of Experience"

LABELS = (NAME, DESIGNATION, COMPANY, LOCATION, EMAIL, COLLEGE, DEGREE, YEAR, SKILL, EXPERIENCE)

LabelledSpan = tuple[int, int, str]

_TAG = re.compile(r"⟦([^|⟧]*)\|([^⟧]*)⟧")


def tag(label: str, value: str) -> str:
    """Mark `value` as an entity."""
    return f"⟦{label}|{value}⟧"


def plain(markup: str) -> str:
    """The markup's text without its labels."""
    return _TAG.sub(r"\2", markup)


def parse(markup: str) -> tuple[str, list[LabelledSpan]]:
    """Split markup into its text and the spans `(start, end, label)` in it, `end` exclusive, in reading order."""
    text, spans, position = "", [], 0
    for match in _TAG.finditer(markup):
        text += markup[position : match.start()]
        spans.append((len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        position = match.end()
    return text + markup[position:], spans


def upper(markup: str) -> str:
    """Write the text in capitals and leave the labels as they are."""
    outside = "".join(part if part.startswith("⟦") else part.upper() for part in re.split(r"(⟦[^⟧]*⟧)", markup))
    return _TAG.sub(lambda match: tag(match[1], match[2].upper()), outside)


def wrap(text: str, width: int) -> str:
    """Break lines longer than `width` at blanks, one newline for one blank, so that every offset keeps its meaning."""
    lines = []
    for line in text.split("\n"):
        start = 0
        while len(line) - start > width:
            blank = line.rfind(" ", start + width // 2, start + width + 1)
            if blank < 0 or line[blank - 1] == " ":
                break
            line = f"{line[:blank]}\n{line[blank + 1 :]}"
            start = blank + 1
        lines.append(line)
    return "\n".join(lines)


def an(phrase: str) -> str:
    """Put the indefinite article before a phrase that may be marked: `an Accountant`, `a ⟦Degree|B.Sc.⟧`."""
    words = plain(phrase)
    vowel = words[0].lower() in "aeiou" and not words.lower().startswith(("uni", "eu", "use"))
    spelled = re.match(r"(HR|M\.?(Sc|A|D|S|B|Tech)|MBA|LL|SEO|SQL|X-|HND)", words) is not None
    return f"{'an' if vowel or spelled else 'a'} {phrase}"
