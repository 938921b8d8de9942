"""Measure resume NER: quality by cross-validation, and speed and memory of training against the ordinary way.

    python -m scripts.bench_ner quality resumes.jsonl [more.jsonl] --work_dir runs/bench-ner
    python -m scripts.bench_ner speed resumes.jsonl [more.jsonl]

`quality` trains the recipe with its default settings once per fold, near-duplicate resumes on one side, and pools the
counts of the held-out predictions. Folds that are done are not trained again, so it can be stopped and started.

`speed` lets two kinds of process take turns on the same documents: the ordinary way (windows of 512 tokens padded to
512, batches of 8, fp32, the default attention and dropout, AdamW, a stock loop) and the recipe's own training. It
prints each one's training tokens per second (tokens of text; padding and special tokens do not count) and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hfloop.files import write_text
from hfloop.ner.corpus import fingerprint
from hfloop.ner.documents import Document
from hfloop.ner.formats import read_file, write_documents
from hfloop.ner.repair import repair
from hfloop.ner.splits import folds

RECIPE = Path(__file__).parent.parent / "recipes" / "ner.py"
ORDINARY_BATCH, ORDINARY_TOKENS = 8, 512
KIB_PER_MIB = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    quality_parser = commands.add_parser("quality", help="strict span F1 by cross-validation")
    quality_parser.add_argument("files", nargs="+", type=Path)
    quality_parser.add_argument("--work_dir", type=Path, default=Path("runs/bench-ner"))
    quality_parser.add_argument("--folds", type=int, default=3)
    quality_parser.add_argument("--seed", type=int, default=42)
    quality_parser.add_argument("--flags", nargs=argparse.REMAINDER, default=[], help="flags for the recipe, last")
    speed_parser = commands.add_parser("speed", help="tokens per second and peak memory against the ordinary way")
    speed_parser.add_argument("files", nargs="+", type=Path)
    speed_parser.add_argument("--rounds", type=int, default=4)
    speed_parser.add_argument("--steps", type=int, default=12, help="timed optimizer steps of the ordinary way")
    child_parser = commands.add_parser("child")  # one turn of `speed`, in a process of its own
    child_parser.add_argument("way", choices=["ordinary", "hfloop"])
    child_parser.add_argument("files", nargs="+", type=Path)
    child_parser.add_argument("--steps", type=int, required=True)
    arguments = parser.parse_args()
    if arguments.command == "quality":
        quality(arguments.files, arguments.work_dir, arguments.folds, arguments.seed, arguments.flags)
    elif arguments.command == "speed":
        speed(arguments.files, arguments.rounds, arguments.steps)
    else:
        turn = ordinary_turn if arguments.way == "ordinary" else hfloop_turn
        print(json.dumps(turn(read(arguments.files), arguments.steps)))


def read(files: Sequence[Path]) -> list[Document]:
    """All documents of `files`, repaired."""
    return repair(document for path in files for document in read_file(path).documents)[0]


# ---------------------------------------------------------------------------------------------------- quality


def quality(files: Sequence[Path], work_dir: Path, k: int, seed: int, flags: Sequence[str]) -> None:
    """Train and measure once per fold; print each fold's strict span scores and those of all folds together."""
    documents = read(files)
    check_work_dir(work_dir, {"data": fingerprint(documents), "folds": k, "seed": seed, "flags": list(flags)})
    reports = []
    for number, held_out in enumerate(folds(documents, k, seed)):
        report = measure_fold(documents, set(held_out), work_dir / f"fold-{number}", seed, flags)
        print(f"fold {number}: {summary([report])}", flush=True)
        reports.append(report)
    print(f"\nall {k} folds, {sum(report['documents'] for report in reports)} documents: {summary(reports)}\n")
    labels = sorted({label for report in reports for label in report["per_label"]})
    for label in labels:
        print(f"  {label:<22} {summary([r['per_label'][label] for r in reports if label in r['per_label']])}")


def check_work_dir(work_dir: Path, asked: dict[str, Any]) -> None:
    """Refuse a folder whose finished folds answer another question."""
    path = work_dir / "asked.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != asked:
        sys.exit(f"error: {work_dir} holds folds of other data or settings; name another --work_dir.")
    work_dir.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asked))


def measure_fold(
    documents: Sequence[Document], held_out: set[int], folder: Path, seed: int, flags: Sequence[str]
) -> dict[str, Any]:
    """The report on the held-out documents of the recipe trained on the others."""
    provenance = folder / "run" / "release" / "hfloop.json"
    if not provenance.exists():
        folder.mkdir(parents=True, exist_ok=True)
        train, test = folder / "train.jsonl", folder / "test.jsonl"
        write_documents([d for index, d in enumerate(documents) if index not in held_out], train, "doccano")
        write_documents([d for index, d in enumerate(documents) if index in held_out], test, "doccano")
        command = [sys.executable, str(RECIPE), "--train_file", str(train), "--test_file", str(test)]
        command += ["--output_dir", str(folder / "run"), "--seed", str(seed), *flags]
        if (folder / "run" / "checkpoints").exists():
            command += ["--resume_from_checkpoint", "latest"]
        subprocess.run(command, check=True)
    return json.loads(provenance.read_text(encoding="utf-8"))["report"]


