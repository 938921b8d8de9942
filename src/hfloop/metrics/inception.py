"""The Inception network of the original Fréchet Inception distance, through torch-fidelity."""

from __future__ import annotations

import http.client
import io
import sys
from pathlib import Path

import torch
from torch import Tensor

from hfloop.errors import UserError
from hfloop.files import sha256_of_file
from hfloop.metrics.features import INCEPTION, FeatureExtractor, as_colour

WEIGHTS_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
WEIGHTS_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


class InceptionExtractor(FeatureExtractor):
    """Inception v3 as TensorFlow published it in 2015, in torch-fidelity's translation.

    The features are its 2,048 pooled activations (FID, Heusel et al. 2017); the class probabilities are those of its
    1,008 outputs without their biases, which torch-fidelity's inception score uses.

    Args:
        device: where to compute.

    Raises:
        UserError: torch-fidelity is not installed, or the weights cannot be had.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError:
            raise UserError('the extractor inception needs torch-fidelity: pip install "hfloop[inception]".') from None
        self.name = INCEPTION
        self.dimension = 2048
        self.classes = tuple(str(number) for number in range(1008))
        self.sha256 = WEIGHTS_SHA256
        self.device = torch.device(device)
        self.image_pipeline = (
            "gray repeated to three channels, resized to 299×299 (torch-fidelity's copy of TensorFlow 1's bilinear, "
            "without antialiasing, in float32), less 128, divided by 128"
        )
        self.network = FeatureExtractorInceptionV3(
            INCEPTION, ["2048", "logits_unbiased"], feature_extractor_weights_path=_tensors_alone(inception_weights())
        ).to(self.device)

    def _features(self, images: Tensor) -> Tensor:
        return self.network(as_colour(images))[0]

    def _logits(self, images: Tensor) -> Tensor:
        return self.network(as_colour(images))[1]


def inception_weights() -> Path:
    """The file of the weights in torch's cache, downloaded first where it is missing.

    Raises:
        UserError: it cannot be downloaded, or what lies there is another file.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_URL.rpartition("/")[2]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(WEIGHTS_URL, str(path), progress=sys.stderr.isatty())
        except (OSError, http.client.HTTPException) as error:
            raise UserError(
                f"the weights of inception cannot be downloaded ({error}); fetch {WEIGHTS_URL} and put it at {path}."
            ) from None
    found = sha256_of_file(path)
    if found != WEIGHTS_SHA256:
        raise UserError(f"{path} has sha256 {found}, not {WEIGHTS_SHA256}; delete it and fetch {WEIGHTS_URL} again.")
    return path


def _tensors_alone(path: Path) -> io.BytesIO:
    """A pickle of the tensors in `path` and of nothing else: torch-fidelity unpickles whatever it is given."""
    weights = torch.load(path, map_location="cpu", weights_only=True)
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    buffer.seek(0)
    return buffer
