from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from invented import invented_documents

from hfloop.files import sha256_of_file
from hfloop.hub.card import whole_card
from hfloop.ner.card import ner_card
from hfloop.ner.corpus import load_corpus
from hfloop.ner.evaluation import evaluate_documents
from hfloop.ner.extractor import Extractor

RENDERED = {"hfloop.json", "README.md", ".eval_results/hfloop.yaml"}
WITHOUT_HFLOOP = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "hfloop":
            raise ImportError("hfloop is not installed here")

sys.meta_path.insert(0, Blocked())
"""
PLAIN_TRANSFORMERS = """
import json, torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

texts = json.loads(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(".")
model, loading = AutoModelForTokenClassification.from_pretrained(".", output_loading_info=True)
assert not any(loading.values()), loading
answers = []
with torch.inference_mode():
    for text in texts:
        inputs = tokenizer(text, return_tensors="pt")
        answers.append([inputs["input_ids"][0].tolist(), model.eval()(**inputs).logits[0].tolist()])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def provenance(tiny_release):
    return json.loads((tiny_release / "hfloop.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def card(tiny_release):
    return (tiny_release / "README.md").read_text(encoding="utf-8")


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def snippets(card):
    """The card's two pieces of code, each with what the card says that it prints."""
    return re.findall(r"```python\n(.*?)```\n\nprints\n\n```text\n(.*?)\n```", card, flags=re.DOTALL)


def without_hfloop(code, folder, *arguments):
    """Run code in a fresh interpreter that cannot import hfloop, inside `folder`; give what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HFLOOP + code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------ what others can do with it


def test_plain_transformers_gives_the_same_tokens_and_logits(tiny_release):
    texts = [invented_documents(1)[0].text.strip(), "Zoë\n\nQuill  – 😀"]
    answers = json.loads(without_hfloop(PLAIN_TRANSFORMERS, tiny_release, json.dumps(texts)))
    extractor = Extractor.from_pretrained(tiny_release, device="cpu")
    for text, (input_ids, logits) in zip(texts, answers, strict=True):
        inputs = extractor.tokenizer(text, return_tensors="pt")
        assert inputs["input_ids"][0].tolist() == input_ids
        with torch.inference_mode():
            expected = extractor.model(**inputs).logits[0]
        np.testing.assert_allclose(logits, expected, atol=1e-6)


def test_the_card_s_first_snippet_prints_what_the_card_says(tiny_release, card, monkeypatch, capsys):
    (code, printed), _ = snippets(card)
    assert printed
    monkeypatch.chdir(tiny_release)
    capsys.readouterr()
    exec(code, {})
    assert capsys.readouterr().out.rstrip("\n") == printed


def test_the_card_s_second_snippet_prints_what_the_card_says_without_hfloop(tiny_release, card):
    _, (code, printed) = snippets(card)
    assert "hfloop" not in code
    assert printed
    assert without_hfloop(code, tiny_release).rstrip("\n") == printed


def test_the_card_shows_what_was_recorded(card, provenance):
    (first, printed), (second, also_printed) = snippets(card)
    assert repr(provenance["example"]["text"]) in first and repr(provenance["example"]["text"]) in second
    assert printed == provenance["example"]["hfloop_output"]
    assert also_printed == provenance["example"]["transformers_output"]


# ------------------------------------------------------------------ what it says of itself


def test_the_folder_holds_what_it_names(tiny_release, card, provenance):
    assert files_of(tiny_release) == {*provenance["sha256"], *RENDERED}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= set(provenance["sha256"])
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", card)
    assert len(pictures) == 3
    assert set(pictures) <= set(provenance["sha256"])


def test_every_fingerprint_is_true(tiny_release, provenance):
    assert {name: sha256_of_file(tiny_release / name) for name in provenance["sha256"]} == provenance["sha256"]


def test_the_card_is_rendered_from_hfloop_json_alone(card, provenance):
    assert whole_card(ner_card(provenance, ".")) == card


def test_card_newer_format_and_json_tell_the_same_figure(tiny_release, card, provenance):
    f1 = round(provenance["report"]["f1"], 4)
    figures = {result.metric_type: result.metric_value for result in ModelCard(card).data.eval_results}
    (entry,) = parse_eval_result_entries(yaml.safe_load((tiny_release / ".eval_results" / "hfloop.yaml").read_text()))
    assert figures["f1"] == entry.value == f1
    assert f"**{f1:.3f}**" in card


def test_the_figures_are_those_of_the_weights_in_the_folder(tiny_release, data_files, provenance):
    corpus = load_corpus(**{f"{name}_file": str(path) for name, path in data_files.items()}, seed=42)
    report = evaluate_documents(Extractor.from_pretrained(tiny_release, device="cpu"), corpus.test, "test")
    assert json.loads(json.dumps(report.to_dict())) == provenance["report"]
    assert provenance["data"] == json.loads(json.dumps(corpus.facts()))
    assert provenance["report"]["f1"] > 0.8


def test_figures_of_a_run_in_bf16_are_measured_in_float32_as_others_will_load_it(
    ner_recipe, tiny_backbone, data_files, tmp_path, monkeypatch
):
    from accelerate.state import AcceleratorState

    measured = []

    def evaluate(extractor, documents, split, accelerator):
        measured.append(extractor(documents[0].text))
        return evaluate_documents(extractor, documents, split, accelerator)

    monkeypatch.setattr(ner_recipe, "evaluate_documents", evaluate)
    AcceleratorState._reset_state(reset_partial_state=True)
    ner_recipe.main(
        ner_recipe.NerConfig(
            **{f"{name}_file": str(path) for name, path in data_files.items()},
            model_name_or_path=str(tiny_backbone),
            output_dir=str(tmp_path / "run"),
            max_seq_length=48,
            num_train_epochs=6,
            learning_rate=1e-2,
            ema_decay=0.5,
            mixed_precision="bf16",
        )
    )
    AcceleratorState._reset_state(reset_partial_state=True)
    (text, *_) = [document.text for document in invented_documents(1, first=30)]
    assert measured[-1]
    assert Extractor.from_pretrained(tmp_path / "run" / "release", device="cpu")(text) == measured[-1]


def test_what_goes_away_during_training_is_still_told_by_its_name_alone(
    ner_recipe, tiny_backbone, data_files, tmp_path, monkeypatch
):
    from accelerate.state import AcceleratorState

    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_backbone, "jane.doe/bert")  # which could be a model of the Hub
    shutil.copy(data_files["train"], "jane.doe/cvs.jsonl")
    train = ner_recipe.train

    def train_and_tidy_up(*arguments):
        trained = train(*arguments)
        shutil.rmtree("jane.doe")
        return trained

    monkeypatch.setattr(ner_recipe, "train", train_and_tidy_up)
    AcceleratorState._reset_state(reset_partial_state=True)
    ner_recipe.main(
        ner_recipe.NerConfig(
            train_file=str(tmp_path / "jane.doe" / "cvs.jsonl"),
            model_name_or_path="jane.doe/bert",
            output_dir="run",
            max_seq_length=48,
            max_train_steps=1,
            mixed_precision="no",
        )
    )
    AcceleratorState._reset_state(reset_partial_state=True)
    provenance = json.loads(Path("run/release/hfloop.json").read_text(encoding="utf-8"))
    assert provenance["base_model"] | {"parameters": 0} == {"name": "bert", "hub_id": None, "parameters": 0}
    card = Path("run/release/README.md").read_text(encoding="utf-8")
    assert "--train_file cvs.jsonl" in card
    for text in (json.dumps(provenance), card):
        assert "jane" not in text and str(tmp_path) not in text


def test_what_was_run_is_recorded(provenance):
    assert provenance["recipe"] == "ner"
    assert provenance["config"]["learning_rate"] == 0.01
    assert provenance["config"]["train_file"] == "train.jsonl"
    assert provenance["base_model"]["name"] == provenance["config"]["model_name_or_path"]
    assert provenance["base_model"]["hub_id"] is None
    assert provenance["versions"]["torch"] == torch.__version__
    assert provenance["steps"] > 0 and provenance["training_seconds"] > 0
    assert provenance["curve"][provenance["best_epoch"] - 1]["validation_f1"] == max(
        row["validation_f1"] for row in provenance["curve"]
    )


# ------------------------------------------------------------------ what it must not say


def texts_of(folder):
    return {name: (folder / name).read_bytes() for name in files_of(folder) if not name.endswith(".png")}


def test_no_mention_of_the_training_data_is_in_any_file(tiny_release):
    documents = invented_documents(38)
    mentions = {document.span_text(span) for document in documents for span in document.spans}
    lines = {line for document in documents for line in document.text.splitlines()}
    words = {text for text in mentions | lines if " " in text}  # a single word may be the tokenizer's own
    assert len(words) > 40
    for name, content in texts_of(tiny_release).items():
        assert not [word for word in words if word.encode() in content], name


def test_no_path_of_this_machine_is_in_any_file(tiny_release, tiny_backbone, data_files):
    folders = {str(path.parent) for path in (tiny_release, tiny_backbone, *data_files.values())}
    for name, content in texts_of(tiny_release).items():
        assert not [folder for folder in folders if folder.encode() in content], name
