"""Pictures of a GAN: grids of images, the course of its training, the grids of a run as an animation.

Colours are Okabe and Ito's, told apart by colour-blind readers. Equal inputs give equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image

from hfloop.images.source import Pixels

BLUE, ORANGE, GREEN, VERMILION, INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#222222"
DOTS_PER_INCH = 150
WIDTH = 7.5  # inches: 1,125 pixels, about the width of a README
SHOWN_EDGE = 48  # pixels on the screen that an image in a grid has at least
GAP, GAP_LEVEL = 2, 128  # pixels of gray, which parts black images and white ones
GRID_ROWS, GRID_COLUMNS = 8, 8
MOST_CLASSES = 10  # of a grid in which each column is a class
MOST_FRAMES = 100  # of an animation; more show no more, and weigh much
FRAME_MILLISECONDS = 120
LAST_MILLISECONDS = 2500


def grid_columns(num_classes: int | None) -> int:
    """Columns of a grid of samples: one for each class, of the first ten; eight where the generator knows none."""
    return GRID_COLUMNS if num_classes is None else min(num_classes, MOST_CLASSES)


def image_grid(pixels: Pixels, columns: int) -> Image.Image:
    """Images side by side, row by row, small ones enlarged by a whole number without blur.

    Args:
        pixels: uint8 of shape (images, channels, height, width), with 1 or 3 channels and at least one image.
        columns: images in a row; the last row may have fewer.

    Returns:
        Mode L if the images are gray, else RGB.
    """
    scale = math.ceil(SHOWN_EDGE / pixels.shape[-1])
    shown = pixels.repeat(scale, axis=2).repeat(scale, axis=3).transpose(0, 2, 3, 1)
    count, height, width, channels = shown.shape
    rows = math.ceil(count / columns)
    grid = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels), GAP_LEVEL, dtype=np.uint8
    )  # fmt: skip
    for number, image in enumerate(shown):
        row, column = divmod(number, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        grid[top : top + height, left : left + width] = image
    return Image.fromarray(grid[:, :, 0] if channels == 1 else grid)


def animation(frames: Sequence[Path], path: Path) -> None:
    """Write pictures as an animated WebP that loops and rests on the last one; of many, 100 evenly chosen ones.

    Gray ones are kept to the pixel; coloured ones, which would weigh megabytes, as a photograph.

    Args:
        frames: pictures of one size, at least one, in the order in which to show them.
        path: the WebP file to write.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).round().astype(int))
    first, *others = (_read(frames[number]) for number in chosen)
    durations = [*[FRAME_MILLISECONDS] * len(others), LAST_MILLISECONDS]
    unfinished = path.with_name(f".{path.name}.tmp")
    first.save(
        unfinished,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=durations,
        loop=0,
        lossless=first.mode == "L",
        quality=85,
    )
    unfinished.replace(path)


def training_curves(rows: Sequence[Mapping[str, Any]], best_step: int, path: Path) -> None:
    """Draw both losses, the Fréchet distance with the chosen step marked, both gradients' norms, and the diversity.

    Args:
        rows: of a run's metrics.jsonl; those of a logging interval have `step`, `discriminator_loss`,
            `generator_loss`, `discriminator_gradient_norm`, `generator_gradient_norm`, `sample_diversity` and with
            some methods `penalty`; those of an evaluation have `step` and `frechet_distance`. At least one of each.
        best_step: the step of the evaluation whose weights were chosen.
        path: the PNG file to write.
    """
    figure = Figure(figsize=(WIDTH, 5.4), dpi=DOTS_PER_INCH, layout="constrained")
    losses, distance, gradients, diversity = figure.subplots(2, 2, sharex=True).flat
    _curves(
        losses,
        rows,
        {
            "discriminator_loss": ("discriminator", BLUE),
            "generator_loss": ("generator", ORANGE),
            "penalty": ("penalty", GREEN),
        },
    )
    losses.set_title("Losses", fontsize=10, loc="left")
    _curves(distance, rows, {"frechet_distance": (None, INK)}, marker="o", markersize=3)
    best = next(row["frechet_distance"] for row in rows if row["step"] == best_step and "frechet_distance" in row)
    distance.plot(best_step, best, marker="*", markersize=14, color=VERMILION, clip_on=False, zorder=3)
    distance.set_title(f"Fréchet distance: {best:.4g} at step {best_step:,} (★)", fontsize=10, loc="left")
    _logarithmic(distance)
    _curves(
        gradients,
        rows,
        {
            "discriminator_gradient_norm": ("discriminator", BLUE),
            "generator_gradient_norm": ("generator", ORANGE),
        },
    )
    gradients.set_title("Gradient norms", fontsize=10, loc="left")
    _logarithmic(gradients)
    _curves(diversity, rows, {"sample_diversity": (None, GREEN)})
    diversity.set_title("Diversity of the samples", fontsize=10, loc="left")
    diversity.set_ylim(bottom=0)
    for axes in (losses, distance, gradients, diversity):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9, colors=INK)
        axes.grid(color="#E3E3E3", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlim(0, 1.02 * max(row["step"] for row in rows))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.get_major_locator().set_params(nbins=5, integer=True)
    for axes in (gradients, diversity):
        axes.set_xlabel("step")
    unfinished = path.with_name(f".{path.name}.tmp")
    FigureCanvasAgg(figure).print_png(unfinished, metadata={"Software": None})
    unfinished.replace(path)


def _curves(
    axes: Axes, rows: Sequence[Mapping[str, Any]], named: Mapping[str, tuple[str | None, str]], **style: Any
) -> None:
    """Draw each quantity that some rows have; a legend where the curves have names."""
    for quantity, (name, colour) in named.items():
        points = [(row["step"], row[quantity]) for row in rows if quantity in row]
        if points:
            style = {"marker": "o", "markersize": 3} | style if len(points) == 1 else style
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.3, label=name, **style)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1.02, 0.97),  # on the title's line, where no curve is
            frameon=False,
            fontsize=8,
            ncols=3,
            handlelength=1.2,
            columnspacing=1.0,
        )


def _logarithmic(axes: Axes) -> None:
    """A scale of powers whose every tick bears a plain number, also where the values span less than a power."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    subdivisions = (1.0, 2.0, 5.0) if high < 1000 * low else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=subdivisions))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value < 10_000 else f"{value:,.0f}"))


def _read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()
