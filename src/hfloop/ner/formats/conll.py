"""CoNLL columns: one token a line with its tag in the last column, a blank line after each sentence.

Columns are parted by tabs, or by blanks where a line has no tab. Lines that begin with `# ` are comments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path

from hfloop.errors import UserError
from hfloop.ner.decoding import split_words, tags_from_spans
from hfloop.ner.documents import Document, Span
from hfloop.ner.formats.source import Source
from hfloop.ner.formats.tags import OUTSIDE, is_tag, join_tokens, tag_scheme, tags_to_spans
from hfloop.ner.repair import Example, Kind, RepairReport

_DOCUMENT_START = "-DOCSTART-"
_LINES_TO_JUDGE = 200


@dataclass
class _Sentence:
    """Tokens and their tags; `line` is the first token's."""

    line: int
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


def looks_like(source: Source) -> bool:
    """Whether most of the first lines have two columns or more, the last being a tag."""
    filled = [line for line in source.lines[:_LINES_TO_JUDGE] if line.strip() and not line.startswith("# ")]
    tagged = sum(len(columns) > 1 and is_tag(columns[-1]) for columns in map(_columns, filled))
    return tagged > len(filled) / 2


def read(source: Source, report: RepairReport) -> list[Document]:
    """One document per `-DOCSTART-` block, its sentences joined by line breaks; without such lines one per sentence.

    IOB1, IOB2 and BIOES (BILOU) are told apart; transitions that the scheme forbids are counted.
    """
    blocks = list(_blocks(source))
    scheme = tag_scheme(sentence.tags for _, sentences in blocks for sentence in sentences)
    return [_document(line, sentences, scheme, report) for line, sentences in blocks]


def write(documents: Sequence[Document]) -> str:
    """Tab-separated tokens and IOB2 tags, a blank line after each sentence.

    Tokens are words and punctuation marks, cut at the edges of spans too. A line break outside spans ends a sentence;
    if any document has not exactly one sentence, each begins with a `-DOCSTART-` line. What the columns cannot hold is
    how many blanks stood between two tokens, or none: the spans stay the same runs of tokens.

    Raises:
        UserError: spans overlap or hold no word, or a label cannot stand in a column.
    """
    in_sentences = [list(_tagged_sentences(document)) for document in documents]
    with_starts = any(len(sentences) != 1 for sentences in in_sentences)
    lines: list[str] = []
    if documents and documents[0].text.lstrip().startswith("\ufeff"):
        lines.append("")  # at the very start of a file this character would be read as the encoding's mark
    for sentences in in_sentences:
        if with_starts:
            lines += [f"{_DOCUMENT_START}\t{OUTSIDE}", ""]
        for sentence in sentences:
            lines += [*(f"{token}\t{tag}" for token, tag in sentence), ""]
    return "".join(f"{line}\n" for line in lines)


def _columns(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else [column for column in line.split(" ") if column]


def _blocks(source: Source) -> Iterator[tuple[int, list[_Sentence]]]:
    """The sentences of each document with the line on which it starts."""
    pieces = list(_pieces(source))
    if not any(isinstance(piece, int) for piece in pieces):
        yield from ((piece.line, [piece]) for piece in pieces if isinstance(piece, _Sentence))
        return
    start: int | None = None
    sentences: list[_Sentence] = []
    for piece in pieces:
        if isinstance(piece, _Sentence):
            sentences.append(piece)
            continue
        if start is not None or sentences:
            yield start or sentences[0].line, sentences
        start, sentences = piece, []
    if start is not None:
        yield start, sentences


def _pieces(source: Source) -> Iterator[_Sentence | int]:
    """The sentences of a file, and the line number of each `-DOCSTART-` in its place."""
    width = _width(source)
    rows = [(number, *_row(source.path, number, line, width)) for number, line in enumerate(source.lines, start=1)]
    for kind, group in groupby((row for row in rows if row[1] != "comment"), key=lambda row: row[1]):
        found = list(group)
        if kind == "start":
            yield from (number for number, *_ in found)
        elif kind == "token":
            yield _Sentence(found[0][0], [row[2] for row in found], [row[3] for row in found])


def _width(source: Source) -> int:
    """The number of columns of the first line that is a token for certain."""
    for line in source.lines:
        columns = _columns(line)
        if line.strip() and not line.startswith("# ") and columns[0] != _DOCUMENT_START:
            return len(columns)
    return 0


def _row(path: Path, number: int, line: str, width: int) -> tuple[str, str, str]:
    """`(kind, token, tag)` of a line, kind being blank, start, comment or token."""
    columns = _columns(line)
    if not line.strip():
        return "blank", "", ""
    if columns[0] == _DOCUMENT_START:
        return "start", "", ""
    if line.startswith("# ") and not (len(columns) == width and is_tag(columns[-1])):
        return "comment", "", ""
    if len(columns) < 2:
        raise UserError(f"{path}, line {number}: expected a token and its tag, found one column.")
    if len(columns) != width:
        raise UserError(f"{path}, line {number}: has {len(columns)} columns where the first token has {width}.")
    if not is_tag(columns[-1]):
        raise UserError(
            f"{path}, line {number}: the last column must be a tag, `O` or like `B-LABEL`, not `{columns[-1]}`."
        )
    if not columns[0]:
        raise UserError(f"{path}, line {number}: the token is missing.")
    return "token", columns[0], columns[-1]


def _document(line: int, sentences: list[_Sentence], scheme: str, report: RepairReport) -> Document:
    read_sentences = []
    for sentence in sentences:
        entities, broken = tags_to_spans(sentence.tags, scheme)
        read_sentences.append((sentence.tokens, entities))
        if broken:
            report.add(Kind.BROKEN_TAGS, Example(f"line {sentence.line}"), count=broken)
    text, spans = join_tokens(read_sentences)
    return Document(text, tuple(spans), f"line {line}")


def _tagged_sentences(document: Document) -> Iterator[list[tuple[str, str]]]:
    _check_columns_can_hold(document)
    words = _words_cut_at_spans(document)
    tags = tags_from_spans(document.spans, words)
    sentence: list[tuple[str, str]] = []
    end = 0
    for (start, stop), tag in zip(words, tags, strict=True):
        if sentence and "\n" in document.text[end:start] and not tag.startswith("I-"):
            yield sentence
            sentence = []
        sentence.append((document.text[start:stop], tag))
        end = stop
    if sentence:
        yield sentence


def _words_cut_at_spans(document: Document) -> list[tuple[int, int]]:
    edges = sorted({edge for span in document.spans for edge in (span.start, span.end)})
    pieces: list[tuple[int, int]] = []
    for start, end in split_words(document.text):
        pieces += pairwise([start, *(edge for edge in edges if start < edge < end), end])
    return pieces


def _check_columns_can_hold(document: Document) -> None:
    for span in document.spans:
        if not span.label.strip() or any(character in span.label for character in "\t\r\n"):
            raise _unwritable(document, span, "has a label that a column cannot hold")
        if not document.span_text(span).strip():
            raise _unwritable(document, span, "holds no word")
    for before, after in pairwise(sorted(document.spans)):
        if after.start < before.end:
            raise _unwritable(document, after, "overlaps another")


def _unwritable(document: Document, span: Span, why: str) -> UserError:
    return UserError(
        f"{document.id}: the span {span.start}–{span.end} {why}, so conll cannot hold it; convert with --repair."
    )
