"""`hfloop verify` as a user runs it, and ways to tamper with a release."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hfloop.cli import main
from hfloop.files import sha256_of_file

Edit = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class Said:
    """How the command ended, and what it printed."""

    exit_code: int
    output: str
    error: str

    @property
    def findings(self) -> list[str]:
        """What is not as it should be."""
        return [line.removeprefix("  ✗ ") for line in self.output.splitlines() if line.startswith("  ✗ ")]

    @property
    def verdict(self) -> str:
        """The closing line."""
        return self.output.splitlines()[-1]


def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *line: object) -> Said:
    """Run `hfloop verify` in this process."""
    monkeypatch.setattr("sys.argv", ["hfloop", "verify", *map(str, line)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return Said(int(ended.value.code or 0), said.out, said.err)


def edit_provenance(release: Path, edit: Edit) -> None:
    """Change what hfloop.json says."""
    path = release / "hfloop.json"
    provenance = json.loads(path.read_text(encoding="utf-8"))
    edit(provenance)
    path.write_text(json.dumps(provenance, indent=2, ensure_ascii=False), encoding="utf-8")


def record_again(release: Path, file: str) -> None:
    """Let hfloop.json record the sha256 that a file has now."""
    edit_provenance(release, lambda provenance: provenance["sha256"].update({file: sha256_of_file(release / file)}))


def replace_in(path: Path, old: str, new: str) -> None:
    """Change a text in one place."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def nudge_weights(path: Path) -> None:
    """Make every number of a safetensors file a tenth larger."""
    from safetensors.torch import load_file, save_file

    save_file({name: tensor * 1.1 for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})
