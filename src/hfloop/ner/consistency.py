"""One decision for every mention of a text: what a window of tokens cannot see, a whole document shows.

Annotated documents have habits. Where "Opal Systems" is a company once, it is mostly one wherever it stands ("one
sense per discourse", Gale, Church & Yarowsky 1992); and some labels belong to a document's opening lines, others do
not. Both are counted on the training annotations, label by label, and used to accept or refuse what the tag sequence
proposes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from hfloop.ner.decoding import ScoredSpan, split_words
from hfloop.ner.documents import Document

OPENING_CHARACTERS = 300  # of a document; what first stands in them is "in the opening"
FEWEST_REPEATS = 0.4  # labels whose repeats are annotated less often are judged place by place
_EPSILON = 1e-3  # keeps the log-odds of a certain model finite
_LEAST_PROBABILITY = 1e-9  # of a word's tag: one impossible word makes a long mention doubtful, not impossible

CONFIG_KEY = "mention_habits"

Range = tuple[int, int]  # first word, last word + 1


@dataclass(frozen=True)
class Habits:
    """How one label is annotated.

    Attributes:
        repeat_rate: of the further occurrences of an annotated text, the share that is annotated alike, 0 to 1.
        opening_shift: added to the log-odds of a text that first occurs in the opening; of a label that is judged
            place by place, to those of each mention that begins there.
        later_shift: the same for all other mentions.
    """

    repeat_rate: float
    opening_shift: float
    later_shift: float


def habits_to_config(habits: Mapping[str, Habits]) -> dict[str, dict[str, float]]:
    """What config.json holds of them."""
    return {label: asdict(each) for label, each in habits.items()}


def habits_from_config(config: Any) -> dict[str, Habits]:
    """The habits in a model's configuration; empty for a model that has none."""
    return {label: Habits(**each) for label, each in (getattr(config, CONFIG_KEY, None) or {}).items()}


def habits_fit(config: Any, labels: set[str]) -> bool:
    """Whether a configuration has no habits, or well-formed ones of every label."""
    stored = getattr(config, CONFIG_KEY, None)
    if stored is None:
        return True
    names = {field.name for field in fields(Habits)}
    return isinstance(stored, dict) and all(
        isinstance(each := stored.get(label), dict)
        and set(each) == names
        and all(isinstance(value, int | float) for value in each.values())
        for label in labels
    )


class WordIndex:
    """Finds every occurrence of a run of words in a text, in time proportional to the rarest of its words.

    Args:
        text: the document.
        words: half-open character ranges in reading order.
    """

    def __init__(self, text: str, words: Sequence[tuple[int, int]]) -> None:
        self.text = text
        self.words = words
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for place, (start, end) in enumerate(words):
            self._places[text[start:end]].append(place)

    def covered(self, words: Range) -> str:
        """The text of a run of words."""
        return self.text[self.words[words[0]][0] : self.words[words[1] - 1][1]]

    def occurrences(self, words: Range) -> list[Range]:
        """Where the same words stand, with the same blanks between them, in reading order; `words` itself included."""
        first, end = words
        mention = self.covered(words)
        rarest = min(range(first, end), key=lambda word: len(self._places[self._word(word)]))
        found = []
        for place in self._places[self._word(rarest)]:
            start = place - (rarest - first)
            stop = start + end - first
            if start >= 0 and stop <= len(self.words) and self.covered((start, stop)) == mention:
                found.append((start, stop))
        return found

    def _word(self, place: int) -> str:
        start, end = self.words[place]
        return self.text[start:end]


