from __future__ import annotations

import json
from pathlib import Path

import pytest
from format_cases import LABELS, documents
from hypothesis import given
from hypothesis import strategies as st

from hfloop.errors import UserError
from hfloop.ner.documents import Document, Span
from hfloop.ner.formats import FORMATS, read_documents, read_file, write_documents
from hfloop.ner.formats.source import Source
from hfloop.ner.repair import Kind, RepairReport

TEXT = "Ada Lovelace lives in London"
NAME, CITY = Span(0, 12, "Name"), Span(22, 28, "City")

DATATURKS = {
    "content": TEXT,
    "annotation": [
        {"label": ["City"], "points": [{"start": 22, "end": 27, "text": "London"}]},
        {"label": ["Name"], "points": [{"start": 0, "end": 11, "text": "Ada Lovelace"}]},
    ],
    "extras": None,
}
LABEL_STUDIO_RESULT = [
    {"type": "labels", "value": {"start": 0, "end": 12, "text": "Ada Lovelace", "labels": ["Name"]}},
    {"type": "hypertextlabels", "value": {"start": 22, "end": 28, "text": "London", "hypertextlabels": ["City"]}},
    {"type": "choices", "value": {"choices": ["English"]}},
]
SAME_DOCUMENT = {
    "dataturks": [DATATURKS],
    "doccano": [
        {"id": 7, "text": TEXT, "label": [[0, 12, "Name"], [22, 28, "City"]]},
        {"id": 7, "data": TEXT, "labels": [[22, 28, "City"], [0, 12, "Name"]]},
        {
            "text": TEXT,
            "entities": [
                {"id": 1, "start_offset": 0, "end_offset": 12, "label": "Name"},
                {"id": 2, "start_offset": 22, "end_offset": 28, "label": "City"},
            ],
            "relations": [],
        },
    ],
    "label-studio": [
        {"id": 1, "data": {"text": TEXT}, "annotations": [{"result": LABEL_STUDIO_RESULT}]},
        {"id": 1, "data": {"resume": TEXT}, "completions": [{"result": LABEL_STUDIO_RESULT}]},
        {
            "text": TEXT,
            "entity": [
                {"start": 0, "end": 12, "text": "Ada Lovelace", "labels": ["Name"]},
                {"start": 22, "end": 28, "text": "London", "labels": ["City"]},
            ],
            "annotation_id": 3,
        },
    ],
    "spacy": [
        {"text": TEXT, "entities": [[0, 12, "Name"], [22, 28, "City"]]},
        {
            "text": TEXT,
            "entities": [{"start": 0, "end": 12, "label": "Name"}, {"start": 22, "end": 28, "label": "City"}],
        },
        [TEXT, {"entities": [[0, 12, "Name"], [22, 28, "City"]]}],
    ],
}
CASES = [(name, value) for name, values in SAME_DOCUMENT.items() for value in values]


def write_lines(path: Path, *values: object) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def read_value(tmp_path: Path, value: object, format: str = "auto"):
    """A reading of one JSON line that stands on line 2, after a good one of the same kind."""
    return read_file(write_lines(tmp_path / "data.json", value, value), format)


def error_of(path: Path, format: str = "auto") -> str:
    with pytest.raises(UserError) as caught:
        read_file(path, format)
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize(("name", "value"), CASES)
def test_every_shape_is_detected_and_gives_the_same_document(tmp_path, name, value):
    lines = write_lines(tmp_path / "lines", value)
    as_list = tmp_path / "list"
    as_list.write_text(json.dumps([value], indent=1))
    expected = Document(TEXT, (NAME, CITY))
    for path, where in [(lines, "line 1"), (as_list, "record 1")]:
        assert read_documents(path) == ([Document(expected.text, expected.spans, where)], name)
        assert read_documents(path, name)[0][0].spans == expected.spans


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "conll"])
@given(cases=st.lists(documents(labels=(*LABELS, "", "ü")), min_size=1, max_size=4))
def test_json_formats_round_trip_exactly(name, cases):
    text = FORMATS[name].write(cases)
    back = FORMATS[name].read(Source(Path("x"), text), RepairReport())
    assert [(document.text, document.spans) for document in back] == [(case.text, case.spans) for case in cases]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "conll"])
