from __future__ import annotations

import json

import pytest
from datasets import Dataset
from invented import invented_documents

from hfloop.errors import UserError
from hfloop.ner.corpus import fingerprint, load_corpus
from hfloop.ner.documents import Document, Span
from hfloop.ner.formats import write_documents
from hfloop.ner.formats.registry import Reading
from hfloop.ner.repair import Kind, RepairReport
from hfloop.ner.splits import leaked

CUT = "cut from the training data, near-duplicates together"


@pytest.fixture
def write(tmp_path):
    def write(name, documents, format="doccano"):
        write_documents(documents, tmp_path / name, format)
        return str(tmp_path / name)

    return write


def versions_of(document, count):
    """A document and near-copies of it."""
    return [Document(f"{document.text}Version {number}.\n", document.spans) for number in range(count)]


def sizes(corpus):
    return len(corpus.train), len(corpus.validation), len(corpus.test)


# ------------------------------------------------------------------ which documents go where


def test_without_files_the_sample_resumes_are_read():
    corpus = load_corpus(seed=1)
    assert corpus.name == "sample resumes"
    assert all(sizes(corpus))
    assert corpus.measured_split == "test"
    assert not corpus.warnings
    assert {"Name", "Designation", "Skills"} <= set(corpus.entity_labels)


def test_training_documents_alone_are_split_with_near_duplicates_together(write):
    originals = [Document(f"{'word ' * n} x{n} y{n} z{n} u{n} v{n} w{n} q{n}", (Span(0, 4, "X"),)) for n in range(10)]
    copies = [copy for number in range(10) for copy in versions_of(invented_documents(1, 7 * number)[0], 3)]
    corpus = load_corpus(train_file=write("a.jsonl", [*copies, *originals]), seed=3)
    assert sizes(corpus)[1] >= 3 and sizes(corpus)[2] >= 6
    assert sum(sizes(corpus)) == 40
    assert leaked(corpus.train, [*corpus.validation, *corpus.test]) == 0
    assert leaked(corpus.validation, corpus.test) == 0
    assert corpus.sources == {"train": "a.jsonl (doccano)", "validation": CUT, "test": CUT}
    assert corpus.measured_documents == corpus.test


def test_the_split_depends_on_the_seed_alone(write):
    path = write("a.jsonl", invented_documents(30))
    one, again, other = (load_corpus(train_file=path, seed=seed) for seed in (1, 1, 2))
    assert (one.train, one.validation, one.test) == (again.train, again.validation, again.test)
    assert one.test != other.test


def test_whoever_brings_a_validation_set_is_measured_on_it(data_files):
    corpus = load_corpus(train_file=str(data_files["train"]), validation_file=str(data_files["validation"]), seed=1)
    assert sizes(corpus) == (24, 6, 0)
    assert corpus.measured_split == "validation"
    assert corpus.measured_documents == corpus.validation
    assert "test" not in corpus.sources and "test" not in corpus.facts()["splits"]
    assert "test" not in corpus.summary()


def test_whoever_brings_a_test_set_gets_a_validation_set_from_the_training_data(data_files):
    corpus = load_corpus(train_file=str(data_files["train"]), test_file=str(data_files["test"]), seed=1)
    train, validation, test = sizes(corpus)
    assert (train + validation, test) == (24, 8)
    assert 1 <= validation <= 6
    assert corpus.sources["validation"] == CUT
    assert corpus.sources["test"] == "test.jsonl (doccano)"


def test_three_files_are_taken_as_they_are(data_files):
    corpus = load_corpus(**{f"{name}_file": str(path) for name, path in data_files.items()}, seed=1)
    assert sizes(corpus) == (24, 6, 8)
    given = invented_documents(8, first=30)
    assert [(d.text, d.spans) for d in corpus.test] == [(d.text, d.spans) for d in given]


