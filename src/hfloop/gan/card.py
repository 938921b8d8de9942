"""The card of a GAN, rendered from what its `hfloop.json` holds and nothing else."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, EvalResultEntry, ModelCardData

from hfloop.hub.card import common_context, dataset_id, markdown_table, on_one_line, render_text
from hfloop.hub.family import RenderedCard
from hfloop.hub.reproduction import emissions_metadata, hardware_text, weights_text
from hfloop.images.sources import without_split

TASK = "unconditional-image-generation"
HEADLINE = "frechet_distance"
TOLD_TO_THE_HUB = (HEADLINE, "kernel_distance", "precision", "recall")
LOWER_IS_BETTER = (HEADLINE, "frechet_distance_infinity", "kernel_distance")


def gan_card(provenance: dict[str, Any], model_id: str) -> RenderedCard:
    """The card of a release; see :meth:`hfloop.hub.family.Family.card`."""
    text = render_text(TASK, model_id, _context(provenance, model_id))
    return RenderedCard(_metadata(provenance), text, gan_results(provenance))


def gan_results(provenance: dict[str, Any]) -> list[EvalResultEntry]:
    """The Fréchet distance in the Hub's newer format."""
    report = provenance["report"]
    figure = _figures(report)[HEADLINE]
    counts = report["images"]
    measured, split = _test_set(provenance["data"])
    return [
        EvalResultEntry(
            dataset_id=measured,
            task_id=f"{TASK}/{split}",
            value=_rounded(figure["generated"]),
            date=provenance["created"],
            notes=(
                f"{figure['metric']} (lower is better), {counts['generated']:,} generated images against "
                f"{counts['real']:,} real ones, seed {report['seed']}"
            ),
        )
    ]


def _metadata(provenance: dict[str, Any]) -> ModelCardData:
    data, figures = provenance["data"], _figures(provenance["report"])
    told = [figures[name] for name in TOLD_TO_THE_HUB]
    measured, split = _test_set(data)
    results = [
        EvalResult(
            task_type=TASK,
            dataset_type=measured,
            dataset_name=data["name"],
            dataset_split=split,
            metric_type=figure["metric"],
            metric_name=figure["metric"],
            metric_value=_rounded(figure["generated"]),
        )
        for figure in told
    ]
    return ModelCardData(
        library_name="diffusers",
        pipeline_tag=TASK,
        datasets=[data["hub_id"]] if data["hub_id"] else None,
        metrics=[figure["metric"] for figure in told],
        tags=["hfloop", "gan", provenance["method"]["name"].lower().replace(" ", "-")],  # written once if equal
        co2_eq_emissions=emissions_metadata(provenance, "pre-training"),
        model_name=_title(provenance),
        eval_results=results,
    )


def _test_set(data: Mapping[str, Any]) -> tuple[str, str]:
    """What the figures were measured on: a data set's id, or one that no Hub user can own, and its split."""
    if data["cut_from"]:
        return dataset_id(data), "held out"
    source = data["splits"]["test"]["source"]
    stem, split = without_split(source)
    hub_id = stem.removeprefix("datasets/") if stem.startswith("datasets/") else None  # of a path only a name is told
    return dataset_id({"hub_id": hub_id, "name": data["name"]}), split or "test"


def _context(provenance: dict[str, Any], model_id: str) -> dict[str, Any]:
    report, data, method = provenance["report"], provenance["data"], provenance["method"]
    channels, height, width = data["shape"]
    asked = ", of a class that is asked for" if provenance["num_classes"] else ""
    return common_context(provenance, _fields_of_paths(data), [method["citation"]]) | {
        "title": _title(provenance),
        "summary": (
            f"A generator of {'gray' if channels == 1 else 'colour'} images of {height} × {width} pixels like those "
            f"of {on_one_line(data['name'])}{asked}. {method['summary']}"
        ),
        "samples": {**provenance["samples"], "are_classes": provenance["num_classes"] is not None},
        "overview_table": _overview_table(provenance),
        "report": report,
        "counts": {name: f"{count:,}" for name, count in report["images"].items()},
        "figures_table": markdown_table(
            ["metric", "generated", report["floor"], "noise"], [_figure_row(figure) for figure in report["figures"]]
        ),
        "uncertainties": _uncertainties(report),
        "classes": report["classes"] and _classes_context(report["classes"]),
        "measured_on": _measured_on(data, model_id, skip_corrupt=provenance["config"]["skip_corrupt"]),
        "generator": provenance["generator"],
        "latent_dim": provenance["latent_dim"],
        "example": provenance["example"],
        "class_names": _class_names(provenance),
        "data": {"name": data["name"], "split_table": _split_table(data), "warnings": data["warnings"]},
        "limits": provenance["limits"],
        "training": _training(provenance),
        "alarms": provenance["alarms"],
    }


def _overview_table(provenance: dict[str, Any]) -> str:
    method, num_classes = provenance["method"], provenance["num_classes"]
    networks = [
        [name.capitalize(), f"`{described['class']}`, {described['parameters']:,} parameters"]
        for name in ("generator", "discriminator")
        for described in [provenance[name]]
    ]
    return markdown_table(
        ["", ""],
        [
            ["Method", f"{method['name']}: [{method['paper']}]({method['url']})"],
            *networks,
            ["Latents", f"{provenance['latent_dim']} numbers, standard normal"],
            *([["Classes", f"{num_classes}, each can be asked for"]] if num_classes else []),
            ["Trained with", f"hfloop {provenance['hfloop_version']}, recipe `{provenance['recipe']}`"],
            ["Weights", weights_text(provenance, f"step {provenance['best_step']:,}")],
        ],
    )


