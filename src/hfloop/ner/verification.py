"""Ask a published token classifier again what its release says of it: the example, and the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfloop.errors import UserError
from hfloop.hub.recorded import natural, reading_record
from hfloop.ner.corpus import Corpus, fingerprint, load_corpus
from hfloop.ner.documents import Document
from hfloop.ner.evaluation import evaluate_documents
from hfloop.ner.example import Example, differences
from hfloop.ner.extractor import Extractor
from hfloop.ner.formats import read_file
from hfloop.ner.repair import repair


def probe(folder: Path, name: str, provenance: dict[str, Any]) -> list[str]:
    """See :meth:`hfloop.hub.family.Family.probe`."""
    labels, example = _labels_and_example(provenance, name)
    extractor = Extractor.from_folder(folder, name)
    said = list(differences(extractor, example))
    known = sorted({tag[2:] for tag in extractor.labels if tag != "O"})
    if known != labels:
        said.insert(0, f"the model's labels are {', '.join(known)}, and {', '.join(labels)} were recorded")
    return said


def measure(folder: Path, name: str, provenance: dict[str, Any], data: str | None) -> dict[str, Any]:
    """See :meth:`hfloop.hub.family.Family.measure`."""
    recorded = _recorded(provenance, name)
    documents = recorded.documents(data, name)
    if (found := fingerprint(documents)) != recorded.sha256:
        raise UserError(
            f"the {len(documents):,} documents of {data or recorded.name} are not the documents that the figures were "
            f"measured on (sha256 {found[:12]}…, recorded {recorded.sha256[:12]}…): name those with --data."
        )
    return evaluate_documents(Extractor.from_folder(folder, name), documents, recorded.split).to_dict()


@dataclass(frozen=True)
class _Recorded:
    """Where the documents that the figures were measured on came from.

    Attributes:
        name: of the data.
        split: which of its splits they are.
        sha256: their fingerprint.
        seed: of the run, which cuts them again.
        hub_id: of the data set, if it is one of the Hub.
        config_name: of that data set.
        is_dataset: whether the data is a data set, of the Hub or a folder, rather than files.
        is_shipped: whether hfloop brings them.
        file: the name of the file that the split was read from, or None where it was cut from that of `train`.
        train_file: the name of that.
    """

    name: str
    split: str
    sha256: str
    seed: int
    hub_id: str | None
    config_name: str | None
    is_dataset: bool
    is_shipped: bool
    file: str | None
    train_file: str | None

    def documents(self, data: str | None, model: str) -> Sequence[Document]:
        """The documents, read and repaired again.

        Args:
            data: what the user named, or None.
            model: what to call the release in messages.

        Raises:
            UserError: they must be named, or cannot be read.
        """
        if data is None and self.is_shipped:
            return self._split_of(load_corpus(seed=self.seed))
        source = data or self.hub_id
        if source is None:
            raise UserError(f"{self._whereabouts(model)}: name it with --data.")
        if self.is_dataset:
            return self._split_of(
                load_corpus(dataset_name=source, dataset_config_name=self.config_name, seed=self.seed)
            )
        if self.file is None and not self.is_shipped:
            return self._split_of(load_corpus(train_file=source, seed=self.seed))
        return repair(read_file(source).documents)[0]

    def _split_of(self, corpus: Corpus) -> Sequence[Document]:
        return corpus.split(self.split)

    def _whereabouts(self, model: str) -> str:
        if self.is_dataset:
            return f"{model} was measured on the {self.split} set of {self.name}, a folder"
        if self.file is None:
            return f"{model} was measured on a {self.split} set that was cut from {self.train_file}"
        return f"{model} was measured on {self.file}"


def _labels_and_example(provenance: dict[str, Any], name: str) -> tuple[list[str], Example]:
    with reading_record(name, "what the model finds in its example"):
        example = provenance["example"]
        spans = {(int(s["start"]), int(s["end"]), str(s["label"])): float(s["score"]) for s in example["spans"]}
        printed = {snippet: str(example[snippet]) for snippet in ("hfloop_output", "transformers_output")}
        return sorted(provenance["labels"]), Example(str(example["text"]), spans, printed)


def _recorded(provenance: dict[str, Any], name: str) -> _Recorded:
    with reading_record(name, "what its figures were measured on"):
        config, data, split = provenance["config"], provenance["data"], provenance["report"]["split"]
        return _Recorded(
            name=data["name"],
            split=split,
            sha256=str(data["splits"][split]["sha256"]),
            seed=natural(config["seed"]),
            hub_id=data["hub_id"],
            config_name=config["dataset_config_name"],
            is_dataset=config["dataset_name"] is not None,
            is_shipped=config["dataset_name"] is None and config["train_file"] is None,
            file=config[f"{split}_file"],
            train_file=config["train_file"],
        )
