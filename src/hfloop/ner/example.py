"""What a token classifier finds in an invented resume: its card shows it, and verifying asks for it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from hfloop.ner.extractor import Extractor

EXAMPLE = (
    "Marisol Quennevar\nData Engineer at Brightwater Analytics\nLisbon, Portugal\n"
    "marisol.quennevar@example.com\n\nBSc in Computer Science, Alderbrook University, 2016\n"
    "Skills: Python, SQL, Airflow"
)
"""An invented resume that cards show, since no text of the training data may appear there."""

_SCORE_TOLERANCE = 1e-3  # what another processor or number of threads changes stays far below


@dataclass(frozen=True)
class Example:
    """What `hfloop.json` says of the example.

    Attributes:
        text: of the example.
        spans: the score of each entity by its start, end and label.
        printed: what the card's snippets print, by the names that :func:`example_of` gives these texts.
        settings: what the snippets pass to the stock pipeline, by its names.
    """

    text: str
    spans: dict[tuple[int, int, str], float]
    printed: dict[str, str]
    settings: dict[str, Any]


def example_of(extractor: Extractor, text: str = EXAMPLE) -> dict[str, Any]:
    """The entities of a text in full precision, and what the card's two snippets print of them, by their own code."""
    from transformers import pipeline

    stride = extractor.overlap
    tokenizer: Any = extractor.tokenizer
    stock: Any = pipeline(
        "token-classification",
        model=extractor.model,
        tokenizer=tokenizer,
        aggregation_strategy="simple",
        stride=stride,
    )
    spans = extractor(text)
    return {
        "text": text,
        "spans": [asdict(span) for span in spans],
        "aggregation_strategy": "simple",
        "stride": stride,
        "hfloop_output": "\n".join(
            f"{span.label}: {text[span.start : span.end]!r} ({span.score:.2f})" for span in spans
        ),
        "transformers_output": "\n".join(
            f"{entity['entity_group']}: {text[entity['start'] : entity['end']]!r} ({entity['score']:.2f})"
            for entity in stock(text)
        ),
    }


def differences(extractor: Extractor, recorded: Example) -> Iterator[str]:
    """A sentence for each thing that an extractor says of a recorded text otherwise than it was recorded.

    Labels and offsets must be the same, and scores to 0.001.
    """
    found = example_of(extractor, recorded.text)
    now = {(span["start"], span["end"], span["label"]): span["score"] for span in found["spans"]}
    for place in sorted(recorded.spans.keys() | now.keys()):
        start, end, label = place
        what = f"{label} {recorded.text[start:end]!r}, characters {start} to {end}"
        if place not in now:
            yield f"in the example the model no longer finds {what}"
        elif place not in recorded.spans:
            yield f"in the example the model finds what was not recorded: {what}"
        elif not abs(now[place] - recorded.spans[place]) <= _SCORE_TOLERANCE:  # so that NaN differs
            yield f"the model's score of {what}, is {now[place]:.4f} and was recorded as {recorded.spans[place]:.4f}"
    for name, value in recorded.settings.items():
        if value != found[name]:
            yield f"`{name}` of the example is {found[name]}, and was recorded as {value}"
    for snippet, printed in recorded.printed.items():
        lines = zip_longest(printed.splitlines(), found[snippet].splitlines(), fillvalue="nothing")
        for number, (expected, line) in enumerate(lines, start=1):
            if not _is_alike(line, expected):
                yield f"line {number} of {snippet} is {line}, and was recorded as {expected}"


def _is_alike(line: str, expected: str) -> bool:
    """Whether `label: 'text' (score)` says the same; rounded scores of one value may be a hundredth apart."""
    what, _, score = line.rpartition(" (")
    expected_what, _, expected_score = expected.rpartition(" (")
    return line == expected or (what == expected_what and _is_near(score, expected_score))


def _is_near(one: str, other: str) -> bool:
    try:
        return abs(float(one.rstrip(")")) - float(other.rstrip(")"))) < 0.015
    except ValueError:
        return False
