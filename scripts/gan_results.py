"""Train every kind of GAN on the same budget of images, and write what they reach into docs/gan-results.md.

    python -m scripts.gan_results run digits runs/gan-results
    python -m scripts.gan_results run mnist runs/gan-results --train_data train-images-idx3-ubyte.gz \\
        --test_data t10k-images-idx3-ubyte.gz --only dcgan,sngan --seeds 1,2,3
    python -m scripts.gan_results write runs/gan-results docs

`run` trains the variants one after the other, each in a process of its own: on the digits with the recipes' defaults,
on other data with the presets in recipes/configs that bear its name. What has a release is not trained again, and what
has a checkpoint continues from it, so it can be stopped and started. Several can share the folder.

`write` reads the releases alone. It renews what stands between `<!-- table:NAME -->` and `<!-- /table:NAME -->` in
gan-results.md, leaves the text around it as it is, and draws images/gan-NAME.png and images/gan-NAME-curves.png. Rows
stand in one table only where hardware, precision, budget, data and extractor are the same.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import shutil
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from hfloop.errors import UserError, exit_on_user_error, nearest
from hfloop.files import write_text
from hfloop.metrics.results import readable

RECIPES = Path(__file__).parent.parent / "recipes"
CONFIGS = RECIPES / "configs"
PAGE = "gan-results.md"
HEADER = (
    "variant",
    "seed",
    "images",
    "FD",
    "KID",
    "precision",
    "recall",
    "confidence",
    "rarest class",
    "asked class",
    "parameters of G",
    "training, s",
)
LINE_WIDTH = 119
SAMPLE_ROWS, SAMPLE_COLUMNS = 6, 10  # of each variant; a column is a class, of which all these data sets have ten
PANELS_IN_A_ROW = 3
MARGIN, TITLE_HEIGHT, TITLE_SIZE = 24, 40, 24  # pixels


@dataclass(frozen=True)
class Variant:
    """A recipe, the flags that make it this variant, and how it is shown; relatives have one colour."""

    recipe: str
    title: str
    colour: str
    flags: tuple[str, ...] = ()


VARIANTS = {
    "gan": Variant("gan", "GAN", "#222222"),
    "dcgan": Variant("dcgan", "DCGAN", "#0072B2"),
    "dcgan-resize": Variant("dcgan", "DCGAN, resize", "#0072B2", ("--upsample", "resize")),
    "sngan": Variant("sngan", "SNGAN", "#E69F00"),
    "wgan_gp": Variant("wgan_gp", "WGAN-GP", "#009E73"),
    "wgan-clip": Variant("wgan_gp", "WGAN, clip", "#009E73", ("--lipschitz", "clip")),
    "cgan": Variant("cgan", "CGAN", "#D55E00"),
    "cgan-projection": Variant("cgan", "CGAN, projection", "#D55E00", ("--conditioning", "projection")),
    "r3gan": Variant("r3gan", "R3GAN", "#CC79A7"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="train what is not trained yet")
    run_parser.add_argument("dataset", help="digits, or the end of the presets' names, such as mnist")
    run_parser.add_argument("runs", type=Path, help="folder of all runs")
    run_parser.add_argument("--train_data", help="in the preset's place; see `recipes/gan.py --help`")
    run_parser.add_argument("--test_data", help="the same")
    run_parser.add_argument("--only", default=",".join(VARIANTS), help="variants, parted by commas; default: all")
    run_parser.add_argument("--seeds", type=numbers, default=[42], help="parted by commas; default: 42")
    run_parser.add_argument("--num_train_epochs", type=int, help="budget of every variant, in the preset's place")
    write_parser = commands.add_parser("write", help="write tables and pictures of what is trained")
    write_parser.add_argument("runs", type=Path)
    write_parser.add_argument("docs", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "write":
        write(arguments.runs, arguments.docs)
        return
    names = ("train_data", "test_data", "num_train_epochs")
    chosen = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    run(arguments.dataset, arguments.runs / arguments.dataset, arguments.only.split(","), arguments.seeds, chosen)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


# -------------------------------------------------------------------------------------------------------- run


def run(dataset: str, folder: Path, names: Sequence[str], seeds: Sequence[int], chosen: Mapping[str, Any]) -> None:
    """Train every variant with every seed, each in a folder of its own below `folder`.

    Args:
        dataset: `digits`, or what the presets are named by.
        folder: of the runs on this data set.
        names: of the variants.
        seeds: one run of each variant for each.
        chosen: settings of all recipes in the place of the presets'.

    Raises:
        UserError: no such variant or preset; a run failed, is going on elsewhere, or was made with other settings.
    """
    flags = {name: variant_flags(name, dataset) for name in names}
    settings = [part for name, value in chosen.items() for part in (f"--{name}", str(value))]
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for name in names:
            run_folder = folder / f"{name}-seed{seed}"
            finished = run_folder / "release" / "hfloop.json"
            if finished.exists():
                require_settings(read_facts(finished), run_folder, asked_for([*flags[name], *settings]))
            else:
                print(f"{run_folder.name}: training", flush=True)
                recipe = str(RECIPES / f"{VARIANTS[name].recipe}.py")
                train(run_folder, [sys.executable, recipe, *flags[name], *settings, "--seed", str(seed)])
            facts = read_facts(finished)
            distance = readable(figures(facts)["frechet_distance"]["generated"]["value"])
            print(f"{run_folder.name}: FD {distance}, {facts['training_seconds']:,.0f} s of training", flush=True)


def variant_flags(name: str, dataset: str) -> list[str]:
    """The preset of a variant, its own before its recipe's, and the flags that make it this variant."""
    if name not in VARIANTS:
        raise UserError(f"--only {name}: no such variant{nearest(name, VARIANTS)}: there are {', '.join(VARIANTS)}.")
    variant = VARIANTS[name]
    if dataset == "digits":
        return list(variant.flags)
    own = f"{variant.recipe}-{name.rpartition('-')[2]}"  # such as wgan_gp-clip
    presets = [CONFIGS / f"{stem}-{dataset}.yaml" for stem in (own, variant.recipe)]
    found = next((preset for preset in presets if preset.exists()), None)
    if found is None:
        raise UserError(f"{presets[-1].name} is missing in recipes/configs, so {name} cannot be trained on {dataset}.")
    return ["--config", str(found), *variant.flags]


