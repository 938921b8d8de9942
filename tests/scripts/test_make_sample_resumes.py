from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "src" / "hfloop" / "ner" / "data"


def test_the_shipped_seed_writes_the_shipped_bytes(tmp_path: Path):
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "scripts.make_sample_resumes", tmp_path], cwd=ROOT, check=True)
    assert time.monotonic() - start < 5
    names = ["README.md", "test.jsonl", "train.jsonl", "validation.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (SHIPPED / name).read_bytes(), name


def in_python(program: str) -> str:
    """What `program` prints; `tests/scripts` would hide `scripts` from the tests' own process."""
    imports = "from scripts.make_sample_resumes import make_splits\nfrom scripts.sample_resumes.markup import *\n"
    return subprocess.run(
        [sys.executable, "-c", imports + program], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def test_another_seed_invents_other_people():
    program = "print(*(make_splits(seed)['train'][0]['text'].encode().hex() for seed in (1, 2, 1)))"
    first, other, again = in_python(program).split()
    assert first == again != other


def test_markup_becomes_text_with_character_offsets():
    program = "text, spans = parse('é ⟦Name|Zoë A.⟧, ⟦Skills|C++⟧'); print(ascii(text), spans)"
    assert in_python(program).strip() == r"'\xe9 Zo\xeb A., C++' [(2, 8, 'Name'), (10, 13, 'Skills')]"


def test_wrapping_changes_blanks_to_line_breaks_and_no_offset():
    lines = in_python("print(wrap('one two three four ' * 9, 20))").splitlines()
    assert len(lines) >= 8
    assert max(map(len, lines)) <= 20
    assert " ".join(lines) == "one two three four " * 9
