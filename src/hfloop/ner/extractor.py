"""Extractor: entities of whole documents, however long, with their places in the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt
import torch

from hfloop.errors import UserError
from hfloop.hub.source import model_folder
from hfloop.ner.backbone import load_classifier, load_tokenizer, places_of
from hfloop.ner.batches import Collator
from hfloop.ner.consistency import CONFIG_KEY, WordIndex, consistent_spans, habits_fit, habits_from_config
from hfloop.ner.decoding import ScoredSpan, bio_labels, character_spans, decode, spans_from_tags
from hfloop.ner.encoding import EncodedText, encode
from hfloop.ner.windows import inference_windows, merge_windows

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


_GROUP_CHARACTERS = 50_000


@dataclass(frozen=True)
class Extraction:
    """The entities of one text, and the half-open character ranges of the words that the model saw."""

    spans: list[ScoredSpan]
    words: list[tuple[int, int]]


class Extractor:
    """A token classifier that reads documents of any length and answers in characters.

    A document is cut into overlapping windows; a word's label probabilities are the mean over the windows that saw it;
    one Viterbi pass over the whole document picks the best valid sequence of tags. A model that has learned mention
    habits then decides each text once for all its occurrences (:mod:`hfloop.ner.consistency`). Time and memory grow
    linearly with the document.

        >>> extractor = Extractor.from_pretrained("runs/ner/release")  # doctest: +SKIP
        >>> extractor("Ada Byron\\nAnalyst at Difference Engines Ltd")  # doctest: +SKIP
        [ScoredSpan(start=0, end=9, label='Name', score=0.99), ...]

    Args:
        model: a token classifier whose labels are IOB2 tags.
        tokenizer: its fast tokenizer; `model_max_length` is the window, special tokens included.
        batch_size: windows per forward pass.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int = 16) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.labels = tags_of(model)
        self.collator = collator_for(tokenizer)
        self.window = window_tokens(tokenizer, model)
        self.overlap = self.window // 3

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, device: str | torch.device | None = None) -> Extractor:
        """Load a release folder or a Hub repository; only safetensors and JSON are read, no code.

        Args:
            name_or_path: the folder or the Hub id.
            device: where it runs; default: the machine's accelerator, else the CPU.

        Raises:
            UserError: there is no such model, a weight is missing or left over, or its labels are not IOB2 tags.
        """
        return cls.from_folder(model_folder(str(name_or_path)), str(name_or_path), device)

    @classmethod
    def from_folder(cls, folder: Path, name: str, device: str | torch.device | None = None) -> Extractor:
        """Load a model's folder, which messages call `name`; otherwise as :meth:`from_pretrained`."""
        model, lacking, left_over = load_classifier(folder, name)
        amiss = [*lacking, *(key for key in left_over if "pooler" not in key)]  # which no token classifier uses
        if amiss:
            raise UserError(
                f"{name} is not a trained token classifier: {amiss[0]} is missing, left over, or of another "
                "shape; name a release folder."
            )
        tags = tags_of(model)
        if set(tags) != set(bio_labels([tag[2:] for tag in tags if tag.startswith("B-")])):
            raise UserError(
                f"{name} has labels that are not IOB2 tags ({', '.join(tags[:3])}, …); name an NER release."
            )
        if not habits_fit(model.config, {tag[2:] for tag in tags if tag != "O"}):
            raise UserError(f"{name}: `{CONFIG_KEY}` in its config.json does not fit its labels; remove it.")
        if device is None:
            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
        model.to(device)  # type: ignore[arg-type]  # transformers' wrapper hides `self`
        return cls(model.eval(), load_tokenizer(folder, name))

    @overload
    def __call__(self, text: str) -> list[ScoredSpan]: ...
    @overload
    def __call__(self, text: list[str]) -> list[list[ScoredSpan]]: ...
    def __call__(self, text: str | list[str]) -> list[ScoredSpan] | list[list[ScoredSpan]]:
        """The entities of a text, in reading order, none overlapping; of each text, if there are several."""
        if isinstance(text, str):
            return next(self.extract([text])).spans
        return [extraction.spans for extraction in self.extract(text)]

    def extract(self, texts: Iterable[str]) -> Iterator[Extraction]:
        """Yield what was found in each text, in order; short texts share forward passes."""
        for group in self._groups(texts):
            encoded = [encode(text, self.tokenizer) for text in group]
            for text, document, probabilities in zip(group, encoded, self.word_probabilities(encoded), strict=True):
                yield self._extraction(text, document, probabilities)

    def _groups(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Texts in order, about `_GROUP_CHARACTERS` at a time, so that memory does not grow with their number."""
        group: list[str] = []
        characters = 0
        for text in texts:
            group.append(text)
            characters += len(text)
            if characters >= _GROUP_CHARACTERS:
                yield group
                group, characters = [], 0
        if group:
            yield group

    def _extraction(self, text: str, encoded: EncodedText, probabilities: npt.NDArray[np.float32]) -> Extraction:
        tags = decode(probabilities, self.labels)
        words = encoded.words
        habits = habits_from_config(self.model.config)
        if habits:
            proposed = _without_edge_breaks(spans_from_tags(tags, self.labels), text, words)
            label2id = {label: index for index, label in enumerate(self.labels)}
            spans = consistent_spans(proposed, WordIndex(text, words), probabilities, label2id, habits)
        else:
            found = character_spans(tags, words, self.labels, probabilities)
            spans = [span for span in (_without_edge_blanks(span, text) for span in found) if span.start < span.end]
        return Extraction(spans, words)

    def word_probabilities(self, documents: Sequence[EncodedText]) -> list[npt.NDArray[np.float32]]:
        """For each document label probabilities of shape `(words, labels)`: the mean over the windows of a word."""
        windows = [inference_windows(len(each.token_ids), self.window, self.overlap) for each in documents]
        pieces = [
            document.token_ids[start:end]
            for document, ranges in zip(documents, windows, strict=True)
            for start, end in ranges
        ]
        answers = iter(self._window_probabilities(pieces))
        merged = []
        for document, ranges in zip(documents, windows, strict=True):
            if ranges:
                whole = merge_windows(ranges, (next(answers) for _ in ranges), len(document.token_ids))
                merged.append(whole[document.first_pieces])
            else:
                merged.append(np.zeros((0, len(self.labels)), dtype=np.float32))
        return merged

    @torch.inference_mode()
    def _window_probabilities(self, pieces: Sequence[npt.NDArray[np.int64]]) -> list[npt.NDArray[np.float32]]:
        """For each piece of tokens, probabilities of shape `(tokens, labels)`; pieces of like length share a pass."""
        self.model.eval()
        first = len(self.collator.prefix)
        order = sorted(range(len(pieces)), key=lambda index: len(pieces[index]))
        answers: dict[int, npt.NDArray[np.float32]] = {}
        for start in range(0, len(order), self.batch_size):
            indices = order[start : start + self.batch_size]
            inputs = self.collator.inputs([pieces[index] for index in indices])
            logits = self.model(**{name: tensor.to(self.model.device) for name, tensor in inputs.items()}).logits
            probabilities = logits.float().softmax(-1).cpu().numpy()
            for row, index in enumerate(indices):
                answers[index] = probabilities[row, first : first + len(pieces[index])]
        return [answers[index] for index in range(len(pieces))]


def tags_of(model: PreTrainedModel) -> list[str]:
    """The tags a token classifier tells apart, by id."""
    id2label: Any = model.config.id2label
    return [id2label[index] for index in sorted(id2label)]


def collator_for(tokenizer: PreTrainedTokenizerBase) -> Collator:
    """The collator that puts this tokenizer's special tokens around a window."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    framed = tokenizer("a", add_special_tokens=True)["input_ids"]
    first = next(place for place in range(len(framed)) if framed[place : place + len(plain)] == plain)
    pad_token_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    return Collator(framed[:first], framed[first + len(plain) :], pad_token_id)


def window_tokens(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> int:
    """Text tokens that fit one window: `model_max_length`, or what the model can place, less the special tokens."""
    return min(tokenizer.model_max_length, places_of(model)) - tokenizer.num_special_tokens_to_add(pair=False)


def _without_edge_blanks(span: ScoredSpan, text: str) -> ScoredSpan:
    """A line break can be the first or last word of an entity that the tags spell; the entity ends before it."""
    covered = text[span.start : span.end]
    start = span.start + len(covered) - len(covered.lstrip())
    return ScoredSpan(start, start + len(covered.strip()), span.label, span.score)


def _without_edge_breaks(
    spans: Iterable[tuple[int, int, str]], text: str, words: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, str]]:
    """The same for entities given as `(first word, last word + 1, label)`."""
    for first, end, label in spans:
        inked = [word for word in range(first, end) if not text[words[word][0]].isspace()]
        if inked:
            yield inked[0], inked[-1] + 1, label
