"""The release of a token classifier: what plain transformers loads, with figures, pictures and a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hfloop.hub.family import Family
from hfloop.ner.backbone import BUNDLED, BUNDLED_HUB_ID, save_tokenizer
from hfloop.ner.consistency import habits_from_config
from hfloop.ner.corpus import Corpus
from hfloop.ner.evaluation import NerReport
from hfloop.ner.example import example_of
from hfloop.ner.extractor import Extractor
from hfloop.ner.family import NerFamily
from hfloop.ner.limits import limits
from hfloop.release import Release

PICTURES = ("label_scores.png", "confusion.png", "curves.png")


@dataclass(frozen=True)
class NerRelease(Release):
    """A trained model with everything a reader of its card should know.

    Attributes:
        extractor: the model as it is shipped, best epoch's weights in place.
        report: figures measured with this very extractor.
        corpus: the data.
        base_model: what training started from; see :func:`base_model_names`.
        epochs: a row per epoch: `epoch`, `train_loss`, `validation_f1`.
        best_epoch: the epoch whose weights are shipped.
        habits_trial: what :func:`hfloop.ner.evaluation.keep_habits_that_help` found.
    """

    family: ClassVar[Family] = NerFamily()
    libraries: ClassVar[tuple[str, ...]] = (
        "torch",
        "transformers",
        "accelerate",
        "tokenizers",
        "safetensors",
        "huggingface-hub",
        "numpy",
    )

    extractor: Extractor
    report: NerReport
    corpus: Corpus
    base_model: Mapping[str, str | None]
    epochs: Sequence[Mapping[str, float]]
    best_epoch: int
    habits_trial: Mapping[str, float]

    def save_model(self, folder: Path) -> None:
        """config.json, model.safetensors, tokenizer.json and tokenizer_config.json."""
        self.extractor.model.save_pretrained(folder)
        save_tokenizer(self.extractor.tokenizer, folder, self.extractor.tokenizer.model_max_length)

    def save_pictures(self, folder: Path) -> None:
        """`PICTURES`: scores by label, confusion, and the training curve."""
        from hfloop.ner.pictures import confusion_picture, label_bars, training_curve

        scores, confusion, curves = (folder / name for name in PICTURES)
        label_bars(self.report.scores, scores)
        confusion_picture(self.report.scores, confusion)
        training_curve(self.epochs, curves)

    def facts(self) -> dict[str, Any]:
        """Figures, data, base model, and a real example of the model's output."""
        model = model_facts(self.extractor)
        return {
            "family": "token-classification",
            "labels": self.corpus.entity_labels,
            "window_tokens": model["window_tokens"],
            "base_model": {**self.base_model, **model["base_model"]},
            "mention_habits": model["mention_habits"],
            "habits_trial": dict(self.habits_trial),
            "best_epoch": self.best_epoch,
            "epochs": len(self.epochs),
            "curve": [dict(row) for row in self.epochs],
            "data": self.corpus.facts(),
            "report": self.report.to_dict(),
            "limits": list(limits(self.corpus, self.report)),
            "example": example_of(self.extractor),
        }


def model_facts(extractor: Extractor) -> dict[str, Any]:
    """What `hfloop.json` says of a model and anyone who loads it can see."""
    return {
        "window_tokens": extractor.window,
        "base_model": {"parameters": extractor.model.num_parameters()},
        "mention_habits": bool(habits_from_config(extractor.model.config)),
    }


def base_model_names(base_model: str) -> dict[str, str | None]:
    """What a card may call the base model, and its Hub id; of a folder on this machine only the last name is told.

    Whether it is a folder is seen on the disk, so this is to be asked before training, while the folder is there.
    """
    if base_model == BUNDLED:
        return {"name": BUNDLED_HUB_ID, "hub_id": BUNDLED_HUB_ID}
    if Path(base_model).exists():
        return {"name": Path(base_model).resolve().name, "hub_id": None}
    return {"name": base_model, "hub_id": base_model}
