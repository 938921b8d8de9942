from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import datasets
import pytest
from datasets import Dataset, DatasetDict
from invented import invented_documents

from hfloop.errors import UserError
from hfloop.hub.figures import compared
from hfloop.ner.corpus import fingerprint, load_corpus
from hfloop.ner.family import NerFamily
from hfloop.ner.formats import write_documents

FAMILY = NerFamily()


@pytest.fixture
def release(tiny_release):
    """The release, what its hfloop.json holds, and what NerFamily does with them."""
    provenance = json.loads((tiny_release / "hfloop.json").read_text(encoding="utf-8"))

    def measured(data=None):
        return FAMILY.measure(tiny_release, "the model", provenance, data and str(data), None).report

    return SimpleNamespace(folder=tiny_release, provenance=provenance, measured=measured)


def measured_on(provenance, corpus, **config):
    """Let the record say that the figures were measured on this corpus, as a run with this configuration does."""
    own = dict.fromkeys(["train_file", "validation_file", "test_file", "dataset_name", "dataset_config_name"])
    provenance["config"] |= own | config
    provenance["data"] = corpus.facts()
    provenance["report"]["split"] = corpus.measured_split


# ------------------------------------------------------------------ the probe


def test_the_model_finds_what_was_recorded(release):
    assert FAMILY.probe(release.folder, "the model", release.provenance) == []


def test_what_it_finds_otherwise_is_said(release):
    example = release.provenance["example"]
    first, second, third = example["spans"]
    first["score"] += 0.002
    second["score"] += 0.0009
    third["end"] -= 1
    lines = example["transformers_output"].splitlines()
    what, score = lines[0].removesuffix(")").rsplit("(", 1)
    lines[0] = f"{what}({float(score) + 0.01:.2f})"  # a hundredth more or less may be rounding
    lines[1] = lines[1].replace("Designation", "Company")
    example["transformers_output"] = "\n".join(lines)
    said = FAMILY.probe(release.folder, "the model", release.provenance)
    assert sum(sentence.startswith(f"the model's score of {first['label']} ") for sentence in said) == 1
    assert sum("no longer finds" in sentence for sentence in said) == 1
    assert sum("was not recorded" in sentence for sentence in said) == 1
    assert sum(sentence.startswith("line 2 of transformers_output is Designation") for sentence in said) == 1
    assert sum("of transformers_output" in sentence for sentence in said) == 1
    assert not any(second["label"] in sentence and "score" in sentence for sentence in said)


def test_a_model_that_does_not_load_is_named_as_the_user_does(release, tmp_path):
    folder = shutil.copytree(release.folder, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"].popitem()
    config["label2id"].popitem()
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"the model is not a trained token classifier: classifier.bias is missing"):
        FAMILY.probe(folder, "the model", release.provenance)
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"^the model cannot be loaded as a token classifier"):
        FAMILY.probe(folder, "the model", release.provenance)


@pytest.mark.parametrize("example", [None, {}, {"text": "a", "spans": [{}]}, {"text": "a", "spans": 3}])
def test_a_record_without_an_example_is_said(example, release):
    release.provenance["example"] = example
    with pytest.raises(UserError, match=r"the model: its hfloop.json does not say what the model finds"):
        FAMILY.probe(release.folder, "the model", release.provenance)


# ------------------------------------------------------------------ the figures


def test_a_test_file_is_measured_on_again(release, data_files):
    assert release.measured(data_files["test"]) == release.provenance["report"]


def test_a_set_that_was_cut_is_cut_again_from_the_whole(release, tmp_path):
    write_documents(invented_documents(40), tmp_path / "whole.jsonl", "doccano")
    corpus = load_corpus(train_file=str(tmp_path / "whole.jsonl"), seed=7)
    measured_on(release.provenance, corpus, train_file="whole.jsonl", seed=7)
    assert release.measured(tmp_path / "whole.jsonl")["documents"] == len(corpus.test)
    with pytest.raises(UserError, match=r"on a test set that was cut from whole.jsonl: name it with --data"):
        release.measured()
    release.provenance["config"]["seed"] = 8
    with pytest.raises(UserError, match="does not give the documents"):
        release.measured(tmp_path / "whole.jsonl")