def test_what_is_written_is_detected_and_leaves_no_other_file(tmp_path, name):
    write_documents([Document(TEXT), Document(TEXT, (NAME, CITY))], tmp_path / "out", name)
    found, detected = read_documents(tmp_path / "out")
    assert detected == name
    assert [document.spans for document in found] == [(), (NAME, CITY)]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_byte_order_mark_crlf_and_blank_lines_are_accepted(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(DATATURKS).encode() + b"\r\n\r\n" + json.dumps(DATATURKS).encode())
    assert [document.id for document in read_documents(path)[0]] == ["line 1", "line 3"]


def test_unicode_line_separators_do_not_cut_json_lines(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "a\u2028b\x85c", "label": [[0, 1, "X"]]}\n')
    assert read_documents(path)[0][0].text == "a\u2028b\x85c"


# --- DataTurks -------------------------------------------------------------------------------------------------------


def dataturks(content: str, *points: tuple[int, int, str]) -> dict:
    return {
        "content": content,
        "annotation": [{"label": ["X"], "points": [{"start": s, "end": e, "text": t}]} for s, e, t in points],
    }


def test_dataturks_content_is_unescaped_where_the_quotations_say_so(tmp_path):
    escaped = dataturks("R&amp;D at Acme", (7, 10, "Acme"))
    unescaped = dataturks("write &amp; for &", (16, 16, "&"))
    no_evidence = dataturks("Acme R&amp;D", (0, 3, "Acme"))
    reading = read_file(write_lines(tmp_path / "x", escaped, unescaped, no_evidence))
    texts = [document.text for document in reading.documents]
    assert texts == ["R&D at Acme", "write &amp; for &", "Acme R&amp;D"]
    assert reading.documents[0].spans == (Span(7, 11, "X"),)
    assert reading.report.counts == {Kind.UNESCAPED: 1}
    assert reading.report.examples[Kind.UNESCAPED][0].document == "line 1"


def test_dataturks_without_and_with_several_labels(tmp_path):
    value = dataturks("Acme Ltd", (0, 3, "Acme"), (5, 7, "Ltd"))
    value["annotation"][0]["label"] = []
    value["annotation"][1]["label"] = ["A", "B"]
    assert read_value(tmp_path, value).documents[0].spans == (Span(0, 4, ""), Span(5, 8, "A"), Span(5, 8, "B"))


def test_dataturks_null_annotation_is_a_document_without_spans(tmp_path):
    path = write_lines(tmp_path / "x", DATATURKS, {"content": "nothing here", "annotation": None})
    assert read_documents(path)[0][1] == Document("nothing here", (), "line 2")


def test_a_quotation_that_offsets_contradict_is_counted(tmp_path):
    reading = read_file(write_lines(tmp_path / "x", dataturks("Acme Ltd", (0, 3, "Ltd"))))
    assert reading.documents[0].spans == (Span(0, 4, "X"),)
    assert reading.report.counts == {Kind.MISQUOTED: 1}


# --- Label Studio ----------------------------------------------------------------------------------------------------


def task(text: str, *annotations: dict) -> dict:
    return {"data": {"text": text}, "annotations": list(annotations)}


def region(start: int, end: int, text: str) -> dict:
    return {"result": [{"type": "labels", "value": {"start": start, "end": end, "text": text, "labels": ["X"]}}]}


def test_label_studio_offsets_in_utf16_units_are_converted_where_the_quotations_say_so(tmp_path):
    in_units, in_characters = task("😀 Ada 😀", region(3, 6, "Ada")), task("😀 Ada", region(2, 5, "Ada"))
    at_the_end = task("😀 Ada", region(3, 6, "Ada"))
    reading = read_file(write_lines(tmp_path / "x", in_units, in_characters, at_the_end))
    assert [document.spans for document in reading.documents] == [(Span(2, 5, "X"),)] * 3
    assert reading.report.counts == {Kind.UTF16_OFFSETS: 2}