def learn_habits(documents: Iterable[Document]) -> dict[str, Habits]:
    """Count how the labels of annotated documents repeat, and where their mentions begin.

    The shift is the logarithm of how much likelier a mention's text is to start in the opening (or after it) than any
    character is. Every count starts with one success and one failure.
    """
    repeats: defaultdict[str, list[int]] = defaultdict(lambda: [1, 2])
    openings: defaultdict[str, list[int]] = defaultdict(lambda: [1, 2])
    opening_characters = characters = 0
    for document in documents:
        opening_characters += min(OPENING_CHARACTERS, len(document.text))
        characters += len(document.text)
        words = split_words(document.text)
        index = WordIndex(document.text, words)
        word_at = {start: place for place, (start, _) in enumerate(words)}
        word_before = {end: place + 1 for place, (_, end) in enumerate(words)}
        annotated: defaultdict[str, set[Range]] = defaultdict(set)
        for span in document.spans:
            annotated[span.label].add((word_at[span.start], word_before[span.end]))
        for label, ranges in annotated.items():
            by_text: dict[str, list[Range]] = {}
            for words_of_span in ranges:
                mention = index.covered(words_of_span)
                if mention not in by_text:
                    by_text[mention] = found = index.occurrences(words_of_span)
                    repeats[label][0] += len(ranges & set(found)) - 1
                    repeats[label][1] += len(found) - 1
                openings[label][0] += words[by_text[mention][0][0]][0] < OPENING_CHARACTERS
                openings[label][1] += 1
    area = opening_characters / characters
    habits = {}
    for label, (in_opening, mentions) in sorted(openings.items()):
        share = in_opening / mentions
        habits[label] = Habits(
            repeat_rate=repeats[label][0] / repeats[label][1],
            opening_shift=math.log(share / area),
            later_shift=math.log((1 - share) / (1 - area)) if area < 1 else 0.0,
        )
    return habits


def consistent_spans(
    proposed: Iterable[tuple[int, int, str]],
    index: WordIndex,
    probabilities: npt.NDArray[np.floating],
    label2id: Mapping[str, int],
    habits: Mapping[str, Habits],
) -> list[ScoredSpan]:
    """Decide each proposed text once, for all its occurrences.

    The mean probability of the occurrences, as log-odds, plus the label's shift decides: at least even odds keep them
    all, less drops them all. Of overlapping ones the longest stays, then the surest.

    Args:
        proposed: entities as `(first word, last word + 1, label)`.
        index: of the document.
        probabilities: shape `(words, tags)`.
        label2id: the id of each tag.
        habits: by label.

    Returns:
        Spans in reading order, none overlapping; `score` is the probability by which their text was kept.
    """
    groups: dict[tuple[str, str] | tuple[Range, str], list[Range]] = {}
    for first, end, label in proposed:
        words = (first, end)
        mention = index.covered(words)
        if habits[label].repeat_rate >= FEWEST_REPEATS and any(character.isalpha() for character in mention):
            if (mention, label) not in groups:
                groups[mention, label] = index.occurrences(words)
        else:
            groups[words, label] = [words]

    log_probabilities = np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    kept: list[tuple[float, str, list[Range]]] = []
    for (_, label), places in groups.items():
        sure = [_confidence(log_probabilities, words, label, label2id) for words in places]
        in_opening = index.words[places[0][0]][0] < OPENING_CHARACTERS
        shift = habits[label].opening_shift if in_opening else habits[label].later_shift
        odds = _log_odds(float(np.mean(sure))) + shift
        if odds >= 0:
            kept.append((odds, label, places))
    return _without_overlaps(kept, index)


def _confidence(
    log_probabilities: npt.NDArray[np.floating], words: Range, label: str, label2id: Mapping[str, int]
) -> float:
    """The geometric mean over a run's words of the probability of the tags that make it an entity."""
    first, end = words
    total = log_probabilities[first, label2id[f"B-{label}"]]
    total += log_probabilities[first + 1 : end, label2id[f"I-{label}"]].sum()
    return math.exp(total / (end - first))


def _log_odds(probability: float) -> float:
    return math.log((probability + _EPSILON) / (1 - probability + _EPSILON))


def _without_overlaps(kept: Iterable[tuple[float, str, list[Range]]], index: WordIndex) -> list[ScoredSpan]:
    taken = np.zeros(len(index.words), dtype=bool)
    spans = []
    for odds, label, places in sorted(kept, key=lambda each: (-len(index.covered(each[2][0])), -each[0], each[1])):
        for first, end in places:
            if not taken[first:end].any():
                taken[first:end] = True
                start, stop = index.words[first][0], index.words[end - 1][1]
                spans.append(ScoredSpan(start, stop, label, 1 / (1 + math.exp(-odds))))
    return sorted(spans)