def test_a_validation_file_is_measured_on_where_there_is_no_test_set(release, data_files):
    files = {f"{name}_file": str(data_files[name]) for name in ("train", "validation")}
    corpus = load_corpus(**files, seed=0)
    measured_on(release.provenance, corpus, train_file="train.jsonl", validation_file="validation.jsonl")
    measured = release.measured(data_files["validation"])
    assert (measured["split"], measured["documents"]) == ("validation", 6)


def test_the_sample_resumes_need_no_data(release):
    corpus = load_corpus(seed=3)
    measured_on(release.provenance, corpus, seed=3)
    assert release.measured()["documents"] == len(corpus.test)


def test_the_sample_resumes_may_be_named(release, tmp_path, data_files):
    corpus = load_corpus(seed=3)
    measured_on(release.provenance, corpus, seed=3)
    write_documents(corpus.test, tmp_path / "test.jsonl", "doccano")
    assert release.measured(tmp_path / "test.jsonl")["documents"] == len(corpus.test)
    with pytest.raises(UserError, match="does not give the documents"):
        release.measured(data_files["test"])


@pytest.fixture
def people(monkeypatch):
    """A data set someone/people of the Hub; gives its documents by split."""
    documents = {"train": invented_documents(30), "test": invented_documents(5, 30)}

    def rows(split):
        spans = [[vars(span) for span in each.spans] for each in documents[split]]
        return Dataset.from_dict({"text": [each.text for each in documents[split]], "spans": spans})

    def load_dataset(name, config, split):
        assert (name, config) in (("someone/people", "small"), ("people", "small"))
        return rows(split)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda name, config: list(DatasetDict(documents)))
    return documents


def test_a_data_set_of_the_hub_is_loaded_again(release, people):
    corpus = load_corpus(dataset_name="someone/people", dataset_config_name="small", seed=1)
    measured_on(release.provenance, corpus, dataset_name="someone/people", dataset_config_name="small", seed=1)
    assert release.measured()["documents"] == 5
    people["test"].pop()
    with pytest.raises(UserError, match="someone/people does not give the documents that the figures"):
        release.measured()


def test_a_folder_of_a_data_set_must_be_named(release, people, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people").mkdir()
    corpus = load_corpus(dataset_name="people", dataset_config_name="small", seed=1)
    assert corpus.hub_id is None
    measured_on(release.provenance, corpus, dataset_name="people", dataset_config_name="small", seed=1)
    with pytest.raises(UserError, match="measured on the test set of people, a folder: name it with --data"):
        release.measured()
    assert release.measured("people")["documents"] == 5
    assert fingerprint(people["test"]) == release.provenance["data"]["splits"]["test"]["sha256"]


@pytest.mark.parametrize("part", ["config", "data", "report"])
@pytest.mark.parametrize("content", [None, {}, [], "text"])
def test_a_record_that_does_not_say_what_was_measured_on_is_refused(part, content, release):
    release.provenance[part] = content
    with pytest.raises(UserError, match="does not say what its figures were measured on"):
        release.measured()


@pytest.mark.parametrize("seed", [-1, "1", None])
def test_a_seed_that_is_none_is_refused(seed, release):
    release.provenance["config"]["seed"] = seed
    with pytest.raises(UserError, match="does not say what its figures were measured on"):
        release.measured()


# ------------------------------------------------------------------ what else is recorded


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda known: known.update(window_tokens=8192), "`window_tokens` of the model is 46, and 8192 was recorded"),
        (lambda known: known.update(mention_habits=not known["mention_habits"]), "`mention_habits` of the model is "),
        (lambda known: known["base_model"].update(parameters=1), "`base_model.parameters` of the model is "),
        (lambda known: known["example"].update(stride=1), "`stride` of the example is 15, and was recorded as 1"),
        (lambda known: known["sha256"].update({"modeling.py": ""}), "modeling.py is code, and no token classifier "),
    ],
)
def test_what_a_model_shows_is_compared_with_what_was_recorded(edit, said, release):
    edit(release.provenance)
    (sentence,) = FAMILY.probe(release.folder, "the model", release.provenance)
    assert sentence.startswith(said)


