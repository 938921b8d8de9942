from __future__ import annotations

import fcntl
import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from gan.small_release import small_release, written
from PIL import Image

from hfloop.errors import UserError
from hfloop.gan.pictures import image_grid
from hfloop.gan.pipelines import open_pipeline
from hfloop.images.generated import GeneratedImages

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "gan_results.py"
spec = importlib.util.spec_from_file_location("gan_results", SCRIPT)
gan_results = importlib.util.module_from_spec(spec)
sys.modules["gan_results"] = gan_results
spec.loader.exec_module(gan_results)

RECIPE = """
import json, pathlib, shutil, sys
flags = sys.argv[1:]
run = pathlib.Path(flags[flags.index("--output_dir") + 1])
fails = pathlib.Path(__file__).with_name("fails")
if fails.exists():
    print("device: a processor\\nerror: loss is nan at step 3: training has diverged.")
    sys.exit(2)
if run.exists() and "--resume_from_checkpoint" not in flags:
    print("error: there is a run already.")
    sys.exit(2)
shutil.copytree(pathlib.Path(__file__).with_name("release"), run / "release")
(run / "flags.json").write_text(json.dumps(flags))
"""


@pytest.fixture(scope="module")
def releases(tmp_path_factory) -> dict[str, Path]:
    """A release of a GAN, and one of a GAN that knows classes."""
    folder = tmp_path_factory.mktemp("releases")
    kinds = {"plain": None, "conditional": 10}
    for name, num_classes in kinds.items():
        written(folder / name, small_release(folder, num_classes))
        edited(folder / name, lambda facts: facts["config"].update(num_train_epochs=2, max_train_steps=None))
    return {name: folder / name for name in kinds}


@pytest.fixture
def recipes(tmp_path, releases, monkeypatch) -> Path:
    """Recipes that take no time: what they were told is in the run's flags.json."""
    folder = tmp_path / "recipes"
    (folder / "configs").mkdir(parents=True)
    for variant in gan_results.VARIANTS.values():
        (folder / f"{variant.recipe}.py").write_text(RECIPE)
    shutil.copytree(releases["plain"], folder / "release")
    monkeypatch.setattr(gan_results, "RECIPES", folder)
    monkeypatch.setattr(gan_results, "CONFIGS", folder / "configs")
    return folder


@pytest.fixture
def runs(tmp_path) -> Path:
    return tmp_path / "runs"


def edited(release: Path, edit) -> None:
    """Change what a release's hfloop.json holds."""
    path = release / "hfloop.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    edit(facts)
    path.write_text(json.dumps(facts), encoding="utf-8")


def trained(release: Path, runs: Path, name: str, dataset: str = "digits", edit=lambda facts: None) -> dict:
    """Put a copy of a release where the script would have trained it; its hfloop.json."""
    folder = runs / dataset / name / "release"
    shutil.copytree(release, folder)
    edited(folder, edit)
    return json.loads((folder / "hfloop.json").read_text(encoding="utf-8"))


def called(monkeypatch, *flags: object) -> None:
    monkeypatch.setattr(sys, "argv", ["gan_results", *map(str, flags)])
    gan_results.main()


def told(folder: Path) -> list[str]:
    """The flags that a recipe was started with."""
    return json.loads((folder / "flags.json").read_text())


def tables(page: Path) -> list[dict[str, dict[str, str]]]:
    """Every table of a page: the cells of each row by the first cell and by the heads of the columns."""
    found = []
    for lines in re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.M):
        head, _, *rows = ([cell.strip() for cell in line.strip("|\n").split("|")] for line in lines.splitlines())
        found.append({row[0]: dict(zip(head, row, strict=True)) for row in rows})
    return found


def test_every_variant_is_trained_with_its_flags_and_the_recipes_defaults(recipes, runs, monkeypatch):
    called(monkeypatch, "run", "digits", runs)
    assert {folder.name for folder in (runs / "digits").iterdir() if folder.is_dir()} == {
        f"{name}-seed42" for name in gan_results.VARIANTS
    }
    folder = runs / "digits" / "wgan-clip-seed42"
    assert told(folder) == ["--lipschitz", "clip", "--seed", "42", "--output_dir", str(folder)]


def test_what_is_finished_is_not_trained_again_and_what_stopped_goes_on(recipes, runs, monkeypatch, capsys):
    stopped, unsaved = runs / "digits" / "dcgan-seed42", runs / "digits" / "sngan-seed42"
    (stopped / "checkpoints" / "step-20").mkdir(parents=True)
    unsaved.mkdir(parents=True)
    (unsaved / "config.yaml").touch()  # killed before its first checkpoint
    called(monkeypatch, "run", "digits", runs, "--only", "gan,dcgan,sngan")
    assert told(stopped)[-4:] == ["--resume_from_checkpoint", "latest", "--output_dir", str(stopped)]
    assert "--resume_from_checkpoint" not in told(unsaved)
    assert not (unsaved / "config.yaml").exists()
    capsys.readouterr()
    (recipes / "fails").touch()  # nothing may start now
    called(monkeypatch, "run", "digits", runs, "--only", "gan,dcgan,sngan")
    assert capsys.readouterr().out.count("FD ") == 3


def test_a_variant_takes_its_own_preset_before_its_recipes_and_settings_for_all_come_last(recipes, runs, monkeypatch):
    for name in ("wgan_gp-mnist", "cgan-mnist", "cgan-projection-mnist"):
        (recipes / "configs" / f"{name}.yaml").touch()
    own = ["run", "mnist", runs, "--only", "wgan-clip,cgan-projection", "--seeds", "1,2"]
    called(monkeypatch, *own, "--train_data", "t.gz", "--test_data", "u.gz", "--num_train_epochs", "2")
    folder = runs / "mnist" / "wgan-clip-seed2"
    assert told(folder) == [
        *("--config", str(recipes / "configs" / "wgan_gp-mnist.yaml"), "--lipschitz", "clip"),
        *("--train_data", "t.gz", "--test_data", "u.gz", "--num_train_epochs", "2"),
        *("--seed", "2", "--output_dir", str(folder)),
    ]
    assert told(runs / "mnist" / "cgan-projection-seed1")[1] == str(recipes / "configs" / "cgan-projection-mnist.yaml")


def test_a_missing_preset_and_an_unknown_variant_are_named_before_anything_starts(recipes, runs, monkeypatch):
    (recipes / "configs" / "gan-mnist.yaml").touch()
    with pytest.raises(UserError, match=r"^sngan-mnist\.yaml is missing in recipes/configs, so sngan cannot be"):
        called(monkeypatch, "run", "mnist", runs, "--only", "gan,sngan")
    with pytest.raises(UserError, match=r"--only dcgan-resise: no such variant \(did you mean `dcgan-resize`\?\)"):
        called(monkeypatch, "run", "digits", runs, "--only", "dcgan-resise")
    assert not runs.exists()


def test_a_variant_that_fails_ends_everything_with_its_last_words_and_its_log(recipes, runs, monkeypatch):
    (recipes / "fails").touch()
    with pytest.raises(UserError) as failed:
        called(monkeypatch, "run", "digits", runs, "--only", "gan,dcgan")
    log = runs / "digits" / "gan-seed42.log"
    assert str(failed.value) == (
        f"gan-seed42 ended with exit code 2: loss is nan at step 3: training has diverged (log: {log})."
    )
    assert log.read_text().startswith("device: a processor\n")
    assert not (runs / "digits" / "dcgan-seed42.log").exists()


def test_a_variant_that_another_process_trains_is_left_alone(recipes, runs, monkeypatch):
    folder = runs / "digits" / "gan-seed42"
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    with (runs / "digits" / "gan-seed42.log").open("w") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        with pytest.raises(UserError, match=r"gan-seed42 is being trained already"):
            called(monkeypatch, "run", "digits", runs, "--only", "gan")
    assert (folder / "config.yaml").exists()


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        ("gan", ["--num_train_epochs", "3"], "--num_train_epochs 2, not 3"),
        ("dcgan-resize", ["--num_train_epochs", "2"], "--upsample transposed, not resize"),
    ],
)
def test_a_finished_run_of_other_settings_is_refused(recipes, runs, releases, monkeypatch, name, flags, said):
    transposed = lambda facts: facts["config"].update(upsample="transposed")  # noqa: E731 (as the others here)
    trained(releases["plain"], runs, f"{name}-seed42", edit=transposed)
    with pytest.raises(UserError, match=rf"{name}-seed42 was trained with {said}: ask for the same"):
        called(monkeypatch, "run", "digits", runs, "--only", name, *flags)


def test_the_table_says_what_the_releases_hold(runs, releases, tmp_path, monkeypatch):
    trained(releases["plain"], runs, "dcgan-seed42")
    facts = trained(releases["conditional"], runs, "cgan-seed42")
    called(monkeypatch, "write", runs, tmp_path / "docs")
    (table,) = tables(tmp_path / "docs" / "gan-results.md")
    assert list(table) == ["real images (floor)", "DCGAN", "CGAN", "noise (ceiling)"]
    figures = {figure["metric"].partition("/")[0]: figure for figure in facts["report"]["figures"]}
    for title, side in (("real images (floor)", "floor"), ("CGAN", "generated"), ("noise (ceiling)", "ceiling")):
        distance, error = (float(part.replace(",", "")) for part in table[title]["FD"].split(" ± "))
        assert distance == pytest.approx(figures["frechet_distance"][side]["value"], rel=1e-3)
        assert error == pytest.approx(figures["frechet_distance"][side]["uncertainty"], rel=1e-3)
        assert float(table[title]["KID"].replace(",", "")) == pytest.approx(
            figures["kernel_distance"][side]["value"], rel=1e-2
        )
        for name in ("precision", "recall"):
            assert float(table[title][name]) == pytest.approx(figures[name][side]["value"], abs=5e-4)
    row, classes = table["CGAN"], facts["report"]["classes"]
    assert (row["seed"], row["images"], row["training, s"]) == ("42", "3,840", "12")
    assert row["confidence"] == f"{100 * classes['mean_confidence']['generated']:.1f} %"
    assert row["rarest class"] == f"{100 * min(classes['shares']['generated']):.1f} %"
    assert row["asked class"] == f"{100 * classes['asked_class_share']:.1f} %"
    assert row["parameters of G"] == f"{facts['generator']['parameters']:,}"
    assert table["DCGAN"]["asked class"] == "–"


def test_several_seeds_are_one_row_with_mean_and_range(runs, releases, tmp_path, monkeypatch):
    def with_seed(seed: int, distance: float):
        def edit(facts):
            facts["report"]["seed"] = seed
            facts["report"]["figures"][0]["generated"]["value"] = distance

        return edit

    for seed, distance in ((10, 1.5), (9, 1.0), (8, 4.0)):
        trained(releases["plain"], runs, f"gan-seed{seed}", edit=with_seed(seed, distance))
    called(monkeypatch, "write", runs, tmp_path / "docs")
    (table,) = tables(tmp_path / "docs" / "gan-results.md")
    assert table["GAN"]["seed"] == "8, 9, 10"
    assert table["GAN"]["FD"] == "2.167 (1 to 4)"
    assert "the mean (smallest to largest)" in (tmp_path / "docs" / "gan-results.md").read_text()


@pytest.mark.parametrize(
    "edit",
    [
        lambda facts: facts["hardware"].update(device="A GPU"),
        lambda facts: facts["hardware"].update(mixed_precision="bf16"),
        lambda facts: facts["config"].update(num_train_epochs=3),
        lambda facts: facts["config"].update(max_train_steps=60),
        lambda facts: facts["data"]["splits"]["test"].update(sha256="other images"),
    ],
    ids=["device", "precision", "budget", "steps", "data"],
)
def test_rows_that_do_not_compare_stand_in_tables_of_their_own(edit, runs, releases, tmp_path, monkeypatch):
    trained(releases["plain"], runs, "gan-seed42")
    trained(releases["plain"], runs, "dcgan-seed42")
    trained(releases["plain"], runs, "sngan-seed42", edit=edit)
    called(monkeypatch, "write", runs, tmp_path / "docs")
    variants = [list(table)[1:-1] for table in tables(tmp_path / "docs" / "gan-results.md")]
    assert variants == [["GAN", "DCGAN"], ["SNGAN"]]
    assert {path.name for path in (tmp_path / "docs" / "images").iterdir()} == {
        f"gan-digits{end}.png" for end in ("", "-curves", "-2", "-2-curves")
    }


def test_the_text_around_the_tables_survives(runs, releases, tmp_path, monkeypatch):
    docs = tmp_path / "docs"
    docs.mkdir()
    page = docs / "gan-results.md"
    page.write_text("# Mine\n\nBefore.\n\n<!-- table:digits -->old<!-- /table:digits -->\n\nAfter.\n")
    trained(releases["plain"], runs, "gan-seed42")
    trained(releases["plain"], runs, "gan-seed42", dataset="mnist")
    called(monkeypatch, "write", runs, docs)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Mine\n\nBefore.\n\n<!-- table:digits -->\n\n![")
    assert "|\n\n![Fréchet distance over training, digits](images/gan-digits-curves.png)" in text
    assert "\n\n<!-- /table:digits -->\n\nAfter.\n\n## mnist\n\n<!-- table:mnist -->\n\n![" in text
    assert "old" not in text
    assert str(tmp_path) not in text
    before = {path.name: path.read_bytes() for path in docs.rglob("*.*")}
    called(monkeypatch, "write", runs, docs)
    assert {path.name: path.read_bytes() for path in docs.rglob("*.*")} == before


def test_a_table_without_an_end_and_a_folder_without_releases_are_named(runs, releases, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="holds no release yet"):
        called(monkeypatch, "write", runs, tmp_path)
    (tmp_path / "gan-results.md").write_text("<!-- table:digits -->\n\nmuch text")
    trained(releases["plain"], runs, "gan-seed42")
    with pytest.raises(UserError, match="has <!-- table:digits --> without <!-- /table:digits --> after it"):
        called(monkeypatch, "write", runs, tmp_path)
    assert (tmp_path / "gan-results.md").read_text().endswith("much text")


def test_the_picture_shows_what_each_release_makes_with_a_class_in_each_column(runs, releases, tmp_path, monkeypatch):
    trained(releases["plain"], runs, "gan-seed42")
    trained(releases["conditional"], runs, "cgan-seed42")
    called(monkeypatch, "write", runs, tmp_path / "docs")
    with Image.open(tmp_path / "docs" / "images" / "gan-digits.png") as opened:
        picture = np.asarray(opened)
    left = gan_results.MARGIN
    for release in releases.values():
        images = GeneratedImages(release, 60, 42, open_pipeline=open_pipeline)
        grid = np.asarray(image_grid(images.read(range(60)), 10))
        top = gan_results.MARGIN // 2 + gan_results.TITLE_HEIGHT
        assert (picture[top : top + grid.shape[0], left : left + grid.shape[1]] == grid).all()
        left += grid.shape[1] + gan_results.MARGIN
    assert images.labels.reshape(6, 10)[:, 3].tolist() == [3] * 6  # the last release knows classes


def test_the_curves_are_drawn_over_the_images_seen(runs, releases, tmp_path, monkeypatch):
    trained(releases["plain"], runs, "gan-seed42")
    called(monkeypatch, "write", runs, tmp_path / "docs")
    path = tmp_path / "docs" / "images" / "gan-digits-curves.png"
    first = path.read_bytes()

    def worse(facts):
        for row in facts["curve"]:
            row["frechet_distance"] *= 3

    edited(runs / "digits" / "gan-seed42" / "release", worse)
    called(monkeypatch, "write", runs, tmp_path / "docs")
    assert path.stat().st_size > 10_000
    assert path.read_bytes() != first