def _figure_row(figure: Mapping[str, Any]) -> list[str]:
    arrow = "↓" if _short(figure) in LOWER_IS_BETTER else "↑"
    return [f"`{figure['metric']}` {arrow}", *(_measured(figure[side]) for side in ("generated", "floor", "ceiling"))]


def _uncertainties(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """What ± means, by the figures of which it means the same."""
    names: dict[str, list[str]] = {}
    for figure in report["figures"]:
        names.setdefault(figure["generated"]["uncertainty_kind"], []).append(f"`{_short(figure)}`")
    return [{"metrics": ", ".join(metrics), "kind": kind} for kind, metrics in names.items()]


def _classes_context(classes: Mapping[str, Any]) -> dict[str, Any]:
    shares, confidence = classes["shares"], classes["mean_confidence"]
    asked, right = (classes[name] for name in ("asked_class_share", "label_share"))
    return {
        "table": markdown_table(
            ["class", "generated, %", "real, %"],
            [
                [name, f"{100 * generated:.1f}", f"{100 * real:.1f}"]
                for name, generated, real in zip(classes["names"], shares["generated"], shares["real"], strict=True)
            ],
        ),
        "confidence": {side: f"{share:.3f}" for side, share in confidence.items()},
        "asked": None if asked is None else f"{100 * asked:.1f} %",
        "right": f"{100 * right:.1f} %",
    }


def _measured_on(data: Mapping[str, Any], model_id: str, *, skip_corrupt: bool) -> dict[str, Any]:
    """The commands that measure again, and whether they name paths, of which only the last part is known."""
    if data["cut_from"] is None:
        named = {"data": data["splits"]["test"]["source"], "train_data": data["splits"]["train"]["source"]}
        unknown = {option: source for option, source in named.items() if _is_path(source)}
    else:
        named = {"train_data": data["cut_from"]}
        unknown = {"data": data["cut_from"]} if _is_path(data["cut_from"]) else {}
    flags = ["--skip_corrupt"] if skip_corrupt else []
    evaluate = " ".join(["hfloop evaluate", model_id, *_options(named), *flags])
    verify = " ".join(["hfloop verify", model_id, *_options(unknown)])
    return {"commands": f"{evaluate}\n{verify}  # compares with what this card says", "are_paths": bool(unknown)}


def _options(named: Mapping[str, str]) -> list[str]:
    return [f"--{option} {shlex.quote(source)}" for option, source in named.items()]


def _fields_of_paths(data: Mapping[str, Any]) -> list[str]:
    """The settings that name files or folders of the machine that trained."""
    whole = data["cut_from"]
    sources = {"train_data": whole or data["splits"]["train"]["source"], "test_data": data["splits"]["test"]["source"]}
    return [field for field, source in sources.items() if (field == "train_data" or not whole) and _is_path(source)]


def _is_path(source: str) -> bool:
    """Whether it is the end of a path rather than a name that is the same everywhere."""
    return not source.startswith("datasets/") and without_split(source)[0] != "digits"


def _split_table(data: Mapping[str, Any]) -> str:
    return markdown_table(
        ["split", "images", "source", "sha256"],
        [
            [name, split["images"], split["source"], f"`{split['sha256'][:16]}…`"]
            for name, split in data["splits"].items()
        ],
    )


def _class_names(provenance: Mapping[str, Any]) -> str | None:
    """The classes that can be asked for, in words; None where the numbers are all there is to them."""
    names = provenance["data"]["class_names"]
    if provenance["num_classes"] is None or names == [str(number) for number in range(len(names))]:
        return None
    return ", ".join(f"{number} {' '.join(name.split())}" for number, name in enumerate(names))


def _training(provenance: Mapping[str, Any]) -> str:
    curve, best_step = provenance["curve"], provenance["best_step"]
    best = next(row["frechet_distance"] for row in curve if row["step"] == best_step)
    among = f"the lowest of {len(curve)}" if len(curve) > 1 else "measured once"
    return (
        f"{provenance['steps']:,} steps in {provenance['training_seconds']:,.0f} s on {hardware_text(provenance)}. "
        f"The step was chosen by the Fréchet distance to training images, {among}: {best:.4g} at step {best_step:,}, "
        f"when the discriminator had seen {provenance['images_seen']:,} real images. The held-out images had no part "
        "in it."
    )


def _measured(measurement: Mapping[str, Any] | None) -> str:
    """A figure with its uncertainty, to two digits of the latter; or four of the figure, if it has none."""
    if measurement is None:
        return "–"
    value, uncertainty = measurement["value"], measurement["uncertainty"]
    if uncertainty <= 0:
        return f"{value:.4g}"
    decimals = max(0, 1 - math.floor(math.log10(uncertainty)))
    return f"{value:,.{decimals}f} ± {uncertainty:,.{decimals}f}"


def _rounded(measurement: Mapping[str, Any]) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{measurement['value']:.4g}")


def _figures(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {_short(figure): figure for figure in report["figures"]}


def _short(figure: Mapping[str, Any]) -> str:
    """A metric's name without the extractor's."""
    return figure["metric"].partition("/")[0]


def _title(provenance: Mapping[str, Any]) -> str:
    return f"{provenance['method']['name']} on {on_one_line(provenance['data']['name'])}"
