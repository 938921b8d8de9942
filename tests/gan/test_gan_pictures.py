from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_release import EVALUATED, LOGGED

from hfloop.gan.pictures import (
    GAP,
    GAP_LEVEL,
    LAST_MILLISECONDS,
    MOST_FRAMES,
    animation,
    grid_columns,
    image_grid,
    training_curves,
)

ROWS = sorted([*LOGGED, *EVALUATED], key=lambda row: row["step"])


def random_pixels(count, channels=1, edge=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, channels, edge, edge), dtype=np.uint8)


def frames(folder, count, edge=40):
    paths = [folder / f"step-{number:03d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("L", (edge, edge), number).save(path)
    return paths


# ------------------------------------------------------------------ grids


@given(
    count=st.integers(1, 12),
    channels=st.sampled_from([1, 3]),
    edge=st.sampled_from([8, 28, 40, 64]),
    columns=st.integers(1, 5),
)
def test_every_image_can_be_read_back_from_its_place_in_the_grid(count, channels, edge, columns):
    pixels = random_pixels(count, channels, edge)
    grid = image_grid(pixels, columns)
    assert grid.mode == ("L" if channels == 1 else "RGB")
    scale = math.ceil(48 / edge)
    pitch = edge * scale + GAP
    assert grid.size == (columns * pitch + GAP, math.ceil(count / columns) * pitch + GAP)
    values = np.asarray(grid).reshape(grid.height, grid.width, channels)
    for number, image in enumerate(pixels):
        top, left = GAP + number // columns * pitch, GAP + number % columns * pitch
        place = values[top : top + edge * scale, left : left + edge * scale]
        for row in range(scale):  # every pixel is a block of equal ones
            np.testing.assert_array_equal(place[row::scale, row::scale].transpose(2, 0, 1), image)


def test_images_are_parted_by_gray_and_missing_ones_are_gray():
    values = np.asarray(image_grid(np.zeros((3, 1, 8, 8), dtype=np.uint8), 2))
    assert (values[:GAP] == GAP_LEVEL).all() and (values[:, :GAP] == GAP_LEVEL).all()
    assert (values[50 : 50 + GAP] == GAP_LEVEL).all() and (values[:, -GAP:] == GAP_LEVEL).all()
    assert (values[52:, 52:] == GAP_LEVEL).all()
    assert (values[52:100, 2:50] == 0).all()


@pytest.mark.parametrize(("num_classes", "columns"), [(None, 8), (2, 2), (10, 10), (100, 10)])
def test_a_column_is_a_class_up_to_ten(num_classes, columns):
    assert grid_columns(num_classes) == columns


# ------------------------------------------------------------------ the animation


def shown(path):
    """The gray level and duration of each frame."""
    with Image.open(path) as moving:
        assert moving.format == "WEBP"
        assert moving.info["loop"] == 0  # forever
        levels = []
        for number in range(moving.n_frames):
            moving.seek(number)
            moving.load()
            levels.append((moving.convert("L").getpixel((0, 0)), moving.info["duration"]))
    return levels


def test_an_animation_shows_every_grid_in_turn_and_rests_on_the_last(tmp_path):
    animation(frames(tmp_path, 4), tmp_path / "training.webp")
    levels = shown(tmp_path / "training.webp")
    assert [level for level, _ in levels] == [0, 1, 2, 3]  # lossless
    durations = [duration for _, duration in levels]
    assert durations[-1] == LAST_MILLISECONDS
    assert len(set(durations[:-1])) == 1 and durations[0] < LAST_MILLISECONDS / 10
    assert not list(tmp_path.glob(".*"))


def test_an_animation_of_many_grids_shows_some_from_first_to_last(tmp_path):
    animation(frames(tmp_path, 250, edge=4), tmp_path / "training.webp")
    levels = [level for level, _ in shown(tmp_path / "training.webp")]
    assert len(levels) == MOST_FRAMES
    assert (levels[0], levels[-1]) == (0, 249)
    assert {later - earlier for earlier, later in pairwise(levels)} == {2, 3}


def test_coloured_grids_are_kept_nearly_and_weigh_less(tmp_path):
    noise = image_grid(random_pixels(64, channels=3, edge=32), 8)
    noise.save(tmp_path / "noise.png")
    calm = Image.new("RGB", noise.size, (200, 40, 90))
    calm.save(tmp_path / "calm.png")
    animation([tmp_path / "noise.png", tmp_path / "calm.png"], tmp_path / "training.webp")
    assert (tmp_path / "training.webp").stat().st_size < (tmp_path / "noise.png").stat().st_size
    with Image.open(tmp_path / "training.webp") as moving:
        moving.seek(1)
        np.testing.assert_allclose(np.asarray(moving.convert("RGB")).mean(axis=(0, 1)), (200, 40, 90), atol=4)


def test_one_grid_is_an_animation_too(tmp_path):
    animation(frames(tmp_path, 1), tmp_path / "training.webp")
    with Image.open(tmp_path / "training.webp") as still:
        assert (still.size, still.convert("L").getpixel((3, 3))) == ((40, 40), 0)


def test_the_same_grids_give_the_same_animation(tmp_path):
    grids = frames(tmp_path, 3)
    animation(grids, tmp_path / "first.webp")
    animation(grids, tmp_path / "second.webp")
    animation(grids[:2], tmp_path / "other.webp")
    assert (tmp_path / "first.webp").read_bytes() == (tmp_path / "second.webp").read_bytes()
    assert (tmp_path / "first.webp").read_bytes() != (tmp_path / "other.webp").read_bytes()


# ------------------------------------------------------------------ curves


def curves(folder, rows, best_step=40):
    training_curves(rows, best_step, folder / "curves.png")
    return (folder / "curves.png").read_bytes()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """What the rows give."""
    return curves(tmp_path_factory.mktemp("drawn"), ROWS)


def test_curves_fit_a_readme_and_the_same_rows_give_the_same_bytes(tmp_path, drawn):
    ignored = [row | {"images_per_second": 1.0} for row in ROWS]
    assert curves(tmp_path, ignored) == drawn
    assert len(drawn) < 200_000
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width == 1125
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]  # nothing unfinished is left


