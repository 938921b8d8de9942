"""How fast GANs train here, against the loop that one finds in tutorials, and whether bf16 costs quality.

python -m scripts.bench_gan speed train-images-idx3-ubyte.gz
python -m scripts.bench_gan precision --seeds 1 2 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset

from hfloop.errors import exit_on_user_error
from hfloop.gan.batches import TrainingImages
from hfloop.gan.config import GanConfig
from hfloop.gan.engine import Game, Rules
from hfloop.gan.losses import OBJECTIVES
from hfloop.gan.networks.modeling_hfloop_dcgan import DCGANDiscriminator, DCGANGenerator
from hfloop.images.generated import best_device
from hfloop.images.source import ImageSource
from hfloop.images.sources import load_images
from hfloop.run import Run

LATENT_DIM, BASE_CHANNELS = 100, 64
LEARNING_RATE, BETAS = 2e-4, (0.5, 0.999)
MOST_FILES = 20_000  # images that the ordinary loop reads from disk
RECIPE = Path(__file__).parent.parent / "recipes" / "dcgan.py"


class PngFiles(Dataset):
    """Images as files, each opened and decoded when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.png"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.paths[index]) as image:
            pixels = torch.from_numpy(np.array(image)).float().div(127.5).sub(1)
        return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def networks(images: ImageSource, upsample: str) -> tuple[nn.Module, nn.Module]:
    """The same DCGAN for both loops."""
    torch.manual_seed(0)
    shape = {"image_size": images.shape[1], "channels": images.shape[0], "base_channels": BASE_CHANNELS}
    return DCGANGenerator(**shape, latent_dim=LATENT_DIM, upsample=upsample), DCGANDiscriminator(**shape)


def ordinary_steps(images: ImageSource, folder: Path, batch_size: int, upsample: str) -> Iterator[None]:
    """The loop of pytorch/examples' DCGAN: a DataLoader with two workers, float32, five `.item()` a step."""
    for number, pixels in enumerate(images.read(range(min(len(images), MOST_FILES)))):
        shown = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
        Image.fromarray(shown).save(folder / f"{number:06d}.png")
    loader = DataLoader(PngFiles(folder), batch_size, shuffle=True, num_workers=2, drop_last=True)
    device = best_device()
    generator, discriminator = (network.to(device) for network in networks(images, upsample))
    criterion = nn.BCEWithLogitsLoss()
    optimizer_d = Adam(discriminator.parameters(), LEARNING_RATE, BETAS)
    optimizer_g = Adam(generator.parameters(), LEARNING_RATE, BETAS)
    ones, zeros = torch.ones(batch_size, device=device), torch.zeros(batch_size, device=device)
    while True:
        for decoded in loader:
            real = decoded.to(device)
            discriminator.zero_grad()
            logits_real = discriminator(real)
            loss_real = criterion(logits_real, ones)
            loss_real.backward()
            fake = generator(torch.randn(batch_size, LATENT_DIM, device=device))
            logits_fake = discriminator(fake.detach())
            loss_fake = criterion(logits_fake, zeros)
            loss_fake.backward()
            optimizer_d.step()
            generator.zero_grad()
            logits = discriminator(fake)
            loss = criterion(logits, ones)
            loss.backward()
            optimizer_g.step()
            shown = (loss_real + loss_fake, loss, logits_real.mean(), logits_fake.mean(), logits.mean())
            _ = [value.item() for value in shown]
            yield


def our_steps(images: ImageSource, folder: Path, batch_size: int, upsample: str, precision: str) -> Iterator[None]:
    """The engine of the recipes, with its logging, averaging and seeding."""
    config = GanConfig(
        output_dir=str(folder),
        per_device_train_batch_size=batch_size,
        mixed_precision=precision,  # type: ignore[arg-type]  # the command line lets only these through
        checkpointing_steps=10**9,
    )
    run = Run(config, recipe="bench")
    run.announce(images.name, images.fingerprint)
    generator, discriminator = networks(images, upsample)
    game = Game(
        run,
        TrainingImages(images, run.accelerator.device, config.seed),
        generator=generator,
        discriminator=discriminator,
        generator_optimizer=Adam(generator.parameters(), LEARNING_RATE, BETAS, fused=True),
        discriminator_optimizer=Adam(discriminator.parameters(), LEARNING_RATE, BETAS, fused=True),
        rules=Rules(OBJECTIVES["non_saturating"]),
        ema_decay=0.999,
    )
    for step in run.steps(10**9):
        game.step(step)
        yield


