from __future__ import annotations

from types import SimpleNamespace

import pytest

from hfloop.ner.corpus import load_corpus
from hfloop.ner.documents import Document, Span
from hfloop.ner.evaluation import evaluate_documents
from hfloop.ner.extractor import Extractor
from hfloop.ner.limits import limits, limits_of_labels


def documents(**labels):
    """A document for each of the given texts, which is an entity of the label; underscores are blanks."""
    pairs = [(label.replace("_", " "), text) for label, texts in labels.items() for text in texts]
    return [Document(text, (Span(0, len(text), label),)) for label, text in pairs]


def said(**labels):
    """What is said of them, but for the labels that are rare."""
    return [each for each in limits_of_labels(documents(**labels)) if not each.startswith("Learned from fewer")]


def test_limits_are_those_of_the_data_and_the_figures(tiny_release, data_files):
    corpus = load_corpus(**{f"{name}_file": str(path) for name, path in data_files.items()}, seed=42)
    report = evaluate_documents(Extractor.from_pretrained(tiny_release, device="cpu"), corpus.test, "test")
    told = "\n".join(limits(corpus, report))
    assert "Learned from 24 documents (568 words)" in told
    assert "Fewer than 20 gold entities are behind the figures of: Company, Designation, Name." in told
    assert "invented resumes" not in told
    assert "drops some characters" not in told
    assert "invented resumes of regular making" in "\n".join(limits(load_corpus(seed=42), report))


def test_labels_that_are_found_badly_are_named(tiny_release, data_files):
    corpus = load_corpus(**{f"{name}_file": str(path) for name, path in data_files.items()}, seed=42)
    weak, none = SimpleNamespace(support=30, f1=0.49), SimpleNamespace(support=0, f1=0.0)
    per_label = {"Name": weak, "Company": SimpleNamespace(support=30, f1=0.5), "Fax": none}
    told = "\n".join(limits(corpus, SimpleNamespace(scores=SimpleNamespace(per_label=per_label), coverage=0.987)))
    assert "\nFound less than half right (F1 below 0.5): Name.\n" in told
    assert "\nFewer than 20 gold entities are behind the figures of: Fax.\n" in told
    assert "\nThe tokenizer drops some characters: 1.30 % of the text was not read.\n" in told


ADDRESS = "www.example.org/ada"


@pytest.mark.parametrize(
    ("label", "texts", "sentence"),
    [
        (
            "Email_Address",
            [ADDRESS] * 3,
            " the training data all hold no @, all of them web addresses: the model finds",
        ),
        ("E-Mail", ["a@b.org"] * 8 + [ADDRESS, "none"], " 2 hold no @, 1 of them web addresses: "),
        ("Email", ["a@b.org"] * 9 + [ADDRESS], None),
        ("Phone", ["020 7946 0018", "ask Ada"], "1 hold fewer than six digits:"),
        ("phone_number", ["020 7946 0018"], None),
        ("Website", ["example.org", "mine"], "1 hold no dot or slash between letters:"),
        ("Graduation_Year", ["2016", "last spring"], "1 hold no digit:"),
        ("Yearbook", ["the blue one"], None),
    ],
)
def test_a_label_whose_entities_look_otherwise_than_it_sounds_is_told_in_counts(label, texts, sentence):
    told = said(**{label: texts})
    assert len(told) == (sentence is not None)
    if sentence:
        assert told[0].startswith(f"Of the {len(texts)} entities labelled `{label.replace('_', ' ')}` in the training")
        assert sentence in told[0] and told[0].endswith(": the model finds what the data calls so.")
    assert not any(text in each for text in texts for each in told)


def test_a_label_of_very_different_lengths_is_told():
    short, long = ["one two"] * 3, "word " * 29 + "word"
    assert said(Skills=[*short, long]) == [
        "Entities labelled `Skills` have up to 30 words in the training data, half of them at most 2: phrases count "
        "as much as whole paragraphs, so borders may be others than expected."
    ]
    assert said(Skills=[*short, long[5:]]) == []
    assert said(Skills=[long] * 3) == []


def test_labels_that_were_hardly_shown_are_named():
    assert list(limits_of_labels(documents(Name=["Ada"] * 19, Town=["Lisbon"] * 20, Age=["7"]))) == [
        "Learned from fewer than 20 entities each: Age, Name."
    ]
