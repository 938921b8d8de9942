from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "show_metrics.py"
spec = importlib.util.spec_from_file_location("show_metrics", SCRIPT)
show_metrics = importlib.util.module_from_spec(spec)
sys.modules["show_metrics"] = show_metrics
spec.loader.exec_module(show_metrics)


def shown(monkeypatch, capsys, *flags: str) -> dict[tuple[str, str], list[float]]:
    """Run the script on the digits: its table, by kind and step."""
    line = ["show_metrics", "digits:train", "digits:test", "--extractor", "digits-v1", "--num_images", "175"]
    monkeypatch.setattr(sys, "argv", [*line, *flags])
    show_metrics.main()
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (.+) \|$", capsys.readouterr().out, re.M)
    return {(kind, step): [float(cell) for cell in cells.split(" | ")] for kind, step, cells in rows}


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(show_metrics, "NOISE_SIGMAS", (16, 32, 64))
    monkeypatch.setattr(show_metrics, "BLUR_SIGMAS", (0.5, 1.0, 2.0))
    monkeypatch.setattr(show_metrics, "JPEG_QUALITIES", (75, 25, 10))


def test_the_distance_grows_with_every_worsening_of_the_digits_and_is_least_for_real_ones(
    few_steps, monkeypatch, capsys, tmp_path
):
    rows = shown(monkeypatch, capsys, "--picture", str(tmp_path / "curves.png"))  # exits 1 where it does not grow
    assert len(rows) == 1 + 3 + 3 + 3 + 3 + 1
    assert rows["real", "untouched"][0] == min(row[0] for row in rows.values())
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_recall_falls_with_the_classes_that_are_removed_while_precision_holds(few_steps, monkeypatch, capsys):
    rows = shown(monkeypatch, capsys)
    precision, recall = (show_metrics.COLUMNS.index(name) for name in ("precision", "recall"))
    steps = [rows["real", "untouched"], *(rows["classes removed", count] for count in ("1", "2", "5"))]
    recalls = [row[recall] for row in steps]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[-1] < recalls[0] - 0.2
    assert min(row[precision] for row in steps) > steps[0][precision] - 0.05


def test_a_worsening_that_goes_unseen_ends_in_an_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(show_metrics, "NOISE_SIGMAS", (64, 16))
    monkeypatch.setattr(show_metrics, "BLUR_SIGMAS", (1.0,))
    monkeypatch.setattr(show_metrics, "JPEG_QUALITIES", (10,))
    with pytest.raises(SystemExit) as ended:
        shown(monkeypatch, capsys)
    assert ended.value.code == 1
    assert "noise σ (of 255): FD DOES NOT grow at every step" in capsys.readouterr().out


def test_too_few_images_of_the_classes_left_are_named(few_steps, monkeypatch, capsys):
    from hfloop.errors import UserError

    monkeypatch.setattr(
        sys, "argv", ["show_metrics", "digits:train", "digits:test", "--extractor", "digits-v1", "--num_images", "300"]
    )
    with pytest.raises(UserError, match=r"without 2 classes digits:test has .* images: give --num_images"):
        show_metrics.main()
