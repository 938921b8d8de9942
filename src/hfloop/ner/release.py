"""The release of a token classifier: what plain transformers loads, with figures, pictures and a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hfloop.hub.card import write_card
from hfloop.ner.backbone import BUNDLED, BUNDLED_HUB_ID, save_tokenizer
from hfloop.ner.card import ner_card, ner_results
from hfloop.ner.consistency import habits_from_config
from hfloop.ner.corpus import Corpus
from hfloop.ner.evaluation import NerReport
from hfloop.ner.extractor import Extractor
from hfloop.release import Release

EXAMPLE = (
    "Marisol Quennevar\nData Engineer at Brightwater Analytics\nLisbon, Portugal\n"
    "marisol.quennevar@example.com\n\nBSc in Computer Science, Alderbrook University, 2016\n"
    "Skills: Python, SQL, Airflow"
)
"""An invented resume that cards show, since no text of the training data may appear there."""


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
            "limits": limits(self.corpus, self.report),
            "example": self._example(),
        }

    def save_card(self, folder: Path, provenance: dict[str, Any]) -> None:
        """README.md and .eval_results/."""
        write_card(folder, ner_card(provenance), ner_results(provenance))

    def _example(self) -> dict[str, Any]:
        """What the card's two snippets print, printed by the code that they show."""
        from transformers import pipeline

        stride = self.extractor.overlap
        tokenizer: Any = self.extractor.tokenizer
        stock: Any = pipeline(
            "token-classification",
            model=self.extractor.model,
            tokenizer=tokenizer,
            aggregation_strategy="simple",
            stride=stride,
        )
        return {
            "text": EXAMPLE,
            "aggregation_strategy": "simple",
            "stride": stride,
            "hfloop_output": "\n".join(
                f"{span.label}: {EXAMPLE[span.start : span.end]!r} ({span.score:.2f})"
                for span in self.extractor(EXAMPLE)
            ),
            "transformers_output": "\n".join(
                f"{entity['entity_group']}: {EXAMPLE[entity['start'] : entity['end']]!r} ({entity['score']:.2f})"
                for entity in stock(EXAMPLE)
            ),
        }


def _names(base_model: str) -> dict[str, str | None]:
    """What a card may call the base model, and its Hub id; of a folder on this machine only the last name is told."""
    if base_model == BUNDLED:
        return {"name": BUNDLED_HUB_ID, "hub_id": BUNDLED_HUB_ID}
    if Path(base_model).exists():
        return {"name": Path(base_model).resolve().name, "hub_id": None}
    return {"name": base_model, "hub_id": base_model}


def limits(corpus: Corpus, report: NerReport) -> list[str]:
    """What a user must know about this data and these figures, each a sentence that holds for them."""
    said = []
    if corpus.name == "sample resumes":
        said.append(
            "Trained on invented resumes of regular making: expect much lower scores on real ones; "
            "train on your own data before use."
        )
    words = sum(len(document.text.split()) for document in corpus.train)
    said.append(
        f"Learned from {len(corpus.train):,} documents ({words:,} words); what these do not show was not learned."
    )
    rare = [label for label, scores in report.scores.per_label.items() if scores.support < 20]
    if rare:
        said.append(f"Figures for {', '.join(rare)} rest on fewer than 20 gold entities each.")
    weak = [label for label, scores in report.scores.per_label.items() if scores.support and scores.f1 < 0.5]
    if weak:
        said.append(f"Found less than half right (F1 below 0.5): {', '.join(weak)}.")
    if report.coverage < 1:
        unread = 100 * (1 - report.coverage)
        said.append(f"The tokenizer drops some characters: {unread:.2f} % of the text was not read.")
    said.append("Names, places and schools of regions, languages and trades outside the training data may be missed.")
    return said