def wait_for_device() -> None:
    """An accelerator works behind the host, and only one loop waits for it by itself."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def speed(arguments: argparse.Namespace) -> None:
    """Images per second of both loops in turn, and their ratio."""
    images = load_images(arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "files"
        files.mkdir()
        loops: dict[str, Iterator[None]] = {
            "ordinary": ordinary_steps(images, files, arguments.batch_size, arguments.upsample),
            "hfloop": our_steps(
                images, Path(folder) / "run", arguments.batch_size, arguments.upsample, arguments.mixed_precision
            ),
        }
        rates: dict[str, list[float]] = {name: [] for name in loops}
        for name, loop in loops.items():
            for _ in range(10):
                next(loop)
            wait_for_device()
            sys.stdout.write(f"{name} is warm\n")
        for turn in range(arguments.rounds):
            for name, loop in loops.items():
                started = time.perf_counter()
                for _ in range(arguments.steps):
                    next(loop)
                wait_for_device()
                rates[name].append(arguments.steps * arguments.batch_size / (time.perf_counter() - started))
            ratio = rates["hfloop"][-1] / rates["ordinary"][-1]
            sys.stdout.write(
                f"{turn + 1}: ordinary {rates['ordinary'][-1]:,.0f} images/s, hfloop {rates['hfloop'][-1]:,.0f}, "
                f"{ratio:.2f} times\n"
            )
    ratios = [ours / theirs for ours, theirs in zip(rates["hfloop"], rates["ordinary"], strict=True)]
    sys.stdout.write(
        f"median {statistics.median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f}), "
        f"{torch.get_num_threads()} threads\n"
    )


def precision(arguments: argparse.Namespace) -> None:
    """The Fréchet distance of the DCGAN recipe on the digits with and without bf16, over seeds."""
    for kind in ("no", "bf16"):
        found = []
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder:
                run = Path(folder) / "run"
                line = [sys.executable, str(RECIPE), f"--mixed_precision={kind}", f"--seed={seed}"]
                subprocess.run([*line, f"--output_dir={run}", *arguments.flags], check=True, stderr=subprocess.DEVNULL)
                facts = json.loads((run / "release" / "hfloop.json").read_text(encoding="utf-8"))
            found.append((facts["report"]["figures"][0]["generated"]["value"], facts["training_seconds"]))
        distances = [distance for distance, _ in found]
        sys.stdout.write(
            f"mixed precision {kind:<5} Fréchet distance {statistics.mean(distances):.3f} "
            f"({', '.join(f'{distance:.3f}' for distance in distances)}), "
            f"{statistics.mean(seconds for _, seconds in found):.0f} s\n"
        )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    fast = commands.add_parser("speed", help=speed.__doc__)
    fast.add_argument("data", help="images of 16 to 64 pixels, as `hfloop metrics` names them")
    fast.add_argument("--batch_size", type=int, default=64)
    fast.add_argument("--upsample", choices=["transposed", "resize"], default="transposed")
    fast.add_argument("--mixed_precision", choices=["auto", "no", "bf16"], default="auto")
    fast.add_argument("--steps", type=int, default=20, help="of each loop in a round")
    fast.add_argument("--rounds", type=int, default=5)
    fast.set_defaults(command=speed)
    good = commands.add_parser("precision", help=precision.__doc__)
    good.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    good.add_argument("--flags", nargs=argparse.REMAINDER, default=[], help="further flags of recipes/dcgan.py")
    good.set_defaults(command=precision)
    arguments = parser.parse_args()
    command: Callable[[argparse.Namespace], None] = arguments.command
    command(arguments)


if __name__ == "__main__":
    exit_on_user_error(main)