@pytest.mark.parametrize("quantity", sorted({*LOGGED[0], "frechet_distance"} - {"step", "images_per_second"}))
def test_every_quantity_is_drawn(tmp_path, drawn, quantity):
    changed = [row | {quantity: 1.2 * row[quantity]} if quantity in row and row["step"] == 20 else row for row in ROWS]
    assert curves(tmp_path, changed) != drawn


def test_a_penalty_is_drawn_where_there_is_one(tmp_path, drawn):
    penalised = [row | {"penalty": 1.1} if "generator_loss" in row else row for row in ROWS]
    assert curves(tmp_path, penalised) != drawn


def test_the_chosen_step_is_marked(tmp_path):
    def place_of_the_star(step):
        curves(tmp_path, ROWS, best_step=step)
        with Image.open(tmp_path / "curves.png") as picture:
            distances = np.abs(np.asarray(picture.convert("RGB")).astype(int) - (0xD5, 0x5E, 0x00)).sum(axis=2)
        return np.argwhere(distances == 0).mean(axis=0)  # row and column

    at_20, at_40, at_60 = (place_of_the_star(step) for step in (20, 40, 60))
    assert at_60[1] - at_40[1] == pytest.approx(at_40[1] - at_20[1], abs=5)
    assert at_40[1] - at_20[1] > 100
    assert at_40[0] > at_60[0] > at_20[0]  # the lowest distance, the middle one, the highest


def test_a_single_interval_and_a_single_evaluation_are_drawn(tmp_path):
    once = curves(tmp_path, [LOGGED[-1], EVALUATED[-1]], best_step=60)
    assert curves(tmp_path, [LOGGED[-1] | {"generator_loss": 1.2}, EVALUATED[-1]], best_step=60) != once
