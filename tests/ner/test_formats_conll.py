from __future__ import annotations

from pathlib import Path

import pytest
from format_cases import documents
from hypothesis import given
from hypothesis import strategies as st

from hfloop.errors import UserError
from hfloop.ner.documents import Document, Span
from hfloop.ner.formats import FORMATS, read_documents, read_file
from hfloop.ner.formats.source import Source
from hfloop.ner.formats.tags import tag_scheme, tags_to_spans
from hfloop.ner.repair import Kind, RepairReport, repair


def read_text(tmp_path: Path, text: str, format: str = "auto"):
    path = tmp_path / "data.conll"
    path.write_text(text)
    return read_file(path, format)


def error_of(tmp_path: Path, text: str, format: str = "auto") -> str:
    with pytest.raises(UserError) as caught:
        read_text(tmp_path, text, format)
    return str(caught.value).removeprefix(str(tmp_path / "data.conll"))


def parse(text: str) -> list[Document]:
    return FORMATS["conll"].read(Source(Path("x"), text), RepairReport())


def write(*cases: Document) -> str:
    return FORMATS["conll"].write(cases)


# --- Tags ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "scheme", "entities", "broken"),
    [
        ("B-X I-X O B-Y", "IOB2", [(0, 2, "X"), (3, 4, "Y")], 0),
        ("B-X B-X I-X", "IOB2", [(0, 1, "X"), (1, 3, "X")], 0),
        ("O I-X I-X", "IOB2", [(1, 3, "X")], 1),
        ("B-X I-Y", "IOB2", [(0, 1, "X"), (1, 2, "Y")], 1),
        ("I-X I-X B-X O I-Y", "IOB1", [(0, 2, "X"), (2, 3, "X"), (4, 5, "Y")], 0),
        ("B-X I-X E-X S-Y O", "BIOES", [(0, 3, "X"), (3, 4, "Y")], 0),
        ("B-X L-X U-X U-X", "BIOES", [(0, 2, "X"), (2, 3, "X"), (3, 4, "X")], 0),
        ("B-X O S-X I-X", "BIOES", [(0, 1, "X"), (2, 3, "X"), (3, 4, "X")], 3),
        ("E-X B-X B-Y E-Y", "BIOES", [(0, 1, "X"), (1, 2, "X"), (2, 4, "Y")], 2),
    ],
)
def test_tags_are_read_as_conlleval_does_and_broken_transitions_are_counted(tags, scheme, entities, broken):
    assert tags_to_spans(tags.split(), scheme) == (entities, broken)


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("O B-X I-X", "IOB2"),
        ("O", "IOB2"),
        ("I-X B-X O I-Y", "IOB1"),
        ("I-X O B-Y", "IOB2"),
        ("B-X E-X", "BIOES"),
        ("O U-X", "BIOES"),
    ],
)
def test_the_scheme_is_told_by_the_tags(tags, scheme):
    assert tag_scheme([tags.split()]) == scheme


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_one_document_per_sentence_named_after_its_line(tmp_path):
    reading = read_text(tmp_path, "Ada\tB-PER\nLovelace\tI-PER\n\t\n\n# a comment\nin\tO\nLondon\tB-LOC\n")
    assert reading.format == "conll"
    assert reading.documents == [
        Document("Ada Lovelace", (Span(0, 12, "PER"),), "line 1"),
        Document("in London", (Span(3, 9, "LOC"),), "line 6"),
    ]
    assert reading.report.counts == {}


def test_one_document_per_docstart_block(tmp_path):
    start = "-DOCSTART- -X- -X- O\n\n"
    text = f"{start}Ada NNP I-NP I-PER\n. . O O\n\nShe PRP O O\n\n{start}IBM NNP I-NP I-ORG\n"
    assert read_text(tmp_path, text).documents == [
        Document("Ada .\nShe", (Span(0, 3, "PER"),), "line 1"),
        Document("IBM", (Span(0, 3, "ORG"),), "line 8"),
    ]


def test_sentences_before_the_first_docstart_are_a_document(tmp_path):
    found = read_text(tmp_path, "a O\nb O\n\n-DOCSTART- O\n\nc O\n").documents
    assert [(document.text, document.id) for document in found] == [("a b", "line 1"), ("c", "line 4")]


def test_a_hash_is_a_token_where_its_line_has_all_columns(tmp_path):
    assert read_text(tmp_path, "# text = 5 B-X\n# O\n5 B-NUM\n").documents == [
        Document("# 5", (Span(2, 3, "NUM"),), "line 2")
    ]