@pytest.mark.parametrize(
    ("file", "key", "value", "said"),
    [
        ("config.json", "auto_map", {"AutoConfig": "theirs.Config"}, "`auto_map` in config.json names code"),
        ("config.json", "custom_pipelines", {"theirs": {}}, "`custom_pipelines` in config.json names code"),
        ("tokenizer_config.json", "auto_map", {"AutoTokenizer": ["a.B", None]}, "`auto_map` in tokenizer_config.json"),
        ("config.json", "architectures", ["BertForSequenceClassification"], "`architectures` in config.json is ['B"),
        ("tokenizer_config.json", "model_max_length", 32, "`window_tokens` of the model is 30, and 46 was recorded"),
        ("tokenizer_config.json", "model_max_length", 10**6, "`model_max_length` of the tokenizer is 1000000, and "),
    ],
)
def test_what_the_files_of_a_model_say_is_compared_too(file, key, value, said, release, tmp_path):
    folder = shutil.copytree(release.folder, tmp_path / "copy")
    settings = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(settings | {key: value}))
    assert any(each.startswith(said) for each in FAMILY.probe(folder, "the model", release.provenance))


def wrong(measured):
    both = compared(measured.recorded, measured.facts, [], 0)
    return {figure.name for figure in both if not figure.is_equal}


def test_of_a_test_file_its_own_facts_are_compared(release, data_files):
    def measured():
        return FAMILY.measure(release.folder, "the model", release.provenance, str(data_files["test"]), None)

    assert wrong(measured()) == set()
    release.provenance["data"]["splits"]["test"] |= {"documents": 99, "words": 10**7, "spans": {"Name": 1}}
    release.provenance["data"]["splits"]["train"]["documents"] = 10**6  # which nobody sees without it
    assert wrong(measured()) == {
        "data.splits.test.documents", "data.splits.test.words", "data.splits.test.spans.Name",
        "data.splits.test.spans.Company", "data.splits.test.spans.Designation",
    }  # fmt: skip


def test_of_data_that_is_read_whole_all_facts_are_compared(release, tmp_path):
    corpus = load_corpus(seed=3)
    measured_on(release.provenance, corpus, seed=3)
    release.provenance |= {"labels": corpus.entity_labels}

    def measured(data=None):
        return FAMILY.measure(release.folder, "the model", release.provenance, data, None)

    release.provenance["limits"] = measured().facts["limits"]
    assert wrong(measured()) == set()
    release.provenance["data"]["splits"]["train"]["documents"] += 1
    release.provenance["data"]["name"] = "CoNLL-2003"
    release.provenance["limits"] = ["None: it is perfect."]
    assert {"data.splits.train.documents", "data.name", "limits.0", "limits.1"} <= wrong(measured())
    release.provenance["hfloop_version"] = "9.9"  # whose words may be others
    assert wrong(measured()) == {"data.splits.train.documents", "data.name"}


def test_what_people_call_a_file_is_theirs(release, tmp_path):
    write_documents(invented_documents(40), tmp_path / "whole.jsonl", "doccano")
    corpus = load_corpus(train_file=str(tmp_path / "whole.jsonl"), seed=7)
    measured_on(release.provenance, corpus, train_file="whole.jsonl", seed=7)
    other = shutil.copy(tmp_path / "whole.jsonl", tmp_path / "other.jsonl")
    measured = FAMILY.measure(release.folder, "the model", release.provenance, str(other), None)
    assert not {name for name in wrong(measured) if name.startswith("data.")}


def test_a_record_without_the_facts_is_said(release, data_files):
    release.provenance["limits"] = None
    release.provenance["data"]["splits"]["test"] = {"sha256": release.provenance["data"]["splits"]["test"]["sha256"]}
    measured = FAMILY.measure(release.folder, "the model", release.provenance, str(data_files["test"]), None)
    assert "data.splits.test.words" in wrong(measured)


def test_training_data_is_for_generators(tiny_release):
    provenance = json.loads((tiny_release / "hfloop.json").read_text(encoding="utf-8"))
    with pytest.raises(UserError, match="--train_data is for models that make images, and it finds entities"):
        NerFamily().measure(tiny_release, "it", provenance, None, "people.jsonl")
