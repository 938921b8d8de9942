"""The card of a token classifier, rendered from what its `hfloop.json` holds and nothing else."""

from __future__ import annotations

import re
import shlex
from typing import Any

from huggingface_hub import EvalResult, EvalResultEntry, ModelCardData

from hfloop.hub.card import common_context, dataset_id, markdown_table, on_one_line, render_text
from hfloop.hub.family import RenderedCard
from hfloop.hub.reproduction import emissions_metadata, hardware_text, weights_text

_METHOD = """@inproceedings{devlin2019bert,
  title     = {{BERT}: Pre-training of Deep Bidirectional Transformers for Language Understanding},
  author    = {Devlin, Jacob and Chang, Ming-Wei and Lee, Kenton and Toutanova, Kristina},
  booktitle = {Proceedings of the 2019 Conference of the North {A}merican Chapter of the Association for Computational
               Linguistics: Human Language Technologies},
  year      = {2019}
}"""  # whose head for token classification this is, whatever the base model
_BASE_MODELS = {
    "sentence-transformers/all-MiniLM-L6-v2": """@inproceedings{reimers2019sentence,
  title     = {Sentence-{BERT}: Sentence Embeddings using Siamese {BERT}-Networks},
  author    = {Reimers, Nils and Gurevych, Iryna},
  booktitle = {Proceedings of the 2019 Conference on Empirical Methods in Natural Language Processing},
  year      = {2019}
}""",
}


def ner_card(provenance: dict[str, Any], model_id: str) -> RenderedCard:
    """The card of a release; see :meth:`hfloop.hub.family.Family.card`."""
    text = render_text("token-classification", model_id, _context(provenance, model_id))
    return RenderedCard(_metadata(provenance), text, ner_results(provenance))


def ner_results(provenance: dict[str, Any]) -> list[EvalResultEntry]:
    """The headline figure in the Hub's newer format."""
    report = provenance["report"]
    return [
        EvalResultEntry(
            dataset_id=dataset_id(provenance["data"]),
            task_id=f"token-classification/{report['split']}",
            value=round(report["f1"], 4),
            date=provenance["created"],
            notes=f"F1, {report['protocol']}",
        )
    ]


def _metadata(provenance: dict[str, Any]) -> ModelCardData:
    report, data = provenance["report"], provenance["data"]
    figures = {"precision": report["precision"], "recall": report["recall"], "f1": report["f1"]}
    results = [
        EvalResult(
            task_type="token-classification",
            dataset_type=dataset_id(data),
            dataset_name=data["name"],
            dataset_split=report["split"],
            metric_type=name,
            metric_name=f"strict span {name}",
            metric_value=round(value, 4),
        )
        for name, value in figures.items()
    ]
    base_model = provenance["base_model"]["hub_id"]
    return ModelCardData(
        library_name="transformers",
        pipeline_tag="token-classification",
        base_model=base_model,
        base_model_relation="finetune" if base_model else None,
        datasets=[data["hub_id"]] if data["hub_id"] else None,
        metrics=list(figures),
        tags=["hfloop", "token-classification", "named-entity-recognition"],
        co2_eq_emissions=emissions_metadata(provenance, "fine-tuning"),
        widget=[{"text": provenance["example"]["text"]}],
        model_name=_title(provenance),
        eval_results=results,
    )


def _context(provenance: dict[str, Any], model_id: str) -> dict[str, Any]:
    report, data, base_model = provenance["report"], provenance["data"], provenance["base_model"]
    measured = data["splits"][report["split"]]
    citations = [_METHOD, *([_BASE_MODELS[base_model["hub_id"]]] if base_model["hub_id"] in _BASE_MODELS else [])]
    return common_context(provenance, _fields_of_paths(provenance), citations) | {
        "title": _title(provenance),
        "summary": (
            f"A token classifier that finds {_listed(provenance['labels'])} in documents of any length: "
            f"{base_model['name']}, fine-tuned on {on_one_line(data['name'])}."
        ),
        "overview_table": markdown_table(
            ["", ""],
            [
                ["Base model", f"{base_model['name']}, {base_model['parameters']:,} parameters"],
                ["Window", f"{provenance['window_tokens']} tokens, overlapping; documents are never truncated"],
                ["Trained with", f"hfloop {provenance['hfloop_version']}, recipe `{provenance['recipe']}`"],
                ["Weights", weights_text(provenance, f"epoch {provenance['best_epoch']}")],
            ],
        ),
        "examples_table": _examples_table(provenance),
        "measured": {
            "split": report["split"],
            "source": _source(measured["source"]),
            "documents": report["documents"],
            "spans": f"{report['support']:,}",
        },
        "label_table": _label_table(report),
        "interval": [f"{bound:.3f}" for bound in report["f1_interval"]],
        "errors": report["errors"],
        "mention_habits": provenance["mention_habits"],
        "seqeval_f1": f"{report['seqeval']['f1']:.3f}",
        "coverage": f"{100 * report['coverage']:.2f} %",
        "verification": _verification(provenance, model_id),
        "example": {**provenance["example"], "literal": repr(provenance["example"]["text"])},
        "data": _data_context(data),
        "limits": provenance["limits"],
        "training": (
            f"{provenance['steps']:,} optimizer steps in {provenance['training_seconds']:,.0f} s on "
            f"{hardware_text(provenance)}. The epoch was chosen by F1 on the validation set, each text decided once "
            f"for a whole document: {provenance['best_epoch']} of {provenance['epochs']}. {_habits_text(provenance)}"
        ),
        "epochs_table": _epochs_table(provenance),
    }