def test_label_studio_takes_the_first_annotation_that_was_not_cancelled(tmp_path):
    cancelled = {**region(0, 1, "A"), "was_cancelled": True}
    several = task("Ada Acme", cancelled, region(0, 3, "Ada"), region(4, 8, "Acme"))
    none = task("Ada", cancelled)
    reading = read_file(write_lines(tmp_path / "x", several, none))
    assert [document.spans for document in reading.documents] == [(Span(0, 3, "X"),)]
    assert reading.report.counts == {Kind.SECOND_ANNOTATIONS: 1, Kind.UNANNOTATED: 1}


def test_label_studio_json_min_task_without_regions(tmp_path):
    empty = {"text": "nothing", "annotation_id": 4}
    full = SAME_DOCUMENT["label-studio"][2]
    found, name = read_documents(write_lines(tmp_path / "x", empty, full))
    assert (name, [len(document.spans) for document in found]) == ("label-studio", [0, 2])


# --- What a file can have wrong --------------------------------------------------------------------------------------


def test_missing_file_folder_and_empty_file(tmp_path):
    missing = tmp_path / "no.jsonl"
    with pytest.raises(UserError, match=f"^no such file: {missing}.$"):
        read_documents(missing)
    assert error_of(tmp_path) == " is a folder: name a file of annotated documents in it."
    (tmp_path / "empty").write_text("\n \n")
    assert error_of(tmp_path / "empty") == " is empty."
    (tmp_path / "list").write_text("[]")
    assert error_of(tmp_path / "list", "spacy") == " holds no documents."


def test_bytes_that_are_not_utf8(tmp_path):
    path = tmp_path / "latin.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n{"text": "caf\xe9"}\n')
    assert error_of(path) == ", line 2: byte 0xe9 at offset 25 is not UTF-8; save the file as UTF-8."


def test_a_line_that_is_not_json_is_named(tmp_path):
    path = tmp_path / "x"
    path.write_text(json.dumps(DATATURKS) + '\n\n{"content": "cut\n')
    assert error_of(path) == ", line 3: not JSON: Unterminated string starting at at column 13."
    path.write_text('{"content": "cut\n' + json.dumps(DATATURKS))
    assert error_of(path) == ", line 1: not JSON: Unterminated string starting at at column 13."
    path.write_text('[\n{"text": "a", "entities": []},\n{"text": }\n]')
    assert error_of(path) == ", line 3: not JSON: Expecting value at column 10."


@pytest.mark.parametrize("content", ["some prose\nin two lines\n", '{"a": 1}\n', "[1, 2]", "7\n"])
def test_a_format_that_cannot_be_told(tmp_path, content):
    path = tmp_path / "x"
    path.write_text(content)
    known = "dataturks|doccano|label-studio|conll|spacy"
    assert error_of(path).startswith(f": cannot tell its format; say which it is with --format {known} (for a recipe,")


def test_an_unknown_format_name(tmp_path):
    with pytest.raises(
        UserError, match=r"unknown format `docano` \(did you mean `doccano`\?\); the formats are datat"
    ):
        read_documents(tmp_path / "x", "docano")
    with pytest.raises(UserError, match="unknown format `xml`"):
        write_documents([], tmp_path / "x", "xml")


@pytest.mark.parametrize(("asked", "value"), [("doccano", DATATURKS), ("dataturks", SAME_DOCUMENT["spacy"][0])])
def test_another_format_than_asked_is_said(tmp_path, asked, value):
    path = write_lines(tmp_path / "x", value)
    found = read_file(path).format
    assert error_of(path, asked) == f" is not in the format {asked}: it looks like {found} (--format {found})."


def test_a_conll_file_asked_as_json_is_said(tmp_path):
    path = tmp_path / "x"
    path.write_text("[ O\nAda B-PER\n")
    assert error_of(path, "spacy") == " is not in the format spacy: it looks like conll (--format conll)."
    path.write_text("Ada B-PER\n")
    assert error_of(path, "spacy") == " is not in the format spacy: it looks like conll (--format conll)."


