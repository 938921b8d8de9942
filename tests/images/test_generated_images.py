from __future__ import annotations

import json
import shutil

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, DiffusionPipeline, UNet2DModel
from diffusers.pipelines.pipeline_utils import ImagePipelineOutput
from PIL import Image
from safetensors.torch import load_file, save_file

from hfloop.errors import UserError
from hfloop.images.generated import GeneratedImages, noise_seed
from hfloop.images.sources import load_images

STEPS = 2  # what the tiny scheduler is trained with, fewer than the 1,000 that DDPMPipeline takes by default


def tiny_unet(channels=1):
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=8,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=1,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    )


@pytest.fixture(scope="session")
def tiny_ddpm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release") / "ddpm"
    DDPMPipeline(tiny_unet(), DDPMScheduler(num_train_timesteps=STEPS)).save_pretrained(folder)
    return folder


@pytest.fixture
def release(tiny_ddpm, tmp_path):
    """A copy to break."""
    return shutil.copytree(tiny_ddpm, tmp_path / "release")


def change_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_weights(release, change):
    path = release / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, {"format": "pt"})


def error_of(release):
    with pytest.raises(UserError) as caught:
        GeneratedImages(release, 3, 0, "rel")
    message = str(caught.value)
    assert "\n" not in message
    return message


# ------------------------------------------------------------------ what is made


def test_the_images_are_those_that_the_pipeline_saves(tiny_ddpm, tmp_path):
    images = GeneratedImages(tiny_ddpm, 3, seed=7)
    assert (images.name, len(images), images.shape, images.labels) == (str(tiny_ddpm), 3, (1, 8, 8), None)
    pipeline = DDPMPipeline.from_pretrained(tiny_ddpm)
    generators = [torch.Generator().manual_seed(noise_seed(7, number)) for number in range(3)]
    for number, image in enumerate(pipeline(3, generators, num_inference_steps=STEPS).images):
        image.save(tmp_path / f"{number}.png")
        saved = np.asarray(Image.open(tmp_path / f"{number}.png"))
        np.testing.assert_array_equal(images.read([number])[0, 0], saved)


def test_colour_images_have_their_channels_first(tmp_path):
    DDPMPipeline(tiny_unet(3), DDPMScheduler(num_train_timesteps=STEPS)).save_pretrained(tmp_path)
    images = GeneratedImages(tmp_path, 2, 0)
    assert images.shape == (3, 8, 8)
    generators = [torch.Generator().manual_seed(noise_seed(0, number)) for number in range(2)]
    made = DDPMPipeline.from_pretrained(tmp_path)(2, generators, num_inference_steps=STEPS).images
    np.testing.assert_array_equal(images.read([1])[0], np.asarray(made[1]).transpose(2, 0, 1))


def test_an_image_does_not_depend_on_what_is_read_with_it(tiny_ddpm):
    images = GeneratedImages(tiny_ddpm, 150, seed=0)  # three batches
    everything = images.read(range(150))
    for indices in ([149], [0], [70, 3, 70, 149, 64, 63], [], range(60, 70), np.array([128, 127])):
        np.testing.assert_array_equal(images.read(indices), everything[list(indices)])
    again = GeneratedImages(tiny_ddpm, 150, seed=0)
    np.testing.assert_array_equal(again.read(range(149, -1, -1)), everything[::-1])


def test_every_image_has_noise_of_its_own(tiny_ddpm):
    images = GeneratedImages(tiny_ddpm, 100, seed=0).read(range(100))
    others = GeneratedImages(tiny_ddpm, 100, seed=1).read(range(100))
    assert len({image.tobytes() for image in [*images, *others]}) == 200


def test_reading_in_order_makes_each_batch_once(tiny_ddpm, monkeypatch):
    sizes = []
    call = DDPMPipeline.__call__

    def counted(self, batch_size=1, generator=None, num_inference_steps=1000, output_type="pil"):
        sizes.append(batch_size)
        return call(self, batch_size, generator, num_inference_steps, output_type)

    monkeypatch.setattr(DDPMPipeline, "__call__", counted)
    images = GeneratedImages(tiny_ddpm, 70, seed=0)
    for first in range(0, 70, 10):
        images.read(range(first, first + 10))
    assert sizes == [64, 6]