def train(folder: Path, command: list[str]) -> None:
    """Run a recipe to its end, from its last checkpoint if there is one; all that it says goes into a log beside."""
    log = folder.with_name(f"{folder.name}.log")
    with log.open("a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the recipe shares it, and outlives this script
        except BlockingIOError:
            raise UserError(f"{folder.name} is being trained already; leave it out with --only, or wait.") from None
        if any((folder / "checkpoints").glob("step-*")):
            command = [*command, "--resume_from_checkpoint", "latest"]
        else:
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed before its first checkpoint
        exit_code = play([*command, "--output_dir", str(folder)], stream)
    if exit_code:
        said = log.read_text(encoding="utf-8").strip().splitlines() or ["it said nothing"]
        reason = said[-1].removeprefix("error: ").rstrip(".")
        raise UserError(f"{folder.name} ended with exit code {exit_code}: {reason} (log: {log}).")


def play(command: list[str], log: IO[str]) -> int:
    """The exit code of a process that writes into `log`; one that is interrupted with this script may save first."""
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        sys.exit(130)


def asked_for(flags: Sequence[str]) -> dict[str, str]:
    """What a preset and flags say, by the settings' names."""
    settings: dict[str, str] = {}
    for flag, value in zip(flags[::2], flags[1::2], strict=True):
        if flag == "--config":
            settings |= yaml.load(Path(value).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
        else:
            settings[flag.removeprefix("--")] = value
    return settings


def require_settings(facts: Mapping[str, Any], folder: Path, asked: Mapping[str, str]) -> None:
    """Refuse a finished run that other settings made; where its data came from does not count."""
    for name, value in asked.items():
        trained = facts["config"][name]
        if name not in ("train_data", "test_data") and value != str(trained) and not same_number(value, trained):
            raise UserError(
                f"{folder.name} was trained with --{name} {trained}, not {value}: ask for the same, name another "
                "folder, or delete it to train it anew."
            )


def same_number(text: str, value: Any) -> bool:
    try:
        return isinstance(value, int | float) and float(text) == value
    except ValueError:
        return False


# ------------------------------------------------------------------------------------------------ what is there


@dataclass(frozen=True)
class Setting:
    """What the rows of one table have in common, so that they compare."""

    device: str
    processes: int
    threads: int
    mixed_precision: str
    num_train_epochs: int
    max_train_steps: int | None
    train_images: int
    train_sha256: str
    test_images: int
    test_sha256: str
    generated_images: int
    extractor: str
    extractor_sha256: str

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Setting:
        """Of a release's hfloop.json."""
        splits, report = facts["data"]["splits"], facts["report"]
        return cls(
            **facts["hardware"],
            num_train_epochs=facts["config"]["num_train_epochs"],
            max_train_steps=facts["config"]["max_train_steps"],
            train_images=splits["train"]["images"],
            train_sha256=splits["train"]["sha256"],
            test_images=splits["test"]["images"],
            test_sha256=splits["test"]["sha256"],
            generated_images=report["images"]["generated"],
            extractor=report["extractor"],
            extractor_sha256=report["extractor_sha256"],
        )


@dataclass(frozen=True)
class Trained:
    """A release, and what its hfloop.json holds."""

    folder: Path
    facts: Mapping[str, Any]

    @property
    def seed(self) -> int:
        return self.facts["report"]["seed"]


Group = dict[str, list[Trained]]
"""The releases of each variant, by seed; all of one setting."""


def read_facts(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def figures(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures of a release by the names of their metrics, without the extractor's."""
    return {figure["metric"].partition("/")[0]: figure for figure in facts["report"]["figures"]}


def groups(folder: Path) -> dict[Setting, Group]:
    """All releases below the folder of a data set by what makes them compare, the most variants first."""
    found: dict[Setting, Group] = defaultdict(dict)
    for name in VARIANTS:
        releases = [
            Trained(path.parent, read_facts(path)) for path in folder.glob(f"{name}-seed*/release/hfloop.json")
        ]
        for trained in sorted(releases, key=lambda each: each.seed):
            found[Setting.of(trained.facts)].setdefault(name, []).append(trained)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0].device, -item[0].num_train_epochs)))


