from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from toy_recipe import RESUME, ToyRelease, toy

from hfloop.emissions import EnergyMeter
from hfloop.launch import is_on_one_machine
from hfloop.run import RunStopped

PER_FLUSH = 0.001  # kWh


class StandIn:
    """What hfloop asks of codecarbon's tracker; each flush finds as much energy as the one before."""

    country_name = None

    def __init__(self, **settings):
        assert settings["save_to_file"] is settings["save_to_api"] is False
        (self.output,) = settings["output_handlers"]
        self.energy = None

    def start(self):
        self.energy = 0.0

    def stop(self):
        self.flush()

    def flush(self):
        self.energy += PER_FLUSH
        total = SimpleNamespace(
            energy_consumed=self.energy,
            emissions=self.energy * 0.4,
            country_name=self.country_name,
            codecarbon_version="3.9",
        )
        self.output.out(total, total)


@pytest.fixture
def codecarbon(monkeypatch):
    """A stand-in of the module, as if it were installed."""
    module = ModuleType("codecarbon")
    module.OfflineEmissionsTracker = StandIn
    module.__spec__ = SimpleNamespace(name="codecarbon")
    monkeypatch.setitem(sys.modules, "codecarbon", module)
    return module


@pytest.fixture
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recorded(run):
    return json.loads((Path(run.finish(ToyRelease(run._models[0]))) / "hfloop.json").read_text()).get("emissions")


def interrupt(step, run, model):
    if step == 2:
        run._stop_request.signal = 2


def test_without_codecarbon_nothing_is_measured_and_nothing_said(monkeypatch, capfd):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    meter = EnergyMeter()
    meter.start()
    assert meter.finish() is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("country", [None, "Germany"])
def test_what_was_measured_is_told_with_its_mix(country, codecarbon, monkeypatch):
    meter = EnergyMeter()
    meter.start()
    meter.state_dict()
    monkeypatch.setattr(StandIn, "country_name", country)
    taken = meter.finish()
    assert (taken["energy_kwh"], taken["co2_grams"]) == (pytest.approx(0.002), pytest.approx(0.8))
    assert taken["grams_per_kwh"] == pytest.approx(400)
    assert (taken["country"], taken["source"]) == (country, "codecarbon 3.9")


def test_a_run_that_was_stopped_adds_up(codecarbon, in_a_folder):
    with pytest.raises(RunStopped):
        toy("--output_dir=runs/toy", disturb=interrupt)
    run, _ = toy(*RESUME)
    assert recorded(run)["energy_kwh"] == pytest.approx(3 * PER_FLUSH)  # two checkpoints and the end


def test_of_a_run_that_was_measured_in_part_nothing_is_told(codecarbon, in_a_folder, monkeypatch):
    with pytest.raises(RunStopped):
        toy("--output_dir=runs/toy", disturb=interrupt)
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(RunStopped):
            toy(*RESUME, disturb=lambda step, run, model: interrupt(step - 1, run, model))
    run, _ = toy(*RESUME)
    assert recorded(run) is None


@pytest.mark.parametrize(("world", "local", "expected"), [(None, None, True), ("4", "4", True), ("4", "2", False)])
def test_of_several_machines_one_would_tell_only_a_part(world, local, expected, monkeypatch):
    for name, value in {"WORLD_SIZE": world, "LOCAL_WORLD_SIZE": local}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert is_on_one_machine() is expected
