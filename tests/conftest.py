"""What many tests stand on: a backbone that trains in a second, and a small set of invented documents."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings
from invented import invented_documents

from hfloop.ner.formats import write_documents

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what is pinned bit for bit is pinned on a CPU
os.environ["HF_HUB_OFFLINE"] = "1"  # a test that reaches for the network is a mistake; it shall fail at once
os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile(
    "deterministic", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("deterministic")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of invented documents for training, validation and test, in doccano's format."""
    folder = tmp_path_factory.mktemp("data")
    sizes = {"train": (24, 0), "validation": (6, 24), "test": (8, 30)}
    files = {name: folder / f"{name}.jsonl" for name in sizes}
    for name, (count, first) in sizes.items():
        write_documents(invented_documents(count, first), files[name], "doccano")
    return files


def _vocabulary() -> dict[str, int]:
    """WordPiece ids: short words whole, long ones in two pieces, anything else by letters; a trainer's would vary."""
    words = {word for each in invented_documents(60) for word in re.findall(r"\w+|[^\w\s]", each.text.lower())}
    pieces = {piece for word in words for piece in ((word,) if len(word) <= 6 else (word[:4], f"##{word[4:]}"))}
    letters = {piece for word in words for piece in (word[0], *(f"##{letter}" for letter in word[1:]))}
    special = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return {token: number for number, token in enumerate([*special, *sorted(pieces | letters)])}


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a BERT of 2 layers and 32 dimensions with random weights and a WordPiece tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-bert")
    tokenizer = Tokenizer(models.WordPiece(_vocabulary(), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
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


@pytest.fixture(scope="session")
def ner_recipe() -> ModuleType:
    """recipes/ner.py as a module."""
    spec = importlib.util.spec_from_file_location("recipe_ner", ROOT / "recipes" / "ner.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_release(
    tmp_path_factory: pytest.TempPathFactory,
    ner_recipe: ModuleType,
    tiny_backbone: Path,
    data_files: dict[str, Path],
) -> Path:
    """The release of a tiny classifier that the recipe trained on the invented documents until it knew them."""
    from accelerate.state import AcceleratorState

    run_folder = tmp_path_factory.mktemp("tiny") / "run"
    ner_recipe.main(
        ner_recipe.NerConfig(
            **{f"{name}_file": str(path) for name, path in data_files.items()},
            model_name_or_path=str(tiny_backbone),
            output_dir=str(run_folder),
            max_seq_length=48,
            num_train_epochs=12,
            learning_rate=1e-2,
            ema_decay=0.5,
            mixed_precision="no",
        )
    )
    AcceleratorState._reset_state(reset_partial_state=True)
    return run_folder / "release"


@pytest.fixture
def logger_as_before() -> Iterator[None]:
    """For tests of commands, which set up hfloop's logger for the terminal."""
    logger = logging.getLogger("hfloop")
    before = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate, logger.level = before