def test_a_folder_of_data_files_is_called_by_its_last_name(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "people"
    folder.mkdir()
    for split, count in (("train", 12), ("test", 4)):
        documents = invented_documents(count, first=40 if split == "test" else 0)
        spans = [[{"start": s.start, "end": s.end, "label": s.label} for s in d.spans] for d in documents]
        Dataset.from_dict({"text": [d.text for d in documents], "spans": spans}).to_parquet(
            folder / f"{split}.parquet"
        )
    corpus = load_corpus(dataset_name=str(folder), seed=1)
    assert (corpus.name, corpus.hub_id) == ("people", None)
    assert sizes(corpus)[2] == 4 and sum(sizes(corpus)) == 16
    assert corpus.sources["test"] == "test (hub)"
    assert str(tmp_path) not in json.dumps(corpus.facts())


def test_a_dataset_of_the_hub_is_called_by_its_id(monkeypatch):
    readings = {"train": Reading(invented_documents(12), "hub", RepairReport())}
    monkeypatch.setattr("hfloop.ner.corpus._read_dataset", lambda name, config: readings)
    corpus = load_corpus(dataset_name="someone/people", seed=1)
    assert corpus.name == corpus.hub_id == corpus.facts()["hub_id"] == "someone/people"


# ------------------------------------------------------------------ what is said


def test_the_summary_counts_documents_spans_and_repairs(write, data_files):
    mended = [Document("Ada  here", (Span(0, 4, "Name"),)), *invented_documents(3)]
    corpus = load_corpus(train_file=write("a.jsonl", mended), validation_file=str(data_files["validation"]), seed=1)
    lines = corpus.summary().splitlines()
    assert lines[0] == "data: a.jsonl"
    assert lines[1].split() == ["train", "4", "documents", "16", "spans", "a.jsonl", "(doccano)"]
    assert lines[3].split() == ["labels", "Company,", "Designation,", "Name"]
    assert lines[4].strip() == "Repairs: 1 spans with blanks at an edge trimmed."


def test_repairs_of_all_files_are_counted_together(write):
    blank_edge = Document("Ada  here", (Span(0, 4, "Name"),))
    corpus = load_corpus(
        train_file=write("a.jsonl", [blank_edge, *invented_documents(3)]),
        validation_file=write("b.jsonl", [Document("Bob  there", (Span(0, 4, "Name"),))]),
        seed=1,
    )
    assert corpus.repairs.counts == {Kind.EDGE_BLANKS: 2}
    assert corpus.facts()["repairs"] == {"edge_blanks": 2}


def test_facts_hold_counts_and_fingerprints_and_no_text(data_files):
    corpus = load_corpus(**{f"{name}_file": str(path) for name, path in data_files.items()}, seed=1)
    facts = corpus.facts()
    assert facts["splits"]["test"] == {
        "source": "test.jsonl (doccano)",
        "documents": 8,
        "words": sum(len(document.text.split()) for document in corpus.test),
        "spans": {"Company": 16, "Designation": 16, "Name": 8},
        "sha256": fingerprint(corpus.test),
    }
    text = json.dumps(facts)
    assert not any(corpus.train[0].span_text(span) in text for span in corpus.train[0].spans)
    assert str(data_files["train"].parent) not in text


def test_a_fingerprint_is_that_of_texts_spans_and_order():
    one, two = invented_documents(2)
    assert fingerprint([one, two]) == fingerprint([Document(one.text, one.spans, "named otherwise"), two])
    others = [[two, one], [one], [one, Document(two.text, two.spans[1:])], [Document(one.text + "!", one.spans), two]]
    assert len({fingerprint(each) for each in [[one, two], *others]}) == 5


def test_held_out_documents_that_the_training_set_holds_too_are_warned_of(write):
    document, *others = invented_documents(6)
    corpus = load_corpus(
        train_file=write("a.jsonl", [document, *others[:3]]),
        test_file=write("b.jsonl", [*versions_of(document, 2), others[-1]]),
        validation_file=write("c.jsonl", others[3:]),
        seed=1,
    )
    assert "2 of 3 test documents are near-duplicates of training documents" in corpus.warnings
    assert "  warning: 2 of 3 test documents" in corpus.summary()
    assert corpus.facts()["warnings"] == corpus.warnings


def test_labels_that_no_training_document_has_are_warned_of(write, data_files):
    strange = Document("Quito and Lima", (Span(0, 5, "City"), Span(10, 14, "City")))
    corpus = load_corpus(train_file=str(data_files["train"]), validation_file=write("b.jsonl", [strange]), seed=1)
    assert corpus.warnings == ["labels of the validation set that no training document has: City"]
    assert "City" not in corpus.entity_labels


def test_a_part_without_entities_is_warned_of_or_refused(write):
    bare = [Document(f"nothing to see in number {n} of them all, {'x' * n}") for n in range(12)]
    with pytest.raises(UserError, match=r"^the training part of a.jsonl holds \d+ documents but not one lab"):
        for seed in range(40):  # some seed leaves the one annotated document out of the training part
            corpus = load_corpus(train_file=write("a.jsonl", [*bare, invented_documents(1)[0]]), seed=seed)
            assert "no document of the test set has an entity, so every figure on it is 0" in corpus.warnings


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_files_and_a_dataset_at_once_are_refused(split):
    with pytest.raises(UserError, match=rf"^--dataset_name and --{split}_file name two data sets; give one"):
        load_corpus(dataset_name="someone/something", **{f"{split}_file": "x.jsonl"}, seed=1)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_files_without_training_data_are_refused(split):
    with pytest.raises(UserError, match=rf"^--{split}_file is given and --train_file is missing; name the training"):
        load_corpus(**{f"{split}_file": "x.jsonl"}, seed=1)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_file_without_spans_is_refused_by_name(split, write, data_files):
    files = {f"{name}_file": str(path) for name, path in data_files.items()}
    files[f"{split}_file"] = write("bare.jsonl", [Document("no one here"), Document("nor here")])
    with pytest.raises(UserError, match=r"^bare.jsonl holds 2 documents but not one labelled span: annotate some"):
        load_corpus(**files, seed=1)


def test_too_few_documents_to_split_are_refused(write):
    with pytest.raises(UserError, match="too few for 3 parts"):
        load_corpus(train_file=write("a.jsonl", versions_of(invented_documents(1)[0], 9)), seed=1)