def summary(reports: Sequence[dict[str, Any]]) -> str:
    """Micro scores over several reports, from their counts."""
    correct, predicted, gold = (sum(r[name] for r in reports) for name in ("correct", "predicted", "support"))
    precision, recall = correct / max(predicted, 1), correct / max(gold, 1)
    f1 = 2 * correct / max(predicted + gold, 1)
    return f"F1 {f1:.4f}  P {precision:.4f}  R {recall:.4f}  ({gold} gold, {predicted} predicted, {correct} correct)"


# ---------------------------------------------------------------------------------------------------- speed


def speed(files: Sequence[Path], rounds: int, steps: int) -> None:
    """Let both ways take turns, each in a fresh process, and print the ratios with their spread."""
    ratios, memory = [], []
    for number in range(rounds):
        results = {}
        for way in ("ordinary", "hfloop"):
            command = [
                sys.executable,
                "-m",
                "scripts.bench_ner",
                "child",
                way,
                *map(str, files),
                "--steps",
                str(steps),
            ]
            answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=RECIPE.parent.parent)
            results[way] = json.loads(answer.stdout.splitlines()[-1])
        ratios.append(results["hfloop"]["tokens_per_second"] / results["ordinary"]["tokens_per_second"])
        memory.append(results["hfloop"]["peak_rss_mib"] / results["ordinary"]["peak_rss_mib"])
        told = "   ".join(
            f"{way} {r['tokens_per_second']:>6,.0f} tokens/s {r['peak_rss_mib']:>6,.0f} MiB"
            for way, r in results.items()
        )
        print(f"round {number + 1}: {told}   ratio {ratios[-1]:.2f}", flush=True)
    print(f"\ntokens per second: {spread(ratios)} times the ordinary way ({os.cpu_count()} cores)")
    print(f"peak memory: {spread(memory)} times the ordinary way")


def spread(values: Sequence[float]) -> str:
    """Median with the smallest and the largest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def ordinary_turn(documents: Sequence[Document], steps: int) -> dict[str, float]:
    """Train as the usual token-classification script does, on windows of 512 padded tokens; time all but two steps."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    from hfloop.ner.backbone import bundled_backbone
    from hfloop.ner.decoding import bio_labels, label_maps
    from hfloop.ner.documents import entity_labels

    torch.manual_seed(0)
    label2id, id2label = label_maps(bio_labels(entity_labels(documents)))
    tokenizer = AutoTokenizer.from_pretrained(bundled_backbone())
    model = AutoModelForTokenClassification.from_pretrained(
        bundled_backbone(), label2id=label2id, id2label=id2label
    ).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5)
    windows = [window for document in documents for window in ordinary_windows(document, tokenizer, label2id)]
    order = torch.randperm(len(windows)).tolist()
    tokens, started = 0, 0.0
    for step in range(steps + 2):
        if step == 2:
            tokens, started = 0, time.perf_counter()
        batch = [windows[order[(step * ORDINARY_BATCH + row) % len(windows)]] for row in range(ORDINARY_BATCH)]
        inputs = {name: torch.tensor([window[name] for window in batch]) for name in batch[0]}
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        tokens += int(inputs["attention_mask"].sum()) - 2 * ORDINARY_BATCH
    return {
        "tokens_per_second": tokens / (time.perf_counter() - started),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MIB,
    }


def ordinary_windows(document: Document, tokenizer: Any, label2id: dict[str, int]) -> Iterator[dict[str, list[int]]]:
    """A document as consecutive windows padded to 512 tokens, every piece of a word labelled."""
    encoding = tokenizer(
        document.text,
        truncation=True,
        max_length=ORDINARY_TOKENS,
        padding="max_length",
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    for input_ids, mask, offsets in zip(
        encoding["input_ids"], encoding["attention_mask"], encoding["offset_mapping"], strict=True
    ):
        labels = []
        for start, end in offsets:
            span = next((s for s in document.spans if s.start <= start < s.end), None)
            prefix = "B" if span and span.start == start else "I"
            labels.append(-100 if start == end else label2id[f"{prefix}-{span.label}" if span else "O"])
        yield {"input_ids": input_ids, "attention_mask": mask, "labels": labels}


def hfloop_turn(documents: Sequence[Document], steps: int) -> dict[str, float]:
    """Run the recipe itself for some steps of one epoch; the first and the last logged interval do not count.

    Its peak memory is that of the whole recipe: training, checkpoint, evaluation and release.
    """
    interval = max(1, steps // 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_documents(documents, folder / "train.jsonl", "doccano")
        write_documents(documents[:1], folder / "validation.jsonl", "doccano")
        command = [sys.executable, str(RECIPE), "--train_file", str(folder / "train.jsonl")]
        command += ["--validation_file", str(folder / "validation.jsonl"), "--output_dir", str(folder / "run")]
        command += ["--max_train_steps", str(4 * interval), "--logging_steps", str(interval)]
        subprocess.run(command, check=True, capture_output=True)
        lines = (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rates = [row["tokens_per_second"] for row in map(json.loads, lines) if "tokens_per_second" in row]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / KIB_PER_MIB
    return {"tokens_per_second": statistics.mean(rates[1:-1]), "peak_rss_mib": peak}


if __name__ == "__main__":
    main()