def test_an_index_beyond_the_set_is_an_error(tiny_ddpm):
    with pytest.raises(IndexError):
        GeneratedImages(tiny_ddpm, 3, 0).read([3])


def test_the_fingerprint_follows_weights_settings_number_and_seed(tiny_ddpm, release):
    fingerprint = GeneratedImages(tiny_ddpm, 3, 0).fingerprint
    assert GeneratedImages(release, 3, 0).fingerprint == fingerprint
    assert GeneratedImages(release, 4, 0).fingerprint != fingerprint
    assert GeneratedImages(release, 3, 1).fingerprint != fingerprint
    (release / "README.md").write_text("a card")
    assert GeneratedImages(release, 3, 0).fingerprint == fingerprint
    change_json(release / "scheduler" / "scheduler_config.json", beta_end=0.1)
    assert GeneratedImages(release, 3, 0).fingerprint != fingerprint
    shutil.copytree(tiny_ddpm, release, dirs_exist_ok=True)
    change_weights(release, lambda weights: weights["conv_in.bias"].add_(1))
    assert GeneratedImages(release, 3, 0).fingerprint != fingerprint


# ------------------------------------------------------------------ how a pipeline is called


def steps_taken(pipeline, folder, monkeypatch):
    pipeline.save_pretrained(folder)
    scheduler = type(pipeline.scheduler)
    asked = []
    set_timesteps = scheduler.set_timesteps
    monkeypatch.setattr(
        scheduler, "set_timesteps", lambda self, steps, *rest: asked.append(steps) or set_timesteps(self, 1, *rest)
    )
    GeneratedImages(folder, 1, 0)
    return asked


def test_a_pipeline_takes_its_own_number_of_steps(tmp_path, monkeypatch):
    assert steps_taken(DDPMPipeline(tiny_unet(), DDPMScheduler()), tmp_path, monkeypatch) == [1000]


def test_a_pipeline_takes_no_more_steps_than_it_was_trained_with(tmp_path, monkeypatch):
    pipeline = DDIMPipeline(tiny_unet(), DDIMScheduler(num_train_timesteps=7))
    assert steps_taken(pipeline, tmp_path, monkeypatch) == [7]


class OneStepPipeline(DiffusionPipeline):
    """Shaped like hfloop's own pipelines: `num_images` instead of `batch_size`."""

    def __init__(self, unet):
        super().__init__()
        self.register_modules(unet=unet)

    @torch.no_grad()
    def __call__(self, num_images=1, generator=None, output_type="pil"):
        noise = torch.cat([torch.randn(1, 1, 8, 8, generator=each) for each in generator])
        assert (num_images, output_type) == (len(noise), "np")
        return ImagePipelineOutput(images=self.output(noise).permute(0, 2, 3, 1).numpy())

    def output(self, noise):
        return (self.unet(noise, 0).sample / 2 + 0.5).clamp(0, 1)


def save_as(pipeline_class, folder, monkeypatch):
    monkeypatch.setattr(diffusers, pipeline_class.__name__, pipeline_class, raising=False)
    pipeline_class(tiny_unet()).save_pretrained(folder)
    change_json(folder / "model_index.json", _class_name=pipeline_class.__name__)
    return folder


def test_a_pipeline_may_call_the_number_num_images(tmp_path, monkeypatch):
    images = GeneratedImages(save_as(OneStepPipeline, tmp_path, monkeypatch), 5, 0)
    assert images.read([4, 4]).shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda self, noise: noise * 0 + 2, "rel: its pipeline's output holds fractions from 2 to 2, but they must"),
        (lambda self, noise: noise * torch.nan, "rel: its pipeline's output holds NaN or infinite values"),
        (lambda self, noise: noise[:1].abs() % 1, "rel makes arrays of shape (1, 8, 8, 1) when asked for 3 images"),
        (
            lambda self, noise: noise.repeat(1, 4, 1, 1).abs() % 1,
            "rel makes arrays of shape (3, 8, 8, 4) when asked for 3 images: gray or RGB images are needed.",
        ),
    ],
)
def test_output_that_is_no_images_is_refused(tmp_path, monkeypatch, output, message):
    monkeypatch.setattr(OneStepPipeline, "output", output)
    assert error_of(save_as(OneStepPipeline, tmp_path, monkeypatch)).startswith(message)


