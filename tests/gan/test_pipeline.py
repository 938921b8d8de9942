from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.pipelines.pipeline_utils import ImagePipelineOutput
from PIL import Image

from hfloop.gan.networks import network_class
from hfloop.gan.pipeline import GANPipeline


def pipeline_of(name="DCGANGenerator", **config):
    torch.manual_seed(0)
    config = {"image_size": 16, "base_channels": 8, "latent_dim": 6, **config}
    generator = network_class(name)(**config)
    labels = torch.arange(64) % config["num_classes"] if config.get("num_classes") else None
    generator(torch.randn(64, 6), labels)  # batch statistics to evaluate with
    for parameter in generator.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return GANPipeline(generator)


def generators(count, first=0):
    return [torch.Generator().manual_seed(first + number) for number in range(count)]


@pytest.fixture
def plain():
    return pipeline_of()


@pytest.fixture
def conditional():
    return pipeline_of(num_classes=3, conditioning="projection")


def arrays(pipeline, count, **arguments):
    arguments.setdefault("generator", torch.Generator().manual_seed(5))
    return pipeline(count, output_type="np", **arguments).images


# ------------------------------------------------------------------ what comes out


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_the_three_output_types_are_the_same_images(channels, mode):
    pipeline = pipeline_of(channels=channels)

    def made(output_type):
        return pipeline(num_images=3, generator=torch.Generator().manual_seed(1), output_type=output_type).images

    fractions, tensors, pictures = made("np"), made("pt"), made("pil")
    assert (fractions.shape, fractions.dtype) == ((3, 16, 16, channels), np.float32)
    assert 0 <= fractions.min() < 0.5 < fractions.max() <= 1
    assert (tensors.shape, tensors.dtype) == ((3, channels, 16, 16), torch.float32)
    np.testing.assert_array_equal(tensors.permute(0, 2, 3, 1).numpy(), fractions)
    assert [type(picture) for picture in pictures] == [Image.Image] * 3
    assert {picture.mode for picture in pictures} == {mode}
    expected = np.round(fractions * 255).astype(np.uint8)
    np.testing.assert_array_equal(
        np.stack([np.asarray(each).reshape(16, 16, channels) for each in pictures]), expected
    )


def test_one_picture_comes_by_default(plain):
    output = plain()
    assert isinstance(output, ImagePipelineOutput)
    assert [picture.size for picture in output.images] == [(16, 16)]
    (images,) = plain(return_dict=False)
    assert len(images) == 1


def test_images_are_those_of_the_network_in_evaluation_mode_and_the_mode_stays(plain):
    latents = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    plain.generator.train()
    images = plain(4, latents=latents, output_type="pt").images
    assert all(module.training for module in plain.generator.modules())
    assert not images.requires_grad
    torch.testing.assert_close(images, plain.generator.eval()(latents) / 2 + 0.5)
    plain(4)
    assert not plain.generator.training


# ------------------------------------------------------------------ noise


def test_the_seed_decides_the_images(plain):
    one, same, other = (arrays(plain, 4, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


def test_without_a_generator_the_global_seed_decides(plain):
    torch.manual_seed(3)
    one = arrays(plain, 2, generator=None)
    torch.manual_seed(3)
    np.testing.assert_array_equal(one, arrays(plain, 2, generator=None))


def test_with_a_generator_for_each_image_an_image_does_not_depend_on_the_others(conditional):
    together = arrays(conditional, 7, generator=generators(7), class_labels=1)
    pairs = [
        arrays(conditional, count, generator=generators(count, first), class_labels=1)
        for first, count in ((0, 1), (1, 4), (5, 2))
    ]
    np.testing.assert_allclose(np.concatenate(pairs), together, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 0.01


def test_latents_of_ones_own_are_used(plain):
    latents = torch.randn(3, 6, generator=torch.Generator().manual_seed(5))
    np.testing.assert_array_equal(arrays(plain, 3, latents=latents), arrays(plain, 3))


# ------------------------------------------------------------------ classes


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, [0, 1, 2, 0, 1]),
        (2, [2, 2, 2, 2, 2]),
        ([2, 0, 1, 1, 0], [2, 0, 1, 1, 0]),
        (torch.tensor([0, 0, 1, 2, 2], dtype=torch.int32), [0, 0, 1, 2, 2]),
        (np.int64(1), [1, 1, 1, 1, 1]),
    ],
)
def test_class_labels_are_one_for_all_or_one_for_each_or_all_classes_in_turn(conditional, given, meant):
    latents = torch.randn(5, 6, generator=torch.Generator().manual_seed(4))
    expected = conditional.generator.eval()(latents, torch.tensor(meant)).detach() / 2 + 0.5
    found = conditional(5, class_labels=given, latents=latents, output_type="pt").images
    torch.testing.assert_close(found, expected)


def test_the_class_is_seen_in_the_image(conditional):
    one, other = (arrays(conditional, 1, class_labels=label) for label in (0, 1))
    assert np.abs(one - other).max() > 0.01


def test_names_of_classes_are_kept_by_number():
    generator = pipeline_of(num_classes=2).generator
    assert GANPipeline(generator, {"0": "zero", "1": "one"}).id2label == {0: "zero", 1: "one"}
    assert GANPipeline(generator).id2label == {}


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"num_images": 0}, "num_images must be at least 1, not 0."),
        ({"output_type": "jpeg"}, "output_type must be 'pil', 'np' or 'pt', not 'jpeg'."),
        ({"num_images": 2, "generator": generators(3)}, "generator must be one or 2, one for each image, not 3."),
        ({"num_images": 2, "latents": torch.zeros(3, 6)}, "latents must have the shape (2, 6), not (3, 6)."),
        ({"latents": torch.zeros(1, 5)}, "latents must have the shape (1, 6), not (1, 5)."),
        (
            {"num_images": 2, "class_labels": [0, 1, 2]},
            "class_labels must be one number or 2, one for each image, not of shape (3,).",
        ),
        ({"class_labels": 3}, "class_labels must lie from 0 to 2, but 3 is among them."),
        ({"num_images": 2, "class_labels": [0, -1]}, "class_labels must lie from 0 to 2, but -1 is among them."),
        ({"class_labels": 1.5}, "class_labels must be whole numbers, not torch.float32."),
        ({"class_labels": True}, "class_labels must be whole numbers, not torch.bool."),
        ({"class_labels": ["seven"]}, "class_labels must be whole numbers, not ['seven']."),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_one_sentence(conditional, arguments, sentence):
    with pytest.raises(ValueError) as caught:
        conditional(**arguments)
    assert str(caught.value) == sentence


def test_a_generator_without_classes_wants_none(plain):
    with pytest.raises(ValueError, match=r"^class_labels must be left out, as this generator knows no classes\.$"):
        plain(class_labels=0)
