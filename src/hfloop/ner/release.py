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


@dataclass(frozen=True)
class NerRelease(Release):
    """A trained model with everything a reader of its card should know.

    Attributes:
        extractor: the model as it is shipped, best epoch's weights in place.
        report: figures measured with this very extractor.
        corpus: the data.
        base_model: what training started from, as it was named.
        epochs: a row per epoch: `epoch`, `train_loss`, `validation_f1`.
        best_epoch: the epoch whose weights are shipped.
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
    base_model: str
    epochs: Sequence[Mapping[str, float]]
    best_epoch: int

    def save_model(self, folder: Path) -> None:
        """config.json, model.safetensors, tokenizer.json and tokenizer_config.json."""
        self.extractor.model.save_pretrained(folder)
        save_tokenizer(self.extractor.tokenizer, folder, self.extractor.tokenizer.model_max_length)

    def save_pictures(self, folder: Path) -> None:
        """Scores by label, confusion, and the training curve."""
        from hfloop.ner.pictures import confusion_picture, label_bars, training_curve

        label_bars(self.report.scores, folder / "label_scores.png")
        confusion_picture(self.report.scores, folder / "confusion.png")
        training_curve(self.epochs, folder / "curves.png")

    def facts(self) -> dict[str, Any]:
        """Figures, data, base model, and a real example of the model's output."""
        return {
            "family": "token-classification",
            "labels": self.corpus.entity_labels,
            "window_tokens": self.extractor.window,
            "base_model": {**_names(self.base_model), "parameters": self.extractor.model.num_parameters()},
            "mention_habits": bool(habits_from_config(self.extractor.model.config)),
            "best_epoch": self.best_epoch,
            "epochs": len(self.epochs),
            "curve": [dict(row) for row in self.epochs],
            "data": self.corpus.facts(),
            "report": self.report.to_dict(),
            "limits": list(limits(self.corpus, self.report)),
            "example": example_of(self.extractor),
        }


def _names(base_model: str) -> dict[str, str | None]:
    """What a card may call the base model, and its Hub id; of a folder on this machine only the last name is told."""
    if base_model == BUNDLED:
        return {"name": BUNDLED_HUB_ID, "hub_id": BUNDLED_HUB_ID}
    if Path(base_model).exists():
        return {"name": Path(base_model).resolve().name, "hub_id": None}
    return {"name": base_model, "hub_id": base_model}
