"""Ask a published token classifier again what its release says of it: the example, and the figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfloop import __version__
from hfloop.errors import UserError
from hfloop.hub.family import Measured
from hfloop.hub.figures import compared
from hfloop.hub.metadata import as_said
from hfloop.hub.recorded import natural, reading_record
from hfloop.ner.backbone import places_of
from hfloop.ner.corpus import Corpus, facts_of_split, fingerprint, load_corpus
from hfloop.ner.documents import Document
from hfloop.ner.evaluation import evaluate_documents
from hfloop.ner.example import Example, differences
from hfloop.ner.extractor import Extractor
from hfloop.ner.formats import read_file
from hfloop.ner.limits import limits
from hfloop.ner.release import PICTURES, model_facts
from hfloop.ner.repair import repair


def probe(folder: Path, name: str, provenance: dict[str, Any]) -> list[str]:
    """See :meth:`hfloop.hub.family.Family.probe`."""
    labels, example = _labels_and_example(provenance, name)
    extractor = Extractor.from_folder(folder, name)
    said = [*_code(folder, provenance), *_architecture(folder, extractor)]
    said += _model_differences(extractor, provenance, name)
    longest, places = extractor.tokenizer.model_max_length, places_of(extractor.model)
    if longest > places:  # and the stock pipeline, which believes it, would fail on the example
        return [
            *said,
            f"`model_max_length` of the tokenizer is {longest}, and the model has places for {places} tokens",
        ]
    said += differences(extractor, example)
    known = sorted({tag[2:] for tag in extractor.labels if tag != "O"})
    if known != labels:
        said.insert(0, f"the model's labels are {', '.join(known)}, and {', '.join(labels)} were recorded")
    return said


def _model_differences(extractor: Extractor, provenance: dict[str, Any], name: str) -> Iterator[str]:
    """What the model itself shows otherwise than `hfloop.json` says it."""
    found = model_facts(extractor)
    with reading_record(name, "what the model is"):
        recorded = {key: provenance[key] for key in found}
        recorded["base_model"] = {"parameters": provenance["base_model"]["parameters"]}
    for figure in compared(recorded, found, [], tolerance=0):
        if not figure.is_equal:
            yield f"`{figure.name}` of the model is {figure.measured}, and {as_said(figure.claimed)} was recorded"


def _code(folder: Path, provenance: dict[str, Any]) -> Iterator[str]:
    """What could bring foreign code along, which no token classifier of hfloop does."""
    for file in provenance["sha256"]:
        if file.lower().endswith(".py"):
            yield f"{file} is code, and no token classifier of hfloop has any: take it away"
    for file in ("config.json", "tokenizer_config.json"):
        for key in ("auto_map", "custom_pipelines"):
            if key in _settings(folder / file):
                yield f"`{key}` in {file} names code, and no token classifier of hfloop has any: take it out"


def _architecture(folder: Path, extractor: Extractor) -> Iterator[str]:
    """Whether config.json names the class that was loaded; other programs load what it names."""
    own = [type(extractor.model).__name__]
    named = _settings(folder / "config.json").get("architectures")
    if named != own:
        yield f"`architectures` in config.json is {as_said(named)}, and the model is {own[0]}"


def _settings(path: Path) -> dict[str, Any]:
    """What a file says that the model was loaded with; a tokenizer can do without its own."""
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return content if isinstance(content, dict) else {}


def unchecked(provenance: dict[str, Any]) -> list[str]:
    """See :meth:`hfloop.hub.family.Family.unchecked`."""
    return [f"not drawn again: {', '.join(name for name in PICTURES if name in provenance['sha256'])}"]


def measure(folder: Path, name: str, provenance: dict[str, Any], data: str | None) -> Measured:
    """See :meth:`hfloop.hub.family.Family.measure`."""
    recorded = _recorded(provenance, name)
    documents, corpus = recorded.read(data, name)
    if (found := fingerprint(documents)) != recorded.sha256:
        raise UserError(
            f"{data or recorded.name} does not give the documents that the figures were measured on (sha256 "
            f"{found[:12]}…, recorded {recorded.sha256[:12]}…): name those, or what they were cut from, with --data."
        )
    report = evaluate_documents(Extractor.from_folder(folder, name), documents, recorded.split)
    if corpus is None:
        facts: dict[str, Any] = {"data": {"splits": {recorded.split: facts_of_split(documents)}}}
    else:
        facts = {"data": corpus.facts(), "labels": corpus.entity_labels}
        if provenance["hfloop_version"] == __version__:  # another one may say it in other words
            facts["limits"] = list(limits(corpus, report))
        if data is not None:
            _forget_names(facts["data"])
    with reading_record(name, "what its data is"):
        said = {key: deepcopy(provenance[key]) for key in facts}
        if corpus is None:
            said["data"] = {"splits": {recorded.split: said["data"]["splits"][recorded.split]}}
            said["data"]["splits"][recorded.split].pop("source", None)
        elif data is not None:
            _forget_names(said["data"])
    return Measured(report.to_dict(), facts, said)


def _forget_names(data: dict[str, Any]) -> None:
    """Take out what files are called, which the one who verifies may call otherwise."""
    for key in ("name", "hub_id"):
        data.pop(key, None)
    for split in data["splits"].values():
        split.pop("source", None)


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

    def read(self, data: str | None, model: str) -> tuple[Sequence[Document], Corpus | None]:
        """The documents, read and repaired again, and the corpus that they are of if it was read whole.

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
        return repair(read_file(source).documents)[0], None

    def _split_of(self, corpus: Corpus) -> tuple[Sequence[Document], Corpus]:
        return corpus.split(self.split), corpus

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
        settings = {setting: example[setting] for setting in ("aggregation_strategy", "stride")}
        return sorted(provenance["labels"]), Example(str(example["text"]), spans, printed, settings)


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
