from __future__ import annotations

import json
import os
import subprocess
import sys
import types

import pytest
from invented import invented_documents

from hfloop.ner.consistency import CONFIG_KEY
from hfloop.ner.documents import Document, Span
from hfloop.ner.evaluation import evaluate_documents, extract_shared, keep_habits_that_help
from hfloop.ner.extractor import Extractor

DOCUMENTS = [*invented_documents(6, first=30), Document("Ada Quill \ue000", (Span(0, 9, "Name"),))]
SCRIPT = """
import json, sys
from pathlib import Path

from accelerate import Accelerator

from hfloop.ner.documents import Document, Span
from hfloop.ner.evaluation import evaluate_documents, extract_shared
from hfloop.ner.extractor import Extractor

release, documents, folder = sys.argv[1:]
accelerator = Accelerator(cpu=True)
assert accelerator.num_processes == 2
extractor = Extractor.from_pretrained(release, device="cpu")
documents = [Document(text, tuple(Span(*span) for span in spans)) for text, spans in json.loads(documents)]
taken = []
extract = extractor.extract
extractor.extract = lambda texts: extract(taken.append(text) or text for text in texts)
found = [
    [[span.start, span.end, span.label, span.score] for span in extraction.spans]
    for extraction in extract_shared(extractor, documents, accelerator)
]
shares = list(taken)
answer = {
    "found": found,
    "shares": shares,
    "report": evaluate_documents(extractor, documents, "test", accelerator).to_dict(),
    "alone": len(extract_shared(extractor, documents[:1], accelerator)),
}
(Path(folder) / f"{accelerator.process_index}.json").write_text(json.dumps(answer))
accelerator.end_training()  # a process that ends with its group's threads running can abort
"""


@pytest.fixture(scope="module")
def extractor(tiny_release):
    return Extractor.from_pretrained(tiny_release, device="cpu")


def test_the_report_is_that_of_complete_documents(extractor):
    report = evaluate_documents(extractor, DOCUMENTS, "test")
    assert report.scores.f1 > 0.8
    assert report.scores.support == 31
    figures = report.to_dict()
    assert json.loads(json.dumps(figures)) == figures
    assert (figures["split"], figures["documents"], figures["seqeval"]["unaligned_predicted"]) == ("test", 7, 0)
    assert figures["coverage"] == report.coverage
    table = report.table()
    assert f"seqeval strict F1 {report.seqeval['f1']:.3f}; coverage {100 * report.coverage:.2f} % of the text" in table


def test_coverage_tells_of_characters_that_the_tokenizer_drops(extractor):
    visible = sum(not character.isspace() for document in DOCUMENTS for character in document.text)
    assert evaluate_documents(extractor, DOCUMENTS, "test").coverage == (visible - 1) / visible
    assert evaluate_documents(extractor, DOCUMENTS[:-1], "test").coverage == 1


def test_two_processes_read_every_document_once_and_both_know_the_whole_report(extractor, tiny_release, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    documents = json.dumps([[d.text, [[s.start, s.end, s.label] for s in d.spans]] for d in DOCUMENTS])
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    launched = subprocess.run(
        [*launch, str(tmp_path / "script.py"), str(tiny_release), documents, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert launched.returncode == 0, launched.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert sorted(first["shares"] + second["shares"]) == sorted(document.text for document in DOCUMENTS)
    assert len(first["shares"]) == 4
    assert first["found"] == second["found"]
    assert first["report"] == second["report"] == evaluate_documents(extractor, DOCUMENTS, "test").to_dict()
    assert first["alone"] == second["alone"] == 1
    alone = extract_shared(extractor, DOCUMENTS, None)
    for found, extraction in zip(first["found"], alone, strict=True):
        assert [span[:3] for span in found] == [[s.start, s.end, s.label] for s in extraction.spans]
        assert [span[3] for span in found] == pytest.approx([s.score for s in extraction.spans], abs=1e-5)


HELPFUL = {"repeat_rate": 0.0, "opening_shift": 0.0, "later_shift": 0.0}
HARMFUL = {"repeat_rate": 0.0, "opening_shift": -20.0, "later_shift": -20.0}  # drops every mention


@pytest.mark.parametrize(("habits", "with_habits", "kept"), [(HARMFUL, 0.0, False), (HELPFUL, None, None)])
def test_mention_habits_stay_only_where_they_raise_the_validation_f1(extractor, habits, with_habits, kept):
    config = extractor.model.config
    without = evaluate_documents(extractor, DOCUMENTS, "validation").scores.f1
    config.mention_habits = dict.fromkeys(("Company", "Designation", "Name"), habits)
    try:
        measured = evaluate_documents(extractor, DOCUMENTS, "validation").scores.f1
        if with_habits is not None:
            assert measured == with_habits
        keep_habits_that_help(extractor, DOCUMENTS)
        assert bool(getattr(config, CONFIG_KEY)) == (measured > without if kept is None else kept)
    finally:
        config.mention_habits = None


def test_mention_habits_that_find_more_are_kept(extractor, monkeypatch):
    def scores_by_habits(extractor, documents, split, accelerator=None):
        f1 = 0.9 if extractor.model.config.mention_habits else 0.8
        return types.SimpleNamespace(scores=types.SimpleNamespace(f1=f1))

    monkeypatch.setattr("hfloop.ner.evaluation.evaluate_documents", scores_by_habits)
    extractor.model.config.mention_habits = {"Name": HELPFUL}
    try:
        keep_habits_that_help(extractor, DOCUMENTS)
        assert extractor.model.config.mention_habits == {"Name": HELPFUL}
    finally:
        extractor.model.config.mention_habits = None