def test_labels_with_blanks_stand_in_tab_separated_columns(tmp_path):
    assert read_text(tmp_path, "MIT\tB-College Name\n").documents[0].spans == (Span(0, 3, "College Name"),)


def test_crlf_and_byte_order_mark_are_accepted(tmp_path):
    path = tmp_path / "x"
    path.write_bytes("\ufeffAda B-PER\r\n\r\nBob B-PER\r\n".encode())
    found, _ = read_documents(path)
    assert [(document.text, document.spans) for document in found] == [
        ("Ada", (Span(0, 3, "PER"),)),
        ("Bob", (Span(0, 3, "PER"),)),
    ]


def test_broken_sequences_are_counted_with_their_line(tmp_path):
    report = read_text(tmp_path, "a B-X\n\nb O\nc I-X\nd I-Y\n").report
    assert report.counts == {Kind.BROKEN_TAGS: 2}
    assert [str(example) for example in report.examples[Kind.BROKEN_TAGS]] == ["line 3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a B-X\nb O\nalone\n", ", line 3: expected a token and its tag, found one column."),
        ("a B-X\nb NN O\nc O\n", ", line 2: has 3 columns where the first token has 2."),
        (
            "a B-X\nb PER\nc O\n",
            ", line 2: the last column must be a tag, `O` or like `B-LABEL`, not `PER`.",
        ),
        ("a\tB-X\n\tO\n", ", line 2: the token is missing."),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, message):
    assert error_of(tmp_path, text) == message


def test_a_file_of_comments_holds_no_documents(tmp_path):
    assert error_of(tmp_path, "# nothing here\n", "conll") == " holds no documents."


def test_json_asked_as_conll_is_said(tmp_path):
    text = '{"text": "a b", "label": [[0, 1, "X"]]}\n'
    assert (
        error_of(tmp_path, text, "conll") == " is not in the format conll: it looks like doccano (--format doccano)."
    )


# --- Writing ---------------------------------------------------------------------------------------------------------


def test_words_and_punctuation_become_iob2_lines():
    document = Document("Ada L., London", (Span(0, 6, "Name"), Span(8, 14, "City")))
    lines = ["Ada\tB-Name", "L\tI-Name", ".\tI-Name", ",\tO", "London\tB-City", ""]
    assert write(document) == "\n".join(lines) + "\n"


def test_line_breaks_outside_spans_end_sentences_and_documents_get_docstart_lines():
    document = Document("Ada\nMIT\nBoston\n", (Span(4, 14, "College"),))
    text = "-DOCSTART-\tO\n\nAda\tO\n\nMIT\tB-College\nBoston\tI-College\n\n"
    assert write(document) == text
    assert parse(text) == [Document("Ada\nMIT Boston", (Span(4, 14, "College"),), "line 1")]


@given(st.lists(documents(), min_size=1, max_size=4))
def test_repaired_documents_keep_their_spans_and_writing_again_changes_nothing(cases):
    repaired, _ = repair(cases)
    text = write(*repaired)
    back = parse(text)
    assert write(*back) == text
    assert [spans_without_blanks(document) for document in back] == [
        spans_without_blanks(document) for document in repaired
    ]


@given(
    st.lists(st.lists(st.sampled_from(["Ada", "1", "é", "😀", "."]), min_size=1, max_size=5), min_size=2, max_size=4)
)
def test_texts_of_tokens_and_sentences_come_back_exactly(sentences):
    text = "\n".join(" ".join(tokens) for tokens in sentences)
    document = Document(text, (Span(0, len(sentences[0][0]), "X"),), "line 1")
    assert parse(write(document)) == [document]


def spans_without_blanks(document: Document) -> list[tuple[str, str, int]]:
    """Each span's characters and label, and how many characters stand before it, blanks not counted."""

    def squeezed(text: str) -> str:
        return "".join(text.split())

    return [
        (squeezed(document.span_text(span)), span.label, len(squeezed(document.text[: span.start])))
        for span in document.spans
    ]


@pytest.mark.parametrize(
    ("spans", "why"),
    [
        ((Span(0, 5, "X"), Span(4, 7, "Y")), "the span 4–7 overlaps another"),
        ((Span(3, 4, "X"),), "the span 3–4 holds no word"),
        ((Span(0, 3, ""),), "the span 0–3 has a label that a column cannot hold"),
        ((Span(0, 3, "a\tb"),), "the span 0–3 has a label that a column cannot hold"),
    ],
)
def test_what_columns_cannot_hold_is_refused(spans, why):
    with pytest.raises(UserError) as caught:
        write(Document("Ada Lovelace", spans, "line 9"))
    assert str(caught.value) == f"line 9: {why}, so conll cannot hold it; convert with --repair."
