"""Watching a GAN learn: sample grids, the Fréchet distance, the best weights, alarms."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import torch
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from hfloop.gan.batches import TrainingImages
from hfloop.gan.config import GanConfig
from hfloop.gan.data import GanData
from hfloop.gan.diagnostics import Alarms, sample_diversity
from hfloop.gan.engine import Game, Rules, images_per_step
from hfloop.gan.evaluation import evaluate_generator
from hfloop.gan.export import settle_spectral_norms
from hfloop.gan.latents import image_generators, sample_latents
from hfloop.gan.pictures import GRID_ROWS, grid_columns, image_grid
from hfloop.gan.pipeline import GANPipeline
from hfloop.gan.release import GanRelease, Method
from hfloop.images.arrays import uint8_pixels
from hfloop.images.source import Pixels
from hfloop.metrics.comparison import reference_statistics
from hfloop.metrics.frechet_distance.frechet import FeatureStatistics, frechet_distance
from hfloop.metrics.running import RunningStatistics
from hfloop.run import Run
from hfloop.selection import BestWeights

logger = logging.getLogger("hfloop")

_EVALUATIONS = 10  # in a run, where `eval_steps` does not say otherwise
_FEWEST_IMAGES = 2_000  # generated for a distance during training; twice the extractor's features if that is more
_BATCH_SIZE = 250  # images that are generated at a time
_REAL_IMAGES = 1_000  # whose diversity the generated ones' is compared with


class Monitor:
    """Looks at a GAN while it learns.

    At every evaluation it draws a grid of what the averaged generator makes of latents that stay the same, measures
    the Fréchet distance of its images to the training images, and keeps the weights of both networks where that is
    the smallest yet. At every row of metrics.jsonl it listens for alarms. Its state belongs into the checkpoints.

    Attributes:
        best: weights of the averaged generator and of the discriminator, by minus the distance.
        alarms: the sentences that were said.

    Args:
        run: the run.
        data: what is learned from, and the extractor that sees it.
        images: the same training images as the game's.
        rules: of the game.
    """

    def __init__(self, run: Run, data: GanData, images: TrainingImages, rules: Rules) -> None:
        self._run, self._data = run, data
        self._config: GanConfig = run.config  # type: ignore[assignment]  # a GAN's run has a GAN's configuration
        self._images_per_step = images_per_step(run, rules)
        real = images.batch(0, min(len(images), _REAL_IMAGES)).images
        self._listening = Alarms(rules.objective, float(sample_diversity(real)))
        self._reference: FeatureStatistics = run.on_main_process(
            lambda: reference_statistics(data.train, data.extractor)
        )
        self.best = BestWeights()
        self.alarms: list[str] = []
        self.samples_folder = run.output_dir / "samples"

    def listen(self, row: dict[str, float]) -> None:
        """Say what is alarming in a row of metrics.jsonl."""
        seen = self._run.completed_steps * self._images_per_step
        for sentence in self._listening.check(row | {"images": seen}):
            self.alarms.append(sentence)
            logger.warning("Warning: %s", sentence)

    def look(self, game: Game, step: int) -> None:
        """Evaluate after step `step`, if it is time."""
        done = step + 1
        every = self._config.eval_steps or math.ceil(game.total_steps / _EVALUATIONS)
        if done % every and done != game.total_steps:
            return
        distance = self._run.on_main_process(lambda: self._evaluated(game.average.module, done))
        self.best.offer(-distance, done, _networks(game).state_dict())
        seen = done * self._images_per_step
        self._run.log({"images": seen, "frechet_distance": distance})
        logger.info("%s images: Fréchet distance %.4g (%s)", f"{seen:,}", distance, self._data.extractor.name)

    def conclude(self, game: Game, method: Method) -> GanRelease:
        """Bring back the best weights, measure them on the test images, and gather what the release tells."""
        networks = _networks(game)
        networks.load_state_dict(self.best.weights)
        settle_spectral_norms(networks)
        generator, discriminator = (_model(network) for network in networks.values())
        logger.info("best after %s steps; measuring its images, which takes a while", f"{self.best.moment:,}")
        report = self._run.on_main_process(lambda: evaluate_generator(generator, self._data, seed=self._config.seed))
        logger.info("test images:\n\n%s\n", report.table())
        return GanRelease(
            generator=generator,
            discriminator=discriminator,
            report=report,
            data=self._data,
            method=method,
            rows=self._run.logged(),
            best_step=self.best.moment,
            images_seen=self.best.moment * self._images_per_step,
            frames=sorted(self.samples_folder.glob("step-*.png")),
            alarms=self.alarms,
        )

    def _evaluated(self, generator: Any, done: int) -> float:
        """Draw the grid; measure the distance."""
        seed, count = self._config.seed, max(_FEWEST_IMAGES, 2 * self._data.extractor.dimension)
        columns = grid_columns(generator.config.num_classes)
        stride = generator.config.num_classes or columns  # image i is of class i modulo their number
        pixels = self._made(generator, seed, GRID_ROWS * stride).reshape(GRID_ROWS, stride, *self._data.train.shape)
        grid = image_grid(pixels[:, :columns].reshape(-1, *self._data.train.shape), columns)
        path = self.samples_folder / f"step-{done:07d}.png"
        with self._run.disk_may_refuse(path):
            self.samples_folder.mkdir(exist_ok=True)
            unfinished = path.with_name(f".{path.name}")
            grid.save(unfinished, "PNG")
            unfinished.replace(path)
        pixels = self._made(generator, seed + 1, count)  # other noise than the final figures are measured with
        batches = [
            self._data.extractor(torch.from_numpy(batch))
            for batch in np.split(pixels, range(_BATCH_SIZE, count, _BATCH_SIZE))
        ]
        return frechet_distance(self._reference, RunningStatistics.over(batches).statistics())

    def _made(self, generator: Any, seed: int, count: int) -> Pixels:
        """The first `count` images that a release of `generator` makes with this seed."""
        pipeline: Any = GANPipeline(generator)
        latents = sample_latents(image_generators(seed, range(count)), generator.config.latent_dim)
        classes = generator.config.num_classes
        made = []
        for first in range(0, count, _BATCH_SIZE):
            some = latents[first : first + _BATCH_SIZE]
            labels = None if classes is None else (torch.arange(first, first + len(some)) % classes)
            made.append(pipeline(len(some), labels, latents=some, output_type="np").images)
        values = np.concatenate(made)
        if np.isnan(values).any():
            raise self._run.diverged("the averaged generator makes NaN")
        return uint8_pixels(values, "the generator's output").transpose(0, 3, 1, 2)

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"best": self.best.state_dict(), "listening": self._listening.state_dict(), "alarms": self.alarms}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.best.load_state_dict(state["best"])
        self._listening.load_state_dict(state["listening"])
        self.alarms = state["alarms"]


def _networks(game: Game) -> nn.ModuleDict:
    """What is kept of a game: the averaged generator, and the discriminator that goes with it."""
    discriminator = game.run.accelerator.unwrap_model(game.discriminator, keep_fp32_wrapper=False)
    return nn.ModuleDict({"generator": game.average.module, "discriminator": discriminator})


def _model(network: nn.Module) -> ModelMixin:
    assert isinstance(network, ModelMixin)
    return network
