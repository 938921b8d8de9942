from __future__ import annotations

import struct

import pytest

from hfloop.ner.documents import Document, Span
from hfloop.ner.pictures import confusion_picture, label_bars, training_curve
from hfloop.ner.scoring import score

LABELS = [f"Label {letter}" for letter in "ABCDEFGHIJ"]
ROWS = [{"epoch": epoch, "train_loss": 3 / epoch, "validation_f1": epoch / (epoch + 5)} for epoch in range(1, 13)]


@pytest.fixture(scope="module")
def scores():
    """Ten labels, every kind of error."""
    gold = [Span(10 * place, 10 * place + 8, LABELS[place % 10]) for place in range(37)]
    predicted = [
        Span(span.start + place % 3, span.end, LABELS[place % 10 - (place % 4 == 0)])
        for place, span in enumerate(gold)
        if place % 7
    ]
    return score([Document("x" * 400, tuple(gold))], [[*predicted, Span(380, 384, LABELS[0])]])


def size_of_png(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", content[16:24])


@pytest.mark.parametrize("draw", [label_bars, confusion_picture])
def test_pictures_of_scores_fit_a_readme(draw, scores, tmp_path):
    draw(scores, tmp_path / "picture.png")
    assert size_of_png(tmp_path / "picture.png")[0] == 1125
    assert (tmp_path / "picture.png").stat().st_size < 150_000
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]  # nothing unfinished is left


@pytest.mark.parametrize("draw", [label_bars, confusion_picture])
def test_the_same_scores_give_the_same_bytes_and_other_scores_do_not(draw, scores, tmp_path):
    draw(scores, tmp_path / "first.png")
    draw(scores, tmp_path / "second.png")
    draw(score([Document("x", (Span(0, 1, LABELS[0]),))], [[]]), tmp_path / "other.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert (tmp_path / "first.png").read_bytes() != (tmp_path / "other.png").read_bytes()


@pytest.mark.parametrize("draw", [label_bars, confusion_picture])
def test_labels_may_be_long_or_look_like_formulas_and_scores_may_be_empty(draw, tmp_path):
    odd = score([Document("ab", (Span(0, 1, "$x_{$"), Span(1, 2, "a long label " * 9)))], [[]])
    draw(odd, tmp_path / "odd.png")
    draw(score([Document("")], [[]]), tmp_path / "empty.png")
    assert size_of_png(tmp_path / "odd.png")[0] == size_of_png(tmp_path / "empty.png")[0] == 1125


def test_a_picture_replaces_an_older_one(scores, tmp_path):
    (tmp_path / "bars.png").write_text("old")
    label_bars(scores, tmp_path / "bars.png")
    size_of_png(tmp_path / "bars.png")


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1]])
def test_the_training_curve_is_drawn_from_one_epoch_or_many(rows, tmp_path):
    training_curve(rows, tmp_path / "first.png")
    training_curve(rows, tmp_path / "second.png")
    assert size_of_png(tmp_path / "first.png")[0] == 1125
    assert (tmp_path / "first.png").stat().st_size < 150_000
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_the_best_epoch_moves_with_the_validation_score(tmp_path):
    worse_end = [*ROWS[:-1], ROWS[-1] | {"validation_f1": 0.1}]
    training_curve(ROWS, tmp_path / "end.png")
    training_curve(worse_end, tmp_path / "before.png")
    assert (tmp_path / "end.png").read_bytes() != (tmp_path / "before.png").read_bytes()
