"""The card of a token classifier, rendered from what its `hfloop.json` holds and nothing else."""

from __future__ import annotations

from typing import Any

from huggingface_hub import EvalResult, EvalResultEntry, ModelCardData

from hfloop.hub.card import dataset_id, markdown_table, render_card, settings_table


def ner_card(provenance: dict[str, Any]) -> str:
    """The whole README.md of a release."""
    return render_card("token-classification", _metadata(provenance), _context(provenance))


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
        widget=[{"text": provenance["example"]["text"]}],
        model_name=_title(provenance),
        eval_results=results,
    )


def _context(provenance: dict[str, Any]) -> dict[str, Any]:
    report, data, config = provenance["report"], provenance["data"], provenance["config"]
    measured = data["splits"][report["split"]]
    return {
        "title": _title(provenance),
        "summary": (
            "A token classifier that finds "
            f"{', '.join(provenance['labels'][:-1])} and {provenance['labels'][-1]} in documents of any length."
            if len(provenance["labels"]) > 1
            else f"A token classifier that finds {provenance['labels'][0]} in documents of any length."
        ),
        "overview_table": markdown_table(
            ["", ""],
            [
                ["Base model", _base_model_cell(provenance["base_model"])],
                ["Window", f"{provenance['window_tokens']} tokens, overlapping; documents are never truncated"],
                ["Trained with", f"hfloop {provenance['hfloop_version']}, recipe `{provenance['recipe']}`"],
                ["Weights", f"exponential moving average after epoch {provenance['best_epoch']}"],
            ],
        ),
        "measured": {
            "split": report["split"],
            "source": measured["source"],
            "documents": report["documents"],
            "spans": f"{report['support']:,}",
        },
        "label_table": _label_table(report),
        "interval": [f"{bound:.3f}" for bound in report["f1_interval"]],
        "errors": report["errors"],
        "mention_habits": provenance["mention_habits"],
        "seqeval_f1": f"{report['seqeval']['f1']:.3f}",
        "coverage": f"{100 * report['coverage']:.2f} %",
        "example": {**provenance["example"], "literal": repr(provenance["example"]["text"])},
        "data": _data_context(data),
        "limits": provenance["limits"],
        "training": (
            f"{provenance['steps']:,} optimizer steps in {provenance['training_seconds']:,.0f} s on "
            f"{provenance['hardware']['device']}, mixed precision {provenance['hardware']['mixed_precision']}. "
            f"The epoch was chosen by F1 on the validation set, each text decided once for a whole document:"
            f" {provenance['best_epoch']} of {provenance['epochs']}."
        ),
        "settings_table": settings_table(config, provenance["non_default"]),
        "versions": ", ".join(f"{name} {number}" for name, number in provenance["versions"].items()),
    }


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


def _base_model_cell(base_model: dict[str, Any]) -> str:
    return f"{base_model['name']}, {base_model['parameters']:,} parameters"


def _title(provenance: dict[str, Any]) -> str:
    short = provenance["base_model"]["name"].split("/")[-1]
    return f"{short} for named-entity recognition on {provenance['data']['name']}"
