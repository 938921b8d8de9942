"""Claimed figures beside measured ones: every leaf of two reports, compared and shown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_ABSENT = "—"
_Leaf = str | int | float | bool | None
_Path = tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """One leaf of a report, as it was claimed and as it was measured.

    Attributes:
        path: where it stands in the report.
        claimed: its value in `hfloop.json`; `ABSENT` where that lacks it.
        measured: its value now; `ABSENT` where it was not measured.
        is_equal: whether both say the same.
    """

    path: _Path
    claimed: Any
    measured: Any
    is_equal: bool

    @property
    def name(self) -> str:
        """Its place in words: names with dots between them."""
        return ".".join(self.path)

    @property
    def is_fraction(self) -> bool:
        """Whether it is a number with decimals on either side, so that it has a difference that rounding explains."""
        return _is_number(self.claimed) and _is_number(self.measured) and not self._is_count

    @property
    def difference(self) -> float | None:
        """Measured less claimed; None of what are no numbers, or where it is no number."""
        if not (_is_number(self.claimed) and _is_number(self.measured)):
            return None
        difference = self.measured - self.claimed
        return difference if math.isfinite(difference) else None

    def is_within(self, tolerance: float) -> bool:
        """Whether both say the same but for `tolerance` of the larger number."""
        return _is_equal(self.claimed, self.measured, tolerance)

    @property
    def _is_count(self) -> bool:
        return isinstance(self.claimed, int) and isinstance(self.measured, int)


def compared(
    claimed: dict[str, Any], measured: dict[str, Any], headlines: Collection[str], tolerance: float
) -> list[Figure]:
    """Every leaf of two reports; the headline figures first, the others in the order of the claims.

    Numbers are equal if they differ by no more than `tolerance` of the larger one, counts and whatever is no number
    only if they are the same. A NaN is equal to another.

    Args:
        claimed: what `hfloop.json` says.
        measured: in the same form.
        headlines: names that figures of the first rank begin with.
        tolerance: relative, 0 or more.
    """
    before, now = _by_path(claimed), _by_path(measured)
    paths = [*before, *(path for path in now if path not in before)]
    paths.sort(key=lambda path: len(path) if path[0] in headlines and _is_number(before.get(path)) else math.inf)
    return [
        Figure(path, one, other, _is_equal(one, other, tolerance))
        for path in paths
        for one, other in [(before.get(path, ABSENT), now.get(path, ABSENT))]
    ]


class _Absent:
    """What stands for a figure that one of the reports lacks."""

    def __repr__(self) -> str:
        return _ABSENT


ABSENT = _Absent()


def _by_path(report: dict[str, Any]) -> dict[_Path, _Leaf]:
    """The leaves by their places; a place that comes again gets a number, so that no leaf hides another."""
    leaves: dict[_Path, _Leaf] = {}
    times: Counter[_Path] = Counter()
    for path, leaf in _leaves(report):
        times[path] += 1
        leaves[path if times[path] == 1 else (*path, f"#{times[path]}")] = leaf
    return leaves


def _leaves(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, _Leaf]]:
    """Each leaf by its place; entries that say what `metric` they are go by its name, and `value` by none."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, path if key == "value" and path else (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            if isinstance(each, dict) and isinstance(each.get("metric"), str):
                yield from _leaves(each, (each["metric"],))
            else:
                yield from _leaves(each, (*path, str(number)))
    else:
        yield path, value


def _is_equal(claimed: Any, measured: Any, tolerance: float) -> bool:
    if not (_is_number(claimed) and _is_number(measured)):
        return type(claimed) is type(measured) and claimed == measured
    if claimed == measured or (math.isnan(claimed) and math.isnan(measured)):
        return True
    if isinstance(claimed, int) and isinstance(measured, int):
        return False
    return abs(measured - claimed) <= tolerance * max(abs(claimed), abs(measured)) < math.inf


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def table(figures: Sequence[Figure]) -> str:
    """For people: numbers with decimals and whatever differs; of the rest, which is equal, how much it is."""
    shown = [figure for figure in figures if figure.is_fraction or not figure.is_equal]
    rows = [["figure", "claimed", "measured", "difference"]]
    rows += [
        [figure.name, _shown(figure.claimed), _shown(figure.measured), _shown_difference(figure)] for figure in shown
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    marks = ["", *("" if figure.is_equal else "  ✗" for figure in shown)]
    lines = [
        f"{name:<{widths[0]}}  {one:>{widths[1]}}  {other:>{widths[2]}}  {difference:>{widths[3]}}{mark}"
        for (name, one, other, difference), mark in zip(rows, marks, strict=True)
    ]
    if others := len(figures) - len(shown):
        lines.append(f"and {others:,} counts, names and settings of the protocol, each the same")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    """Six significant digits; of texts both ends, since it is in the ends that names and sums differ."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= 24 else f"{text[:11]}…{text[-11:]}"


def _shown_difference(figure: Figure) -> str:
    if figure.difference is None:
        return "same" if figure.is_equal else "other"
    return "0" if figure.difference == 0 else f"{figure.difference:+.2g}"