def _examples_table(provenance: dict[str, Any]) -> str:
    """Every label, with what of it the model is surest of in the invented resume that the snippets read."""
    example = provenance["example"]
    surest: dict[str, str] = {}
    for span in sorted(example["spans"], key=lambda span: -span["score"]):
        surest.setdefault(span["label"], example["text"][span["start"] : span["end"]])
    return markdown_table(
        ["label", "found in the example below"], [[label, surest.get(label, "")] for label in provenance["labels"]]
    )


def _epochs_table(provenance: dict[str, Any]) -> str:
    rows = []
    for epoch in provenance["curve"]:
        row = [str(epoch["epoch"]), f"{epoch['train_loss']:.4f}", f"{epoch['validation_f1']:.4f}"]
        is_released = epoch["epoch"] == provenance["best_epoch"]
        rows.append([f"**{cell}**" for cell in row] if is_released else row)
    return markdown_table(["epoch", "training loss", "validation F1"], rows)


def _verification(provenance: dict[str, Any], model_id: str) -> dict[str, Any]:
    """The commands that measure again, and whether they name a path, of which only the last part is known."""
    config, split = provenance["config"], provenance["report"]["split"]
    name = config[f"{split}_file"] or config["train_file"] or config["dataset_name"]
    is_named = provenance["data"]["hub_id"] is None and name is not None
    options = f" --data {shlex.quote(name)}" if is_named else ""
    commands = [
        f"hfloop verify {model_id}{options}  # compares with what this card says",
        f"hfloop evaluate {model_id} --data my-documents.jsonl  # on documents of your own",
    ]
    return {"commands": "\n".join(commands), "are_paths": is_named}


def _source(source: str) -> str:
    """What a split was read from, ready to stand in brackets: its format, if it has one, goes behind a comma."""
    return re.sub(r"^(.+) \(([^()]+)\)$", r"\1, \2", on_one_line(source))


def _fields_of_paths(provenance: dict[str, Any]) -> list[str]:
    """The settings that name files or folders of the machine that trained."""
    fields = ["train_file", "validation_file", "test_file"]
    if provenance["data"]["hub_id"] is None:
        fields.append("dataset_name")
    if provenance["base_model"]["hub_id"] is None:
        fields.append("model_name_or_path")
    return fields


def _listed(names: list[str]) -> str:
    names = [on_one_line(name) for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _habits_text(provenance: dict[str, Any]) -> str:
    trial = provenance["habits_trial"]
    outcome = "so the model keeps that rule" if provenance["mention_habits"] else "so the model goes without that rule"
    alone = f"{trial['without']:.4f} if every mention is decided alone"
    return f"That F1 is {trial['with_habits']:.4f}, and {alone}, {outcome}."


def _label_table(report: dict[str, Any]) -> str:
    by_support = sorted(report["per_label"].items(), key=lambda item: (-item[1]["support"], item[0]))
    rows = [
        [label, *(f"{scores[name]:.3f}" for name in ("precision", "recall", "f1")), scores["support"]]
        for label, scores in by_support
    ]
    micro = ["**micro average**", *(f"**{report[name]:.3f}**" for name in ("precision", "recall", "f1"))]
    return markdown_table(
        ["strict character spans", "precision", "recall", "F1", "gold"], [*rows, [*micro, report["support"]]]
    )


def _data_context(data: dict[str, Any]) -> dict[str, Any]:
    splits = data["splits"]
    labels = sorted({label for split in splits.values() for label in split["spans"]})
    repairs = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in data["repairs"].items())
    return {
        "name": data["name"],
        "repairs": f"repaired before use: {repairs}." if repairs else "used as it is: nothing needed repair.",
        "split_table": markdown_table(
            ["split", "documents", "words", "source", "sha256"],
            [
                [name, split["documents"], split["words"], split["source"], f"`{split['sha256'][:16]}…`"]
                for name, split in splits.items()
            ],
        ),
        "label_table": markdown_table(
            ["entities", *splits],
            [[label, *(split["spans"].get(label, 0) for split in splits.values())] for label in labels],
        ),
        "warnings": data["warnings"],
    }


def _title(provenance: dict[str, Any]) -> str:
    short = provenance["base_model"]["name"].split("/")[-1]
    return f"{short} for named-entity recognition on {on_one_line(provenance['data']['name'])}"