# ------------------------------------------------------------------------------------------------------ write


def write(runs: Path, docs: Path) -> None:
    """Renew the tables in docs/gan-results.md, and the pictures.

    Raises:
        UserError: there is no release, or a table in the page has no end.
    """
    found = {folder.name: groups(folder) for folder in sorted(runs.iterdir())} if runs.is_dir() else {}
    if not any(found.values()):
        raise UserError(f"{runs} holds no release yet: train some with `python -m scripts.gan_results run`.")
    page = docs / PAGE
    text = page.read_text(encoding="utf-8") if page.exists() else "# What the GANs reach\n"
    (docs / "images").mkdir(parents=True, exist_ok=True)
    for dataset, its_groups in found.items():
        if its_groups:
            text = with_block(text, dataset, "\n\n".join(sections(dataset, its_groups, docs)))
    write_text(page, text)
    print(page)


def sections(dataset: str, its_groups: Mapping[Setting, Group], docs: Path) -> Iterator[str]:
    """For each group the links to its pictures, which are drawn here, its caption and its table."""
    for number, (setting, group) in enumerate(its_groups.items(), start=1):
        name = f"gan-{dataset}" + (f"-{number}" if number > 1 else "")
        draw_samples(group, docs / "images" / f"{name}.png")
        draw_curves(group, docs / "images" / f"{name}-curves.png")
        yield f"![Samples of each variant, {dataset}](images/{name}.png)"
        yield textwrap.fill(caption(setting, group), LINE_WIDTH, break_on_hyphens=False)
        yield table(group)
        yield f"![Fréchet distance over training, {dataset}](images/{name}-curves.png)"