def test_frames_are_no_images(tmp_path, monkeypatch):
    class FramesPipeline(OneStepPipeline):
        def __call__(self, num_images=1, generator=None, output_type="pil"):
            return object()

    assert error_of(save_as(FramesPipeline, tmp_path, monkeypatch)) == (
        "rel: its FramesPipeline makes something other than images."
    )


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("StableDiffusionPipeline", "rel is a StableDiffusionPipeline, which wants `prompt`: name a release that"),
        ("DiTPipeline", "rel is a DiTPipeline, which wants `class_labels`: name a release that makes images from"),
        ("RePaintPipeline", "rel is a RePaintPipeline, which wants `image`, `mask_image`: name a release that"),
        ("DanceDiffusionPipeline", "rel is a DanceDiffusionPipeline, which does not make a number of images from"),
        ("UNet2DModel", f"rel needs the pipeline UNet2DModel, which diffusers {diffusers.__version__} does not have."),
        (["pipeline", "GANPipeline"], "rel brings its pipeline as code of its own, and hfloop does not run code from"),
    ],
)
def test_other_pipelines_are_refused(release, pipeline, message):
    change_json(release / "model_index.json", _class_name=pipeline)
    assert error_of(release).startswith(message)


def test_the_code_of_a_network_is_not_run(release):
    (release / "unet" / "modeling_own.py").write_text("raise SystemExit('the code ran')")
    change_json(release / "model_index.json", unet=["modeling_own", "Own"])
    assert error_of(release).startswith("rel brings its `unet` as code of its own, and hfloop does not run code from")


def test_pickled_weights_are_not_loaded(release):
    weights = release / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    assert error_of(release).startswith("rel cannot be loaded: Error no file named diffusion_pytorch_model.safetensor")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda weights: weights.pop("conv_in.bias"),
            "rel: the weights in `unet` do not fit its config.json (missing",
        ),
        (
            lambda weights: weights.update(more=torch.zeros(1)),
            "rel: the weights in `unet` do not fit its config.json (unexpected more): save or download the release",
        ),
        (
            lambda weights: weights.update({"conv_in.weight": torch.zeros(9, 1, 3, 3)}),
            "rel cannot be loaded: Cannot load  because conv_in.weight expected shape",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(release, change, message):
    change_weights(release, change)
    assert error_of(release).startswith(message)


def test_weights_cut_short_are_refused(release):
    weights = release / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    assert error_of(release).startswith("rel cannot be loaded: Unable to load weights from checkpoint file")


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("{", "rel: its model_index.json is no JSON that can be read (Expecting property name"),
        ("[]", "rel: its model_index.json names no pipeline (`_class_name`)."),
        ("{}", "rel: its model_index.json names no pipeline (`_class_name`)."),
        ('{"_class_name": "DDPMPipeline"}', "rel cannot be loaded: Pipeline <class"),
    ],
)
def test_a_wrong_index_is_refused(release, index, message):
    (release / "model_index.json").write_text(index)
    assert error_of(release).startswith(message)


def test_a_pipeline_that_fails_is_one_sentence(release):
    change_json(release / "unet" / "config.json", num_class_embeds=3)
    change_weights(release, lambda weights: weights.update({"class_embedding.weight": torch.zeros(3, 32)}))
    assert error_of(release) == (
        "rel: its pipeline makes no images: class_labels should be provided when doing class conditioning."
    )


# ------------------------------------------------------------------ by name


def test_a_release_is_loaded_by_its_folder(tiny_ddpm, capfd):
    images = load_images(str(tiny_ddpm), num_images=4, seed=2)
    np.testing.assert_array_equal(images.read(range(4)), GeneratedImages(tiny_ddpm, 4, 2).read(range(4)))
    assert "it/s" not in capfd.readouterr().err  # no progress bars
    with pytest.raises(UserError, match=r"is a generator: say how many images to generate with --num_images\.$"):
        load_images(str(tiny_ddpm))


def test_the_bars_of_diffusers_come_back(tiny_ddpm):
    GeneratedImages(tiny_ddpm, 1, 0)
    assert diffusers.utils.logging.is_progress_bar_enabled()
