"""Corpus: the documents of one run, read, repaired and split, with everything said about where they came from."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from hfloop.errors import UserError
from hfloop.ner.documents import Document, entity_labels
from hfloop.ner.formats import read_file
from hfloop.ner.formats.registry import Reading
from hfloop.ner.repair import RepairReport, repair, require_spans
from hfloop.ner.splits import leaked, split_documents

SPLITS = ("train", "validation", "test")
VALIDATION_SHARE = 0.1
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Corpus:
    """Documents to learn from, to choose the epoch by, and to measure on.

    Attributes:
        name: what the data is called on a card: a file's or folder's name, a Hub id, or "sample resumes".
        sources: for each split what it was read from, or that it was cut from the training data.
        repairs: what was mended, all splits together.
        test: empty when there were a validation set and no test set; figures are then the validation set's.
        hub_id: of the data set, if it is one of the Hub's.
    """

    name: str
    train: list[Document]
    validation: list[Document]
    test: list[Document]
    sources: dict[str, str]
    repairs: RepairReport
    warnings: list[str] = field(default_factory=list)
    hub_id: str | None = None

    @property
    def entity_labels(self) -> list[str]:
        """The labels that a model can learn here: those of the training documents."""
        return entity_labels(self.train)

    @property
    def measured_split(self) -> str:
        """The split that figures are measured on: `test`, or `validation` where there is no test set."""
        return "test" if self.test else "validation"

    @property
    def measured_documents(self) -> list[Document]:
        """The documents that figures are measured on."""
        return self.test or self.validation

    def split(self, name: str) -> list[Document]:
        """The documents of `train`, `validation` or `test`."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def summary(self) -> str:
        """The data in a few lines for people."""
        lines = [f"data: {self.name}"]
        for name in SPLITS:
            documents = self.split(name)
            if documents:
                spans = sum(len(document.spans) for document in documents)
                lines.append(f"  {name:<10} {len(documents):>6,} documents {spans:>8,} spans   {self.sources[name]}")
        lines.append(f"  labels     {', '.join(self.entity_labels)}")
        lines.append(f"  {self.repairs.summary()}")
        return "\n".join([*lines, *(f"  warning: {warning}" for warning in self.warnings)])

    def facts(self) -> dict[str, Any]:
        """Counts, fingerprints and repairs for `hfloop.json`; no text of the documents."""
        return {
            "name": self.name,
            "hub_id": self.hub_id,
            "splits": {
                name: {"source": self.sources[name], **facts_of_split(self.split(name))}
                for name in SPLITS
                if self.split(name)
            },
            "repairs": {kind: entry["count"] for kind, entry in self.repairs.to_dict().items()},
            "warnings": self.warnings,
        }


def facts_of_split(documents: Sequence[Document]) -> dict[str, Any]:
    """Counts and the fingerprint of one split."""
    return {
        "documents": len(documents),
        "words": sum(len(document.text.split()) for document in documents),
        "spans": dict(sorted(Counter(span.label for document in documents for span in document.spans).items())),
        "sha256": fingerprint(documents),
    }


def fingerprint(documents: Iterable[Document]) -> str:
    """Hex sha256 over the texts and spans of `documents`, in order."""
    digest = hashlib.sha256()
    for document in documents:
        record = [document.text, [list(asdict(span).values()) for span in document.spans]]
        digest.update(json.dumps(record, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def load_corpus(
    *,
    train_file: str | None = None,
    validation_file: str | None = None,
    test_file: str | None = None,
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    seed: int,
) -> Corpus:
    """Read, repair and split the data of a run.

    With neither files nor a dataset, the bundled sample resumes are read. What is missing is cut from the training
    documents, near-duplicates together: a validation set always, a test set only when no validation set is given
    either (whoever brings a validation set has decided how to split).

    Raises:
        UserError: files and a dataset at once, a file that cannot be read, or nothing to learn from.
    """
    files = {"train": train_file, "validation": validation_file, "test": test_file}
    if dataset_name is not None:
        named = [split for split, path in files.items() if path is not None]
        if named:
            raise UserError(f"--dataset_name and --{named[0]}_file name two data sets; give one of them.")
        readings = _read_dataset(dataset_name, dataset_config_name)
        if Path(dataset_name).exists():
            return _assemble(Path(dataset_name).resolve().name, readings, seed)
        return _assemble(dataset_name, readings, seed, hub_id=dataset_name)
    if train_file is None:
        named = [split for split, path in files.items() if path is not None]
        if named:
            raise UserError(f"--{named[0]}_file is given and --train_file is missing; name the training data.")
        folder = resources.files("hfloop.ner") / "data"
        samples = {name: read_file(Path(str(folder / f"{name}.jsonl"))) for name in SPLITS}
        return _assemble("sample resumes", samples, seed)
    readings = {name: read_file(path) for name, path in files.items() if path is not None}
    sources = {name: Path(str(files[name])).name for name in readings}
    return _assemble(Path(train_file).name, readings, seed, sources)


def _read_dataset(dataset_name: str, config_name: str | None) -> dict[str, Reading]:
    """The training split of a Hub dataset, and its validation and test splits if it has them."""
    from hfloop.ner.formats.hub import read_hub, split_names

    offered = split_names(dataset_name, config_name)
    wanted = [split for split in SPLITS if split == "train" or split in offered]
    return {split: read_hub(dataset_name, config_name, split) for split in wanted}


def _assemble(
    name: str,
    readings: dict[str, Reading],
    seed: int,
    sources: dict[str, str] | None = None,
    hub_id: str | None = None,
) -> Corpus:
    documents: dict[str, list[Document]] = {}
    repairs = RepairReport()
    for split, reading in readings.items():
        documents[split], mended = repair(reading.documents)
        repairs = repairs.merged(reading.report).merged(mended)
        require_spans(documents[split], (sources or {}).get(split, f"{name} ({split})"))
    told = {split: f"{(sources or {}).get(split, split)} ({reading.format})" for split, reading in readings.items()}
    if "validation" not in documents:
        shares = (VALIDATION_SHARE, 0.0 if "test" in documents else TEST_SHARE)
        parts = split_documents(documents["train"], seed, *shares)
        told["validation"] = "cut from the training data, near-duplicates together"
        documents["train"], documents["validation"] = parts.train, parts.validation
        require_spans(documents["train"], f"the training part of {name}")
        if "test" not in documents:
            documents["test"] = parts.test
            told["test"] = told["validation"]
    return Corpus(
        name=name,
        train=documents["train"],
        validation=documents["validation"],
        test=documents.get("test", []),
        sources=told,
        repairs=repairs,
        warnings=_warnings(documents),
        hub_id=hub_id,
    )


def _warnings(documents: dict[str, list[Document]]) -> list[str]:
    """What makes figures on these splits less than they seem."""
    warnings = []
    known = set(entity_labels(documents["train"]))
    for split in ("validation", "test"):
        held_out: Sequence[Document] = documents.get(split, [])
        if not held_out:
            continue
        if not entity_labels(held_out):
            warnings.append(f"no document of the {split} set has an entity, so every figure on it is 0")
        if copies := leaked(documents["train"], held_out):
            warnings.append(f"{copies} of {len(held_out)} {split} documents are near-duplicates of training documents")
        if unknown := sorted(set(entity_labels(held_out)) - known):
            warnings.append(f"labels of the {split} set that no training document has: {', '.join(unknown)}")
    return warnings
