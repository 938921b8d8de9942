"""How a model was made, so that it can be made again: the command, the data it needs, and what it cost."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

LINE_LENGTH = 100  # of a command before it is broken into a line for each flag


def reproduction(provenance: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """What a card says of making the model again.

    Args:
        provenance: what its `hfloop.json` holds.
        paths: the fields of the configuration that name files or folders, of which only the last part is recorded.
    """
    config, chosen = provenance["config"], provenance["non_default"]
    return {
        "command": recipe_command(provenance),
        "paths": [f"`--{name}`" for name in paths if name in chosen and config[name] is not None],
        "threads": provenance["hardware"]["threads"],
        "fingerprints": {name: split["sha256"] for name, split in provenance["data"]["splits"].items()},
    }


def recipe_command(provenance: Mapping[str, Any]) -> str:
    """The shell command that trains with the same configuration: every setting that was not the default.

    Also the precision where it was `auto`, which can be another one on another machine.
    """
    hardware, config = provenance["hardware"], provenance["config"]
    flags = [_flag(name, config[name]) for name in provenance["non_default"]]
    if config.get("mixed_precision") == "auto":
        flags.append(_flag("mixed_precision", hardware["mixed_precision"]))
    launch = f"{_launcher(hardware)} {shlex.quote('recipes/' + provenance['recipe'] + '.py')}"
    line = " ".join([launch, *flags])
    return line if len(line) <= LINE_LENGTH else " \\\n  ".join([launch, *flags])


def energy(provenance: Mapping[str, Any]) -> str | None:
    """A sentence on energy and CO2 where they were measured, else None."""
    measured = provenance.get("emissions")
    if measured is None:
        return None
    unknown = "the world's average, since the country of the machine was not told"
    mix = f"that of {measured['country']}" if measured["country"] else unknown
    return (
        f"It took {measured['energy_kwh']:.4g} kWh and {measured['co2_grams']:.4g} g of CO2, as "
        f"{measured['source']} estimates it from the hardware, at {measured['grams_per_kwh']:.0f} g/kWh: {mix}."
    )


def emissions_metadata(provenance: Mapping[str, Any], training_type: str) -> dict[str, Any] | None:
    """The same as the Hub reads it, in grams; None where it was not measured.

    Args:
        provenance: what the model's `hfloop.json` holds.
        training_type: `pre-training` or `fine-tuning`.
    """
    measured = provenance.get("emissions")
    if measured is None:
        return None
    place = {"geographical_location": measured["country"]} if measured["country"] else {}
    return {
        "emissions": float(f"{measured['co2_grams']:.4g}"),
        "source": "codecarbon",
        "training_type": training_type,
        **place,
        "hardware_used": provenance["hardware"]["device"],
    }


def hardware_text(provenance: Mapping[str, Any]) -> str:
    """On what the model was trained, and in what precision."""
    hardware = provenance["hardware"]
    processes = f" in {hardware['processes']} processes" if hardware["processes"] > 1 else ""
    return f"{hardware['device']}{processes}, mixed precision {hardware['mixed_precision']}"


def weights_text(provenance: Mapping[str, Any], moment: str) -> str:
    """Which weights are released: those of the moving average, or the last ones where nothing was averaged."""
    averaged = provenance["config"].get("ema_decay") != 0
    return f"exponential moving average after {moment}" if averaged else f"those after {moment}, not averaged"


def _launcher(hardware: Mapping[str, Any]) -> str:
    """As README and recipes/accelerate have it: on a CPU, accelerate starts one process whatever it is asked for."""
    if hardware["processes"] == 1:
        return "accelerate launch"
    if re.search(r"\(\d+ cores\)$", hardware["device"]):  # as hfloop.launch names processors
        return f"torchrun --standalone --nproc_per_node {hardware['processes']}"
    return f"accelerate launch --config_file recipes/accelerate/multi-gpu.yaml --num_processes {hardware['processes']}"


def _flag(name: str, value: Any) -> str:
    values = [str(each) for each in (value if isinstance(value, list) else [value])]
    if len(values) == 1 and values[0].startswith("-"):  # it would look like a flag of its own
        return shlex.quote(f"--{name}={values[0]}")
    return " ".join([f"--{name}", *map(shlex.quote, values)])
