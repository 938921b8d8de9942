"""Write the bundled sample resumes: invented people, the same bytes from the same seed.

Run it from the repository root, `python -m scripts.make_sample_resumes`; it writes train.jsonl, validation.jsonl,
test.jsonl (doccano JSON lines) and their data card README.md to `src/hfloop/ner/data`, or to the folder given.
"""

from __future__ import annotations

import argparse
import json
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.sample_resumes.card import data_card
from scripts.sample_resumes.careers import invent_person
from scripts.sample_resumes.layouts import LAYOUTS, TRADES_OF, UNSEEN_LAYOUTS, Blocks
from scripts.sample_resumes.markup import LabelledSpan, parse, wrap
from scripts.sample_resumes.people import Inventor
from scripts.sample_resumes.sections import Page
from scripts.sample_resumes.trades import TRADES
from scripts.sample_resumes.vocabulary import HELD_OUT, SEEN, Vocabulary

SEED = 20261
DATA_FOLDER = Path(__file__).parents[1] / "src" / "hfloop" / "ner" / "data"

# Resumes, those in layouts that training never sees among them, and the lengths in words of the few long ones.
SPLITS = {
    "train": (82, 0, [1100, 1500, 2100]),
    "validation": (18, 4, [1200]),
    "test": (22, 5, [1050, 1400, 2200]),
}

Resume = dict[str, Any]
Layout = Callable[[Page], Blocks]


def main() -> None:
    """Write the three splits and the data card."""
    parser = argparse.ArgumentParser(description="Write the bundled sample resumes.")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=DATA_FOLDER, help="where to write (default: the package)"
    )
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    splits = make_splits(SEED)
    for split, resumes in splits.items():
        lines = [json.dumps(resume, ensure_ascii=False) + "\n" for resume in resumes]
        write_atomically(folder / f"{split}.jsonl", "".join(lines))
    write_atomically(folder / "README.md", data_card(splits, SEED))


def make_splits(seed: int) -> dict[str, list[Resume]]:
    """All resumes by split, as doccano writes them: `id`, `text` and `label`, a list of `[start, end, name]`."""
    splits: dict[str, list[Resume]] = {}
    number = 0
    for split, (count, unseen_layouts, long_ones) in SPLITS.items():
        rng = random.Random(f"{seed} {split}")
        vocabulary = SEEN if split == "train" else HELD_OUT
        layouts = [UNSEEN_LAYOUTS[place % len(UNSEEN_LAYOUTS)] for place in range(unseen_layouts)]
        layouts += [LAYOUTS[place % len(LAYOUTS)] for place in range(count - unseen_layouts)]
        rng.shuffle(layouts)
        lengths = long_ones + [_usual_length(rng) for _ in range(count - len(long_ones))]
        rng.shuffle(lengths)
        splits[split] = []
        for layout, words in zip(layouts, lengths, strict=True):
            number += 1
            splits[split].append(make_resume(f"sample-{number:04}", seed, vocabulary, layout, words))
    return splits


def _usual_length(rng: random.Random) -> int:
    return round(min(520, max(170, rng.lognormvariate(5.55, 0.32))))


def make_resume(name: str, seed: int, vocabulary: Vocabulary, layout: Layout, words: int) -> Resume:
    """One resume of about `words` words: what is told of the jobs is adjusted until the length is near."""
    duty_count = max(2, (words - 140) // 12)
    for attempt in range(50):
        rng = random.Random(f"{seed} {name} {attempt}")
        text, spans = _draw(Inventor(rng, vocabulary), layout, min(9, 2 + words // 300), duty_count)
        excess = len(text.split()) - words
        if abs(excess) < 0.1 * words:
            break
        duty_count = max(2, duty_count - round(excess / 15))
    return {"id": name, "text": text, "label": [list(span) for span in spans]}


def _draw(inventor: Inventor, layout: Layout, job_count: int, duty_count: int) -> tuple[str, list[LabelledSpan]]:
    """One attempt: invent somebody, lay the page out, and on some pages break long lines."""
    jobs = max(1, job_count + inventor.pick(-1, 0, 0, 1))
    trade = inventor.pick(*TRADES_OF.get(layout, TRADES))
    page = Page(inventor, invent_person(inventor, trade, jobs, duty_count))
    blocks = layout(page)
    if sum(len(block) for block in blocks) > 3000 and inventor.chance(0.6):
        blocks.insert(len(blocks) // 2 + 1, f"{page.name()} – page 2")
    markup = inventor.pick("\n\n", "\n\n", "\n\n", "\n").join(blocks)
    text, spans = parse(unicodedata.normalize("NFC", markup))
    return (wrap(text, inventor.pick(68, 78, 95)) if inventor.chance(0.4) else text), spans


def write_atomically(path: Path, text: str) -> None:
    """Write beside `path` and rename, so that nobody ever reads half a file."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)


if __name__ == "__main__":
    main()