def with_block(text: str, dataset: str, block: str) -> str:
    """`text` with what stands between the marks of a data set renewed; where there are none, with a new section."""
    first, last = f"<!-- table:{dataset} -->", f"<!-- /table:{dataset} -->"
    if first not in text:
        return f"{text.rstrip()}\n\n## {dataset}\n\n{first}\n\n{block}\n\n{last}\n"
    before, _, rest = text.partition(first)
    if last not in rest:
        raise UserError(f"{PAGE} has {first} without {last} after it: put it where the table ends.")
    return f"{before}{first}\n\n{block}\n\n{last}{rest.partition(last)[2]}"


def caption(setting: Setting, group: Group) -> str:
    """On what machine the rows were made, from how many images, and what the figures are."""
    facts = next(iter(group.values()))[0].facts
    classes, distance = facts["report"]["classes"], figures(facts)["frechet_distance"]
    processes = "1 process" if setting.processes == 1 else f"{setting.processes} processes"
    threads = "1 thread" if setting.threads == 1 else f"{setting.threads} threads"
    budget = setting.num_train_epochs * setting.train_images
    at_most = "" if setting.max_train_steps is None else f", but in {setting.max_train_steps:,} steps at most"
    sentences = [
        f"{setting.device}, {processes} with {threads}, mixed precision: {setting.mixed_precision}.",
        f"Budget: {setting.num_train_epochs:,} passes over {setting.train_images:,} training images, so each "
        f"discriminator is shown {budget:,}, to the next whole step{at_most}.",
        f"Figures: {setting.generated_images:,} generated images against {setting.test_images:,} test images, as "
        f"{setting.extractor} sees them; the floor has {facts['report']['floor']} in the generated ones' place.",
        f"± of FD: {distance['generated']['uncertainty_kind']}.",
        "Seconds are those of the clock, with the evaluations on the way and whatever else the machine did meanwhile.",
    ]
    if any(len(releases) > 1 for releases in group.values()):
        sentences.append("Of several seeds: the mean (smallest to largest).")
    if classes:
        sentences.append(
            f"Of real test images the classifier is sure to {percent(classes['mean_confidence']['real'])}, recognises "
            f"the label of {percent(classes['label_share'])}, and the rarest class has "
            f"{percent(min(classes['shares']['real']))}."
        )
    return " ".join(sentences)


