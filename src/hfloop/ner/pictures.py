"""Pictures for a model card: scores per label, the confusion matrix, the course of a training.

Colours are Okabe and Ito's, told apart by colour-blind readers and, with the markers, in gray. The same figures give
the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hfloop.ner.scoring import MISSED, SPURIOUS, LabelScores, NerScores

BLUE, AZURE, SKY = "#0072B2", "#4C9ED9", "#9CCDEB"
ORANGE, GRAY, INK = "#D55E00", "#8A8A8A", "#222222"
DOTS_PER_INCH = 150
WIDTH = 7.5  # inches: 1,125 pixels, about the width of a README
LONGEST_NAME = 28


def label_bars(scores: NerScores, path: Path) -> None:
    """Draw each label's F1 as a bar with marks for precision and recall, the most frequent label first, micro last."""
    by_support = sorted(scores.per_label.items(), key=lambda item: (-item[1].support, item[0]))
    rows: list[tuple[str, LabelScores | NerScores]] = [*by_support, ("micro average", scores)]
    heights = np.arange(len(rows), dtype=float)
    heights[-1] += 0.35  # sets the average apart
    figure, axes = _figure(1.3 + 0.34 * len(rows))

    colours = [SKY] * len(by_support) + [AZURE]
    axes.barh(heights, [row.f1 for _, row in rows], height=0.62, color=colours, label="F1", zorder=2)
    for name, marker, colour, shift in (("precision", "D", ORANGE, -0.15), ("recall", "o", INK, 0.15)):
        axes.plot(
            [getattr(row, name) for _, row in rows],
            heights + shift,  # apart, so that equal precision and recall do not hide each other
            label=name,
            marker=marker,
            color=colour,
            markersize=6,
            markeredgecolor="white",
            linestyle="none",
            clip_on=False,
            zorder=3,
        )
    axes.plot(scores.f1_interval, heights[[-1, -1]], color=INK, marker="|", label="95 % interval of F1", zorder=2.5)
    _write_beside(axes, -0.85, "F1", "gold", "bold")
    for height, (_, row) in zip(heights, rows, strict=True):
        _write_beside(axes, height, f"{row.f1:.2f}", f"{row.support:,}", "normal")

    axes.set_yticks(heights, [_short(name) for name, _ in rows], parse_math=False)
    axes.get_yticklabels()[-1].set_fontweight("bold")
    axes.set_ylim(heights[-1] + 0.6, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(axis="x", color="#E3E3E3", linewidth=0.8, zorder=0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("strict character spans", fontsize=9)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        handles[-1:] + handles[:-1],  # the bar first
        names[-1:] + names[:-1],
        loc="outside upper left",
        ncols=4,
        frameon=False,
        fontsize=9,
    )
    _save(figure, path)


def confusion_picture(scores: NerScores, path: Path) -> None:
    """Draw gold against predicted labels as a heat map of counts, shaded by their share of the gold label's row."""
    counts = np.array(scores.confusion)
    names = [_short(label) for label in scores.labels]
    size = len(counts)
    figure, axes = _figure(2.4 + 0.4 * size, width=max(WIDTH, 2.4 + 0.42 * size))

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.05, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=9, color=colour)
    axes.text(size - 1, size - 1, "–", ha="center", va="center", color=GRAY)
    for border in np.arange(size - 1) + 0.5:
        width = 3.0 if border == size - 1.5 else 0.8  # sets the missed and spurious apart
        axes.axhline(border, color="white", linewidth=width)
        axes.axvline(border, color="white", linewidth=width)
    axes.set_xticks(range(size), [*names, MISSED], rotation=40, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(size), [*names, SPURIOUS], parse_math=False)
    for text in (axes.get_xticklabels()[-1], axes.get_yticklabels()[-1]):
        text.set_fontstyle("italic")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted", weight="bold")
    axes.set_ylabel("gold", weight="bold")
    axes.set_title("Entities matched one to one, whatever their borders; shade: share of the row", fontsize=9)
    _save(figure, path)


def training_curve(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw the training loss and the validation F1 by epoch, the best epoch marked.

    Args:
        rows: for each epoch the figures `epoch`, `train_loss` and `validation_f1`; at least one row.
        path: the PNG file to write.
    """
    epochs = [row["epoch"] for row in rows]
    best = max(rows, key=lambda row: row["validation_f1"])
    figure = Figure(figsize=(WIDTH, 2.9), dpi=DOTS_PER_INCH, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [row["train_loss"] for row in rows], color=BLUE, marker="o", markersize=3)
    left.set_title("Training loss", fontsize=10, loc="left")
    left.set_ylim(bottom=0)
    right.plot(epochs, [row["validation_f1"] for row in rows], color=ORANGE, marker="o", markersize=3)
    right.plot(best["epoch"], best["validation_f1"], marker="*", markersize=13, color=INK, clip_on=False, zorder=3)
    right.set_title(
        f"Validation F1: best {best['validation_f1']:.3f} after epoch {best['epoch']:g} (★)", fontsize=10, loc="left"
    )
    right.set_ylim(0, 1)
    for axes in (left, right):
        _plain(axes)
        axes.set_xlabel("epoch")
        axes.set_xlim(0, 1.04 * max(epochs))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(color="#E3E3E3", linewidth=0.8)
        axes.set_axisbelow(True)
    _save(figure, path)


def _figure(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)


def _write_beside(axes: Axes, height: float, f1: str, support: str, weight: str) -> None:
    """Write two right-aligned columns to the right of `axes`, on the line of `height`."""
    for text, points, colour in ((f1, 36, INK), (support, 76, GRAY)):
        axes.annotate(
            text,
            xy=(1, height),
            xytext=(points, 0),
            textcoords="offset points",
            annotation_clip=False,
            color=colour,
            fontsize=9,
            ha="right",
            va="center",
            weight=weight,
        )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG under a temporary name, then rename it: no reader ever sees half a picture."""
    unfinished = path.with_name(f".{path.name}.tmp")
    FigureCanvasAgg(figure).print_png(unfinished, metadata={"Software": None})
    unfinished.replace(path)
