from __future__ import annotations

import json
import math
import shutil
import time
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from invented import invented_documents
from safetensors.torch import load_file, save_file

from hfloop.errors import UserError
from hfloop.ner.backbone import keep_line_breaks, load_backbone, load_tokenizer
from hfloop.ner.consistency import CONFIG_KEY, Habits, habits_to_config
from hfloop.ner.decoding import bio_labels, label_maps
from hfloop.ner.documents import Document
from hfloop.ner.encoding import encode
from hfloop.ner.extractor import Extractor
from hfloop.ner.scoring import coverage

TAGS = bio_labels(["Name", "Skills"])
TEXTS = st.lists(
    st.sampled_from(["Ada", "Quill", "Data Analyst", "Zoe\u0308", "7", ".", ",", " ", "\n", "\n \n", "😀", "teapots"]),
    max_size=60,
).map(" ".join)


class Lookup(torch.nn.Module):
    """A token classifier without context: a table from token ids to logits, of shape `(vocabulary, tags)`."""

    def __init__(self, table: torch.Tensor, places: int = 512) -> None:
        super().__init__()
        self.table = table
        self.config = SimpleNamespace(id2label=label_maps(TAGS)[1], max_position_embeddings=places)
        self.device = table.device

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.table[input_ids])


@pytest.fixture(scope="module")
def tokenizer(tiny_backbone):
    tokenizer = load_tokenizer(tiny_backbone)
    keep_line_breaks(tokenizer)
    return tokenizer


@pytest.fixture(scope="module")
def by_chance(tokenizer):
    """An extractor whose model answers at random, but always the same for the same token."""
    table = torch.randn(len(tokenizer), len(TAGS), generator=torch.Generator().manual_seed(5)) * 3
    return Extractor(Lookup(table), tokenizer)


@pytest.fixture(scope="module")
def tiny(tiny_backbone):
    """An extractor with a real, untrained model."""
    torch.manual_seed(3)
    model, tokenizer = load_backbone(str(tiny_backbone), ["Name", "Skills"], max_seq_length=48, dropout=0.1)
    torch.nn.init.normal_(model.classifier.weight)
    return Extractor(model, tokenizer)


def rule_extractor(tokenizer, rules):
    """An extractor that gives each token the tag that `rules` name for it, else O."""
    table = torch.zeros(len(tokenizer), len(TAGS))
    table[:, 0] = 5
    for token, tag in rules.items():
        table[tokenizer.convert_tokens_to_ids(token), TAGS.index(tag)] = 10
    return Extractor(Lookup(table), tokenizer)


def places(spans):
    return [(span.start, span.end, span.label) for span in spans]


# ------------------------------------------------------------------ windows


@given(text=TEXTS, window=st.integers(1, 40), data=st.data())
def test_with_a_context_free_model_spans_do_not_depend_on_windows_or_batches(by_chance, text, window, data):
    whole = Extractor(by_chance.model, by_chance.tokenizer)(text)
    cut = Extractor(by_chance.model, by_chance.tokenizer, batch_size=data.draw(st.integers(1, 5)))
    cut.window, cut.overlap = window, data.draw(st.integers(0, window - 1))
    spans = cut(text)
    assert places(spans) == places(whole)
    assert [span.score for span in spans] == pytest.approx([span.score for span in whole], abs=1e-6)


def test_the_window_is_what_the_tokenizer_allows_less_special_tokens(tiny):
    assert (tiny.window, tiny.overlap) == (46, 15)


def test_an_entity_longer_than_a_window_is_found_whole(tokenizer):
    extractor = rule_extractor(tokenizer, {"tea": "B-Skills", ",": "I-Skills"})
    extractor.window, extractor.overlap = 10, 3
    text = "maps . tea " + ", " * 100 + ". maps"
    assert places(extractor(text)) == [(7, 7 + len("tea") + 200, "Skills")]


@given(texts=st.lists(TEXTS, max_size=6))
@settings(max_examples=25)
def test_many_texts_at_once_give_what_each_gives_alone(tiny, texts):
    together = tiny.word_probabilities([encode(text, tiny.tokenizer) for text in texts])
    for text, probabilities in zip(texts, together, strict=True):
        (alone,) = tiny.word_probabilities([encode(text, tiny.tokenizer)])
        np.testing.assert_allclose(probabilities, alone, atol=1e-5)
    assert [places(spans) for spans in tiny(texts)] == [places(tiny(text)) for text in texts]


def test_texts_beyond_a_group_are_read_as_they_come_and_answered_in_order(by_chance, monkeypatch):
    monkeypatch.setattr("hfloop.ner.extractor._GROUP_CHARACTERS", 500)
    texts = [document.text for document in invented_documents(12)] + [""] * 3
    taken = []
    extractions = by_chance.extract(taken.append(text) or text for text in texts)
    next(extractions)
    assert len(taken) < 6
    assert [places(spans) for spans in by_chance(texts)] == [places(by_chance(text)) for text in texts]


# ------------------------------------------------------------------ long documents