def table(group: Group) -> str:
    """The floor, the variants, and noise, as a Markdown table."""
    by_seed = {trained.seed: trained for releases in group.values() for trained in releases}
    bounds = [by_seed[seed] for seed in sorted(by_seed)]  # they depend on nothing but data and seed
    rows = [
        ["real images (floor)", *bound_cells(bounds, "floor")],
        *([VARIANTS[name].title, *variant_cells(releases)] for name, releases in group.items()),
        ["noise (ceiling)", *bound_cells(bounds, "ceiling")],
    ]
    lines = [list(HEADER), ["---", *["---:"] * (len(HEADER) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def variant_cells(releases: Sequence[Trained]) -> list[str]:
    """Everything right of a variant's name."""
    every = [trained.facts for trained in releases]
    classes = [facts["report"]["classes"] for facts in every]
    asked = [each and each["asked_class_share"] for each in classes]
    return [
        ", ".join(str(trained.seed) for trained in releases),
        f"{every[0]['curve'][-1]['images']:,}",
        *figure_cells(releases, "generated"),
        over_seeds([each and each["mean_confidence"]["generated"] for each in classes], percent),
        over_seeds([each and min(each["shares"]["generated"]) for each in classes], percent),
        over_seeds(asked, percent),
        f"{every[0]['generator']['parameters']:,}",
        over_seeds([facts["training_seconds"] for facts in every], "{:,.0f}".format),
    ]


def bound_cells(bounds: Sequence[Trained], side: str) -> list[str]:
    """The cells of the floor or of the ceiling: figures alone."""
    cells = ["", "", *figure_cells(bounds, side)]
    return cells + [""] * (len(HEADER) - 1 - len(cells))


def figure_cells(releases: Sequence[Trained], side: str) -> list[str]:
    """FD, KID, precision, recall."""
    measured = [
        [figures(trained.facts)[metric][side] for trained in releases]
        for metric in ("frechet_distance", "kernel_distance", "precision", "recall")
    ]
    distances, kernels, *shares = ([each["value"] for each in its_measured] for its_measured in measured)
    error = f" ± {readable(measured[0][0]['uncertainty'])}" if len(releases) == 1 else ""
    return [
        over_seeds(distances, readable) + error,
        over_seeds(kernels, readable),
        *(over_seeds(share, "{:.3f}".format) for share in shares),
    ]


def over_seeds(values: Sequence[float | None], shown: Callable[[float], str]) -> str:
    """The value of one seed; of several the mean and, in parentheses, the range; a dash where there is none."""
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        return "–"
    mean = shown(math.fsum(numbers) / len(numbers))
    return mean if len(numbers) == 1 else f"{mean} ({shown(min(numbers))} to {shown(max(numbers))})"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


# --------------------------------------------------------------------------------------------------- pictures


def draw_samples(group: Group, path: Path) -> None:
    """What each variant makes of its first seed, side by side, with its name and its distance."""
    from PIL import Image, ImageDraw, ImageFont

    from hfloop.gan.pictures import image_grid
    from hfloop.gan.pipelines import open_pipeline
    from hfloop.images.generated import GeneratedImages

    count, panels = SAMPLE_ROWS * SAMPLE_COLUMNS, []
    for name, (first, *_) in group.items():
        images = GeneratedImages(first.folder, count, first.seed, open_pipeline=open_pipeline)
        distance = readable(figures(first.facts)["frechet_distance"]["generated"]["value"])
        panels.append((VARIANTS[name].title, f"FD {distance}", image_grid(images.read(range(count)), SAMPLE_COLUMNS)))
    grid_width, grid_height = panels[0][2].size
    columns = min(PANELS_IN_A_ROW, len(panels))
    width, height = grid_width + MARGIN, grid_height + TITLE_HEIGHT + MARGIN
    size = MARGIN + columns * width, math.ceil(len(panels) / columns) * height + MARGIN
    picture = Image.new(panels[0][2].mode, size, "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(TITLE_SIZE)
    for number, (title, distance, grid) in enumerate(panels):
        left, top = MARGIN + number % columns * width, MARGIN // 2 + number // columns * height
        base = top + TITLE_HEIGHT - 10
        pen.text((left, base), title, fill="#222222", font=font, anchor="ls")
        pen.text((left + grid_width, base), distance, fill="#707070", font=font, anchor="rs")
        picture.paste(grid, (left, top + TITLE_HEIGHT))
    picture.save(path, optimize=True)


def draw_curves(group: Group, path: Path) -> None:
    """The distance over the images seen, a line a variant: over several seeds the mean, with the range as a band."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    lines = {name: mean_and_range(releases) for name, releases in group.items()}
    figure = Figure(figsize=(7.5, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    for name in sorted(lines, key=lambda name: lines[name][-1][1], reverse=True):  # the legend as the lines end
        variant = VARIANTS[name]
        seen, mean, least, most = zip(*lines[name], strict=True)
        style = "--" if variant.flags else "-"
        axes.plot(seen, mean, style, marker="o", markersize=3, color=variant.colour, label=variant.title)
        axes.fill_between(seen, least, most, color=variant.colour, alpha=0.15, linewidth=0)
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.set_xlabel("training images that the discriminator was shown")
    axes.set_ylabel("Fréchet distance to the training images")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E3E3E3", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside right upper", frameon=False)
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})


def mean_and_range(releases: Sequence[Trained]) -> list[tuple[int, float, float, float]]:
    """At every evaluation: images seen, and the mean, the least and the largest distance of all seeds."""
    at: dict[int, list[float]] = defaultdict(list)
    for trained in releases:
        for row in trained.facts["curve"]:
            at[row["images"]].append(row["frechet_distance"])
    return [(seen, math.fsum(values) / len(values), min(values), max(values)) for seen, values in at.items()]


if __name__ == "__main__":
    exit_on_user_error(main)
