"""Energy and CO2 of a run, where codecarbon is installed to estimate them."""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

_KILO = 1000  # grams in a kilogram


class EnergyMeter:
    """What the machine of a run takes, as codecarbon estimates it from its hardware; nothing where that is missing.

    Nothing is asked of the network: the mix of energy is that of the country which codecarbon's own settings name
    (CODECARBON_COUNTRY_ISO_CODE=DEU, say), else the world's average. Checkpoints hold what was taken so far, so that
    a run which was stopped adds up.
    """

    def __init__(self) -> None:
        self._tracker: Any = None
        self._total: Any = None  # of codecarbon, since it was started here
        self._before = {"kilowatt_hours": 0.0, "kilograms": 0.0}  # it was started
        self._is_whole = True

    def start(self) -> None:
        """Begin to measure; what was restored from a checkpoint counts as taken before."""
        if importlib.util.find_spec("codecarbon") is None:
            self._is_whole = False
            return
        logging.getLogger("codecarbon").disabled = True  # what it has to say is for its own users
        from codecarbon import OfflineEmissionsTracker

        self._tracker = OfflineEmissionsTracker(
            save_to_file=False, save_to_api=False, allow_multiple_runs=True, output_handlers=[self]
        )
        self._tracker.start()

    def finish(self) -> dict[str, Any] | None:
        """Stop measuring; what the run took, for `hfloop.json`, or None unless all of it was measured."""
        if self._tracker is not None:
            self._tracker.stop()  # which calls `out`
            self._tracker = None
        state = self.state_dict()
        if not state["is_whole"] or self._total is None or not state["kilowatt_hours"]:
            return None
        return {
            "energy_kwh": state["kilowatt_hours"],
            "co2_grams": _KILO * state["kilograms"],
            "grams_per_kwh": _KILO * state["kilograms"] / state["kilowatt_hours"],
            "country": self._total.country_name or None,
            "source": f"codecarbon {self._total.codecarbon_version}",
        }

    def state_dict(self) -> dict[str, Any]:
        """What was taken so far, and whether all of it was measured."""
        if self._tracker is not None:
            self._tracker.flush()  # which calls `out` too
        here = self._total
        return {
            "kilowatt_hours": self._before["kilowatt_hours"] + (0.0 if here is None else here.energy_consumed),
            "kilograms": self._before["kilograms"] + (0.0 if here is None else here.emissions),
            "is_whole": self._is_whole,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Count what a stopped run took; where some of it was not measured, the sum would mislead."""
        self._before = {name: state[name] for name in self._before}
        self._is_whole = state["is_whole"]

    # ------------------------------------------------------------------ what codecarbon asks of an output

    def out(self, total: Any, delta: Any) -> None:
        """Told by `flush` what was taken since the start, `energy_consumed` in kWh and `emissions` in kg."""
        self._total = total

    def live_out(self, total: Any, delta: Any) -> None:
        """Told in between, which is of no use here."""

    def task_out(self, data: Any, experiment_name: str) -> None:
        """Told of tasks, of which there are none."""

    def exit(self) -> None:
        """Told at the end, which is of no use here."""
