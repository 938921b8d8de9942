from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value

from hfloop.errors import UserError
from hfloop.ner.documents import Document, Span
from hfloop.ner.formats import read_hub, read_hub_dataset, split_names
from hfloop.ner.repair import Kind

SPANS = [{"start": 0, "end": 3, "label": "PER"}]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """datasets keeps its Arrow files here instead of the user's cache."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def folder(tmp_path: Path, columns: dict[str, Any], features: Features | None = None, split: str = "train") -> str:
    path = tmp_path / "data"
    path.mkdir(exist_ok=True)
    Dataset.from_dict(columns, features=features).to_parquet(path / f"{split}.parquet")
    return str(path)


def error_of(path: str, config: str | None = None, split: str = "train") -> str:
    with pytest.raises(UserError) as caught:
        read_hub(path, config, split)
    return str(caught.value).removeprefix(f"dataset {path}")


def test_tokens_with_class_labels(tmp_path):
    features = Features(
        {"tokens": Sequence(Value("string")), "ner_tags": Sequence(ClassLabel(names=["O", "B-PER", "I-PER"]))}
    )
    path = folder(tmp_path, {"tokens": [["Ada", "L", "."], ["no"]], "ner_tags": [[1, 2, 0], [0]]}, features)
    assert read_hub_dataset(path, None, "train") == [
        Document("Ada L .", (Span(0, 5, "PER"),), "row 1"),
        Document("no", (), "row 2"),
    ]


def test_tokens_with_tags_as_strings_and_broken_transitions(tmp_path):
    path = folder(tmp_path, {"tokens": [["a", "b"], ["c"]], "ner_tags": [["O", "I-X"], ["B-X"]]})
    reading = read_hub(path, None, "train")
    assert (reading.format, reading.report.counts) == ("hub", {Kind.BROKEN_TAGS: 1})
    assert reading.documents[0].spans == (Span(2, 3, "X"),)


@pytest.mark.parametrize("column", ["spans", "entities"])
def test_texts_with_spans(tmp_path, column):
    path = folder(tmp_path, {"text": ["Ada here", "none"], column: [SPANS, []], "other": [1, 2]})
    assert read_hub_dataset(path, None, "train") == [
        Document("Ada here", (Span(0, 3, "PER"),), "row 1"),
        Document("none", (), "row 2"),
    ]


def test_spans_as_a_dict_of_lists_and_with_class_labels(tmp_path):
    features = Features(
        {
            "text": Value("string"),
            "spans": Sequence(
                {"start": Value("int64"), "end": Value("int64"), "label": ClassLabel(names=["LOC", "PER"])}
            ),
        }
    )
    path = folder(tmp_path, {"text": ["Ada"], "spans": [{"start": [0], "end": [3], "label": [1]}]}, features)
    assert read_hub_dataset(path, None, "train") == [Document("Ada", (Span(0, 3, "PER"),), "row 1")]


def test_split_names(tmp_path):
    folder(tmp_path, {"text": ["a"], "spans": [SPANS]})
    path = folder(tmp_path, {"text": ["a"], "spans": [SPANS]}, split="test")
    assert split_names(path, None) == ["train", "test"]


def test_no_such_folder_split_configuration_or_columns(tmp_path):
    path = folder(tmp_path, {"sentence": ["Ada"], "y": [1]})
    assert error_of(path, split="tset") == " cannot be loaded: Unknown split \"tset\". Should be one of ['train']."
    assert error_of(path, "de") == " cannot be loaded: BuilderConfig 'de' not found. Available: ['default']."
    assert error_of(path) == (
        ": expected the columns `tokens` and `ner_tags`, or `text` and `spans` or `entities`; found `sentence`, `y`."
    )
    missing = str(tmp_path / "none")
    assert error_of(missing) == f" cannot be loaded: Couldn't find any data file at {missing}."


def test_offline_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    message = error_of("someone/something")
    assert message.startswith(": Couldn't reach 'someone/something' on the Hub")
    assert message.endswith("(HF_HUB_OFFLINE is set); a local folder of data files loads without.")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        split_names("someone/something", None)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"tokens": [["a"]], "ner_tags": [[1]]},
            ", row 1: `ner_tags` are numbers without names; they must be strings or class labels.",
        ),
        ({"tokens": [["a"]], "ner_tags": [["PER"]]}, ", row 1: a tag must be `O` or like `B-LABEL`, not `PER`."),
        ({"tokens": [["a", "b"]], "ner_tags": [["O"]]}, ", row 1: has 2 tokens but 1 ner_tags."),
        (
            {"text": ["Ad"], "spans": [SPANS]},
            ", row 1: a span `PER` runs from 0 to 3 (end exclusive), outside the text of 2 characters.",
        ),
        ({"text": ["Ada"], "spans": [[{"start": 0, "end": 3}]]}, ", row 1: a span's label must be text, not null."),
        ({"text": ["Ada"], "spans": [["PER"]]}, ", row 1: a span must be an object, not text."),
    ],
)
def test_a_wrong_row_is_named(tmp_path, columns, message):
    assert error_of(folder(tmp_path, columns)) == message


def test_a_class_label_for_missing_is_refused(tmp_path):
    features = Features({"tokens": Sequence(Value("string")), "ner_tags": Sequence(ClassLabel(names=["O", "B-PER"]))})
    path = folder(tmp_path, {"tokens": [["a"]], "ner_tags": [[-1]]}, features)
    assert error_of(path) == ", row 1: the class label -1 is not one of 0 to 1."