def resume_of(words):
    """A text of about so many words."""
    return "\n".join(document.text for document in invented_documents(words // 23))


def seconds(extractor, text):
    began = time.process_time()
    extractor(text)
    return time.process_time() - began


def is_linear(short, long, times):
    """Whether `long`, of `times` the work, takes less than 1.75 x `times` the seconds; squared would be more.

    The least of several rounds is compared, since another process can only make one slower.
    """
    least_short = least_long = math.inf
    for _ in range(6):
        least_short, least_long = min(least_short, short()), min(least_long, long())
        if least_long < 1.75 * times * least_short:
            return True
    return False


@pytest.mark.parametrize("habits", [None, {label: Habits(0.9, 0.1, -0.1) for label in ("Name", "Skills")}])
def test_a_document_of_20_000_words_is_read_whole_in_linear_time_and_little_memory(tiny, habits, monkeypatch):
    monkeypatch.setattr(tiny.model.config, CONFIG_KEY, habits and habits_to_config(habits), raising=False)
    short, long = resume_of(2_500), resume_of(20_000)
    assert len(long.split()) > 19_000
    assert is_linear(lambda: seconds(tiny, short), lambda: seconds(tiny, long), times=8)
    tracemalloc.start()
    (extraction,) = tiny.extract([long])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert coverage([Document(long)], [extraction.words]) == 1
    assert extraction.spans[-1].end > len(long) * 0.99
    assert peak < 60e6  # bytes


def test_many_short_texts_are_grouped_in_linear_time(by_chance):
    began = time.process_time()
    assert [len(group) for group in by_chance._groups(["a"] * 60_000)] == [50_000, 10_000]
    assert time.process_time() - began < 2


# ------------------------------------------------------------------ edges


@pytest.mark.parametrize("text", ["", " ", "\n", " \n\n \t"])
def test_a_text_without_words_has_no_entities(by_chance, tiny, text):
    assert by_chance(text) == tiny(text) == []
    assert by_chance([text, "Ada", text])[::2] == [[], []]


def test_no_texts_give_no_answers(by_chance):
    assert by_chance([]) == []


def test_an_entity_never_begins_or_ends_with_a_line_break(tokenizer):
    extractor = rule_extractor(tokenizer, {"tea": "B-Name", "[unused1]": "I-Name"})
    assert places(extractor("tea\n\n. tea\r\n")) == [(0, 3, "Name"), (7, 10, "Name")]
    extractor = rule_extractor(tokenizer, {"[unused1]": "B-Name", "tea": "I-Name"})
    assert places(extractor(".\ntea\n.")) == [(2, 5, "Name")]  # and a line break alone is none


def test_offsets_are_those_of_the_text_as_given(tokenizer):
    extractor = rule_extractor(tokenizer, {"[UNK]": "B-Name", "tea": "B-Skills"})
    text = "Zoe\u0308\u0323😀\r\n\u200b tea"
    (*_, last) = extractor(text)
    assert text[last.start : last.end] == "tea"


def test_a_score_is_the_mean_probability_of_the_words(tokenizer):
    extractor = rule_extractor(tokenizer, {"tea": "B-Skills", ",": "I-Skills"})
    (span,) = extractor("tea,")
    others = math.exp(5) + 3  # the logits are 10 for the tag, 5 for O, 0 for three more
    assert span.score == pytest.approx(math.exp(10) / (math.exp(10) + others))


# ------------------------------------------------------------------ loading


@pytest.fixture
def copy(tiny_release, tmp_path):
    """A copy of a release that a test may damage."""
    return shutil.copytree(tiny_release, tmp_path / "copy")


def error_of(name):
    with pytest.raises(UserError) as caught:
        Extractor.from_pretrained(name)
    return str(caught.value).replace(str(name), "NAME")


def test_a_release_is_loaded_ready_to_use(tiny_release):
    extractor = Extractor.from_pretrained(tiny_release, device="cpu")
    assert not extractor.model.training
    assert extractor.model.device.type == "cpu"
    assert extractor.labels == bio_labels(["Company", "Designation", "Name"])
    document = invented_documents(1, first=40)[0]
    assert places(extractor(document.text)) == places(document.spans)


def test_a_device_that_is_named_is_used(tiny_release):
    assert Extractor.from_pretrained(tiny_release, device="meta").model.device.type == "meta"


def test_a_path_that_is_no_model_is_refused(tmp_path):
    assert error_of(tmp_path) == "NAME holds no transformers model: it has no config.json."
    assert error_of(tmp_path / "gone" / "for" / "good").startswith("NAME is neither a folder here nor a Hub id")


def test_a_model_that_was_never_trained_for_entities_is_refused(tiny_backbone):
    assert error_of(tiny_backbone) == (
        "NAME is not a trained token classifier: classifier.bias is missing, left over, or of another shape; "
        "name a release folder."
    )


def test_a_head_of_another_size_than_its_labels_is_refused(copy):
    settings = json.loads((copy / "config.json").read_text())
    settings["id2label"] |= {"7": "B-City", "8": "I-City"}
    settings["label2id"] |= {"B-City": 7, "I-City": 8}
    (copy / "config.json").write_text(json.dumps(settings))
    assert error_of(copy).startswith("NAME is not a trained token classifier: classifier.bias is missing, left over")


def test_weights_that_the_model_has_no_place_for_are_refused(copy):
    weights = load_file(copy / "model.safetensors")
    save_file({**weights, "crf.transitions": torch.zeros(7, 7)}, copy / "model.safetensors", {"format": "pt"})
    assert "crf.transitions is missing, left over" in error_of(copy)


@pytest.mark.parametrize(
    "tags",
    [
        ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4", "LABEL_5", "LABEL_6"],
        ["O", "I-A", "I-B", "I-C", "B-D", "B-E", "B-F"],  # an I-A that no B-A opens is never found
        ["O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B"],
    ],
)
def test_labels_that_are_not_iob2_are_refused(copy, tags):
    settings = json.loads((copy / "config.json").read_text())
    settings["id2label"] = {str(index): tag for index, tag in enumerate(tags)}
    settings["label2id"] = {tag: index for index, tag in enumerate(tags)}
    (copy / "config.json").write_text(json.dumps(settings))
    assert error_of(copy) == f"NAME has labels that are not IOB2 tags ({', '.join(tags[:3])}, …); name an NER release."