def changed(value: dict, **fields: object) -> dict:
    return {**value, **fields}


POINT = {"start": 0, "end": 2, "text": "Ada"}
WRONG = [
    ("dataturks", {"content": TEXT}, "the field `annotation` is missing"),
    ("dataturks", changed(DATATURKS, content=5), "the field `content` must be text, not a whole number"),
    ("dataturks", changed(DATATURKS, annotation={}), "the field `annotation` must be a list, not an object"),
    ("dataturks", changed(DATATURKS, annotation=[5]), "an annotation must be an object, not a whole number"),
    ("dataturks", changed(DATATURKS, annotation=[{"label": ["X"]}]), "the field `points` is missing"),
    (
        "dataturks",
        changed(DATATURKS, annotation=[{"label": [None], "points": [POINT]}]),
        "a label must be text, not null",
    ),
    (
        "dataturks",
        changed(DATATURKS, annotation=[{"label": ["X"], "points": [{**POINT, "start": True}]}]),
        "the field `start` must be a whole number, not true or false",
    ),
    (
        "dataturks",
        dataturks(TEXT, (22, 28, "London")),
        "a span `X` runs from 22 to 29 (end exclusive), outside the text of 28 characters",
    ),
    ("doccano", {"label": []}, "it has none of the fields `text`, `data`"),
    ("doccano", {"text": TEXT}, "it has none of the fields `label`, `labels`, `entities`"),
    ("doccano", {"text": TEXT, "label": [[0, 3]]}, "a span must be [start, end, label], not a list of 2"),
    ("doccano", {"text": TEXT, "label": ["Name"]}, "a span must be a list, not text"),
    ("doccano", {"text": TEXT, "label": [[0, 3, 7]]}, "a span's label must be text, not a whole number"),
    ("doccano", {"text": TEXT, "label": [[0, 3.0, "X"]]}, "a span's end must be a whole number, not a fraction"),
    (
        "doccano",
        {"text": TEXT, "label": [[3, 3, "X"]]},
        "a span `X` runs from 3 to 3 (end exclusive), so it holds no character",
    ),
    ("doccano", {"text": "a\ud83d", "label": []}, "the text has half a surrogate pair at character 1"),
    (
        "spacy",
        {"text": TEXT, "entities": [[-1, 3, "X"]]},
        "a span `X` runs from -1 to 3 (end exclusive), outside the text of 28 characters",
    ),
    ("spacy", [TEXT, {"entities": []}, 1], 'expected `["text", {"entities": […]}]`'),
    ("spacy", 5, "the record must be an object, not a whole number"),
    ("spacy", {"text": TEXT, "entities": [{"start": 0, "end": 3}]}, "the field `label` is missing"),
    ("label-studio", {"data": {"a": "x", "b": "y"}, "annotations": []}, "the field `text` is missing"),
    ("label-studio", {"data": {"text": TEXT}}, "it has none of the fields `annotations`, `completions`"),
    ("label-studio", task(TEXT, {}), "the field `result` is missing"),
    (
        "label-studio",
        task(TEXT, {"result": [{"type": "labels", "value": {"start": "/p[1]", "end": 3, "labels": ["X"]}}]}),
        "the field `start` must be a whole number, not text",
    ),
    (
        "label-studio",
        task(TEXT, region(20, 30, "London")),
        "a span `X` runs from 20 to 30 (end exclusive), outside the text of 28 characters",
    ),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_a_wrong_record_is_named_with_its_line(tmp_path, name, value, message):
    path = write_lines(tmp_path / "x", SAME_DOCUMENT[name][0], value)
    assert error_of(path, name) == f", line 2: {message}."


def test_errors_never_quote_the_text_of_a_document(tmp_path):
    for name, value, _ in WRONG:
        path = write_lines(tmp_path / "x", SAME_DOCUMENT[name][0], value)
        assert "Ada" not in error_of(path, name)


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(UserError, match=r"no/out.jsonl cannot be written: No such file or directory.$"):
        write_documents([Document(TEXT)], tmp_path / "no" / "out.jsonl", "doccano")
