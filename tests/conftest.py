"""What many tests stand on: a backbone that trains in a second, and a small set of invented documents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from hfloop.ner.documents import Document, Span
from hfloop.ner.formats import write_documents

os.environ["HF_HUB_OFFLINE"] = "1"  # a test that reaches for the network is a mistake; it shall fail at once
os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile(
    "deterministic", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("deterministic")

ROOT = Path(__file__).parent.parent
PEOPLE = ["Ada Quill", "Bruno Ferrant", "Chidi Anozie", "Dana Velk", "Elif Sorgun", "Farid Namdar", "Greta Holm"]
FIRMS = ["Opal Systems", "Tern Logistics", "Quarry Labs", "Birch Foods", "Nimbus Rail", "Cobalt Bank", "Wren Media"]
TITLES = ["Data Analyst", "Site Engineer", "Head of Sales", "Night Nurse", "Tax Advisor", "Chef", "Librarian"]


def invented_documents(count: int, first: int = 0) -> list[Document]:
    """Short resumes of invented people with the labels Name, Designation and Company; no two are the same."""
    documents = []
    for number in range(first, first + count):
        person, title = PEOPLE[number % 7], TITLES[(number // 7 + number) % 7]
        text, spans = "", []
        for piece, label in (
            (person, "Name"),
            ("\n", ""),
            (title, "Designation"),
            (f" since {1980 + number % 40} with ", ""),
            (FIRMS[(3 * number) % 7], "Company"),
            (f".\nLikes tea, maps and the number {number}.\nWorked before as ", ""),
            (TITLES[(number + 3) % 7], "Designation"),
            (" at ", ""),
            (FIRMS[(number + 2) % 7], "Company"),
            (".\n", ""),
        ):
            if label:
                spans.append(Span(len(text), len(text) + len(piece), label))
            text += piece
        documents.append(Document(text, tuple(spans), f"line {number + 1}"))
    return documents


@pytest.fixture(scope="session")
def data_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of invented documents for training, validation and test, in doccano's format."""
    folder = tmp_path_factory.mktemp("data")
    sizes = {"train": (24, 0), "validation": (6, 24), "test": (8, 30)}
    files = {name: folder / f"{name}.jsonl" for name in sizes}
    for name, (count, first) in sizes.items():
        write_documents(invented_documents(count, first), files[name], "doccano")
    return files


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a BERT of 2 layers and 32 dimensions with random weights and a WordPiece tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-bert")
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special)
    tokenizer.train_from_iterator([document.text for document in invented_documents(60)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder
