from __future__ import annotations

import ast
import importlib
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import hfloop.metrics
from hfloop.metrics.frechet_distance import frechet
from hfloop.metrics.inception_score import divergence
from hfloop.metrics.kernel_distance import kernel
from hfloop.metrics.prdc import manifold
from hfloop.metrics.strict_spans import spans

FOLDER = Path(hfloop.metrics.__file__).parent
CLASSES = {
    "frechet_distance": "FrechetDistance",
    "kernel_distance": "KernelDistance",
    "prdc": "PRDC",
    "inception_score": "InceptionScore",
    "strict_spans": "StrictSpans",
}
OF_TWO_SETS = ["frechet_distance", "kernel_distance", "prdc"]
SETTINGS: dict[str, dict[str, int]] = {
    "frechet_distance": {},
    "kernel_distance": {"seed": 3, "n_subsets": 5, "subset_size": 50},
    "prdc": {"nearest_k": 3},
    "inception_score": {"seed": 3, "n_splits": 4},
    "strict_spans": {},
}
GENERATOR = np.random.default_rng(0)
REAL = GENERATOR.normal(size=(300, 6))
FAKE = GENERATOR.normal(loc=0.3, scale=0.8, size=(211, 6))
PROBABILITIES = GENERATOR.dirichlet([0.3] * 5, size=200)
NAME, COMPANY = {"start": 0, "end": 8, "label": "Name"}, {"start": 12, "end": 18, "label": "Company"}
GOLD = [[NAME, COMPANY], [], [COMPANY]]
PREDICTED = [[NAME], [], [{**COMPANY, "end": 17}, NAME]]
INPUTS: dict[str, dict[str, Any]] = {
    **{name: {"predictions": FAKE, "references": REAL} for name in OF_TWO_SETS},
    "inception_score": {"predictions": PROBABILITIES},
    "strict_spans": {"predictions": PREDICTED, "references": GOLD},
}

# What a stranger does who has the folders and `evaluate`, but not hfloop.
WITHOUT_HFLOOP = """
import sys
sys.modules["hfloop"] = None  # any import of it fails

import doctest
import json
import multiprocessing
import os
import re
from pathlib import Path

import evaluate
import numpy as np

folder, inputs = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())


def share_of_process(process_id):
    metric = evaluate.load(
        str(folder / "frechet_distance"), num_process=2, process_id=process_id, experiment_id="two", timeout=20
    )
    for rows in np.array_split(fake, 5)[process_id::2]:
        metric.add_batch(predictions=rows)
    return metric.compute(real_features=real)


fake, real = (np.array(inputs["frechet_distance"][column]) for column in ("predictions", "references"))
other = multiprocessing.get_context("fork").Process(target=share_of_process, args=(1,))
other.start()
merged = share_of_process(0)
other.join()

results, examples = {}, {}
for name, arguments in inputs.items():
    results[name] = evaluate.load(str(folder / name)).compute(**arguments)

os.chdir(folder)
for name in inputs:
    readme = Path(name, "README.md").read_text(encoding="utf-8")
    for source, text in {"README.md": readme, "description": evaluate.load(f"./{name}").inputs_description}.items():
        example = doctest.DocTestParser().get_doctest(text, {}, name, source, 0)
        said = []
        counts = doctest.DocTestRunner(verbose=False).run(example, out=said.append)
        examples[f"{name}/{source}"] = {"attempted": counts.attempted, "said": "".join(said)}

print(json.dumps({"merged": merged, "exit code": other.exitcode, "results": results, "examples": examples}))
"""


@pytest.fixture(scope="module")
def without_hfloop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the folders give to a fresh process without hfloop, network or caches, in a folder of its own."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    inputs = elsewhere / "inputs.json"
    inputs.write_text(
        json.dumps({name: {**INPUTS[name], **SETTINGS[name]} for name in CLASSES}, default=np.ndarray.tolist)
    )
    caches = {"HF_HOME": str(elsewhere / "home"), "HF_MODULES_CACHE": str(elsewhere / "modules")}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HFLOOP, str(FOLDER), str(inputs)],
        cwd=elsewhere,
        env={**os.environ, **caches, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def metric_named(name: str, cache: Path) -> Any:
    """The metric by its class."""
    module = importlib.import_module(f"hfloop.metrics.{name}.{name}")
    return getattr(module, CLASSES[name])(cache_dir=str(cache))


def of_mathematics(name: str) -> dict[str, Any]:
    """The result that the plain mathematics gives for the inputs above."""
    if name == "frechet_distance":
        real, fake = frechet.FeatureStatistics.of(REAL), frechet.FeatureStatistics.of(FAKE)
        error = frechet.standard_error(real, FAKE)
        counts = {"n_real": len(REAL), "n_fake": len(FAKE), "dimension": 6}
        return {"frechet_distance": frechet.frechet_distance(real, fake), "standard_error": error, **counts}
    if name == "kernel_distance":
        distance = kernel.kernel_distance(REAL, FAKE, **SETTINGS[name])
        return {"kernel_distance": distance.value, "std": distance.uncertainty, "n_subsets": 5, "subset_size": 50}
    if name == "prdc":
        scores = manifold.manifold_scores(REAL, FAKE, **SETTINGS[name])
        shares = {each: getattr(scores, each) for each in ("precision", "recall", "density", "coverage")}
        errors = {f"{each}_standard_error": share.uncertainty for each, share in shares.items()}
        return {**{each: share.value for each, share in shares.items()}, **errors}
    if name == "inception_score":
        score = divergence.inception_score(PROBABILITIES, **SETTINGS[name])
        return {"inception_score": score.value, "std": score.uncertainty, "n_splits": 4}
    strict = spans.strict_scores(GOLD, PREDICTED)
    labels = {label: vars(scores) for label, scores in strict.per_label.items()}
    return {**vars(strict.micro), "macro_f1": strict.macro_f1, "per_label": labels}


def same(result: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Equal to the last digits; features kept as float32 would differ in the seventh."""
    if "per_label" in expected:  # ratios of counts
        return result == expected
    return result == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", CLASSES)
def test_the_folder_alone_computes_what_the_mathematics_says(without_hfloop, name):
    assert same(without_hfloop["results"][name], of_mathematics(name))


@pytest.mark.parametrize("source", ["README.md", "description"])
@pytest.mark.parametrize("name", CLASSES)
def test_the_examples_print_what_they_say(without_hfloop, name, source):
    example = without_hfloop["examples"][f"{name}/{source}"]
    assert example["attempted"] >= 5
    assert example["said"] == ""


def test_two_processes_give_one_result(without_hfloop):
    assert without_hfloop["exit code"] == 0
    # the processes' rows come one after the other, so sums differ by rounding
    assert without_hfloop["merged"] == pytest.approx(of_mathematics("frechet_distance"), rel=1e-9)


@pytest.mark.parametrize("name", CLASSES)
def test_the_class_computes_what_the_mathematics_says_in_plain_numbers(name, tmp_path):
    result = metric_named(name, tmp_path).compute(**INPUTS[name], **SETTINGS[name])
    assert same(result, of_mathematics(name))
    assert all(type(value) in (float, int) for key, value in result.items() if key != "per_label")


@pytest.mark.parametrize("name", OF_TWO_SETS)
def test_real_features_may_come_as_one_array(name, tmp_path):
    result = metric_named(name, tmp_path).compute(predictions=FAKE, real_features=REAL, **SETTINGS[name])
    assert same(result, of_mathematics(name))


@pytest.mark.parametrize("size", [1, 64, 300])
@pytest.mark.parametrize("name", OF_TWO_SETS)
def test_each_side_can_be_streamed_in_batches_of_any_size(name, size, tmp_path):
    metric = metric_named(name, tmp_path)
    for start in range(0, len(FAKE), size):
        metric.add_batch(predictions=FAKE[start : start + size])
    for start in range(0, len(REAL), size):
        metric.add_batch(references=REAL[start : start + size])
    assert same(metric.compute(**SETTINGS[name]), of_mathematics(name))


@pytest.mark.parametrize("size", [1, 64])
def test_probabilities_can_be_streamed(size, tmp_path):
    metric = metric_named("inception_score", tmp_path)
    for start in range(0, len(PROBABILITIES), size):
        metric.add_batch(predictions=PROBABILITIES[start : start + size])
    assert same(metric.compute(**SETTINGS["inception_score"]), of_mathematics("inception_score"))


def test_single_images_and_tensors_are_taken_too(tmp_path):
    torch = pytest.importorskip("torch")
    metric = metric_named("frechet_distance", tmp_path)
    for row in FAKE:
        metric.add(prediction=row)
    metric.add_batch(references=torch.from_numpy(REAL))
    assert same(metric.compute(), of_mathematics("frechet_distance"))


@pytest.mark.parametrize("real", [{}, {"references": REAL, "real_features": REAL}], ids=["never", "twice"])
@pytest.mark.parametrize("name", OF_TWO_SETS)
def test_real_images_come_exactly_once(name, real, tmp_path):
    with pytest.raises(ValueError, match="either as references or as real_features"):
        metric_named(name, tmp_path).compute(predictions=FAKE, **real)


@pytest.mark.parametrize("name", [*OF_TWO_SETS, "inception_score"])
def test_what_the_mathematics_refuses_is_refused(name, tmp_path):
    broken = np.full((20, 6), np.nan)
    real = {"real_features": REAL} if name in OF_TWO_SETS else {}
    with pytest.raises(ValueError, match=r"NaN|sum to 1"):
        metric_named(name, tmp_path).compute(predictions=broken, **real)


def test_fewer_images_than_features_are_warned_of(tmp_path, caplog):
    metric = metric_named("frechet_distance", tmp_path)
    with caplog.at_level(logging.WARNING):
        assert metric.compute(predictions=FAKE[:7], real_features=REAL)["n_fake"] == 7
        assert not caplog.records
        assert metric.compute(predictions=FAKE[:6], real_features=REAL)["frechet_distance"] > 0
    assert "6 images do not span 6 dimensions" in caplog.text


@pytest.mark.parametrize("documents", [1, 3])
def test_documents_without_spans_are_scored(documents, tmp_path):
    empty = [[] for _ in range(documents)]
    nothing = metric_named("strict_spans", tmp_path).compute(predictions=empty, references=empty)
    assert nothing == {
        **dict.fromkeys(("precision", "recall", "f1", "macro_f1"), 0.0),
        **dict.fromkeys(("support", "predicted", "correct"), 0),
        "per_label": {},
    }


def test_spans_can_be_streamed_and_an_empty_batch_may_come_first(tmp_path):
    metric = metric_named("strict_spans", tmp_path)
    metric.add_batch(predictions=[[], []], references=[[], []])
    metric.add(prediction=PREDICTED[0], reference=GOLD[0])
    metric.add_batch(predictions=PREDICTED[1:], references=GOLD[1:])
    assert metric.compute() == of_mathematics("strict_spans")


def test_further_keys_of_spans_are_left_out(tmp_path):
    scored = [[{**span, "score": 0.9, "text": "…"} for span in document] for document in PREDICTED]
    metric = metric_named("strict_spans", tmp_path)
    assert metric.compute(predictions=scored, references=GOLD) == of_mathematics("strict_spans")


def test_predictions_for_other_documents_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Mismatch in the number of predictions"):
        metric_named("strict_spans", tmp_path).compute(predictions=PREDICTED[:2], references=GOLD)


@pytest.mark.parametrize("name", CLASSES)
def test_the_module_documents_itself(name, tmp_path):
    info = metric_named(name, tmp_path).info
    assert info.module_name.replace("_", "") == name.replace("_", "")
    assert re.search(r"\bsees?\b.*\b(miss|misses|no credit)\b", info.description, flags=re.DOTALL)
    assert re.search(r"Args:.*Returns:.*Examples:", info.inputs_description, flags=re.DOTALL)
    assert all(url.startswith("https://") for url in info.reference_urls)
    assert info.citation in (FOLDER / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CLASSES)
def test_the_folder_is_a_space(name):
    card = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    _, front_matter, text = card.split("---\n", maxsplit=2)
    metadata = yaml.safe_load(front_matter)
    assert list(metadata) == [
        *("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "app_file", "pinned", "tags", "description")
    ]
    assert metadata["sdk"] == "gradio"
    assert re.fullmatch(r"\d+\.\d+\.\d+", metadata["sdk_version"])
    assert (FOLDER / name / metadata["app_file"]).is_file()
    assert metadata["tags"] == ["evaluate", "metric"]
    assert re.findall(r"^##+ (.*)", text, flags=re.MULTILINE) == [
        *("Metric Description", "How to Use", "Inputs", "Output Values"),
        *("Limitations and Bias", "Citation", "Further References"),
    ]


@pytest.mark.parametrize("name", CLASSES)
def test_the_requirements_are_what_the_folder_imports(name):
    required = re.findall(r"^([\w-]+)>=", (FOLDER / name / "requirements.txt").read_text(), flags=re.MULTILINE)
    imported = {package for file in (FOLDER / name).glob("*.py") for package in packages_imported_by(file)}
    assert set(required) == imported - sys.stdlib_module_names - {"gradio"}  # which a Space has by its sdk


def test_only_the_modules_import_evaluate():
    importers = {
        str(file.relative_to(FOLDER))
        for file in FOLDER.parent.rglob("*.py")
        if "evaluate" in packages_imported_by(file)
    }
    assert importers == {f"{name}/{file}.py" for name in CLASSES for file in (name, "app")}


def packages_imported_by(file: Path) -> set[str]:
    """The top-level packages of the absolute imports in a file, wherever in it they stand."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.partition(".")[0] for name in names}


def test_the_mathematics_needs_no_evaluate():
    files = [path for name in CLASSES for path in (FOLDER / name).glob("*.py") if path.stem not in (name, "app")]
    modules = ["hfloop.metrics." + ".".join(path.relative_to(FOLDER).with_suffix("").parts) for path in files]
    program = f"import sys\nimport {', '.join(modules)}\nprint('evaluate' in sys.modules or 'datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"
