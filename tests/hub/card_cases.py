"""What the hfloop.json of many releases could say, as hypothesis strategies; figures and names are arbitrary."""

from __future__ import annotations

from hypothesis import strategies as st

SHARE = st.floats(0, 1)
COUNT = st.integers(0, 10**7)
SHA256 = st.text("0123456789abcdef", min_size=64, max_size=64)
ODD = st.sampled_from(
    [
        "a|b",
        "`tick`",
        "```",
        "<!-- hfloop:end figures -->",
        "<!-- hfloop:begin use -->",
        "---",
        "Ünï 😀",
        "**bold**",
        "\\|",
        "key: value",
        "two\nlines",
        "# no heading",
        "{{ braces }}",
        "E-Mail",
    ]
)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
NAME = st.one_of(ODD, TEXT).filter(lambda name: name.strip())
MODEL_ID = st.sampled_from([".", "user/name", "Org-1/na.me_2", "a/b"])
HARDWARE = st.fixed_dictionaries(
    {
        "device": st.sampled_from(["AMD EPYC (4 cores)", "NVIDIA H100 80GB HBM3"]),
        "processes": st.integers(1, 4),
        "threads": st.integers(1, 8),
        "mixed_precision": st.sampled_from(["no", "bf16"]),
    }
)
EMISSIONS = st.fixed_dictionaries(
    {
        "energy_kwh": st.floats(1e-9, 1e4),
        "co2_grams": st.floats(0, 1e7),
        "grams_per_kwh": st.floats(0, 1000),
        "country": st.none() | st.just("Germany"),
        "source": st.just("codecarbon 3.3.2"),
    }
)


def on_one_line(name):
    return " ".join(name.split())


def names(min_size=1, max_size=4):
    return st.lists(NAME, min_size=min_size, max_size=max_size, unique_by=on_one_line)


def a_run(draw, recipe, config):
    """What every hfloop.json says."""
    chosen = draw(st.lists(st.sampled_from(sorted(config)), unique=True))
    return {
        "hfloop_version": "0.1.0",
        "created": "2026-01-02T03:04:05+00:00",
        "recipe": recipe,
        "config": config,
        "non_default": [name for name in chosen if config[name] is not None],
        "steps": draw(COUNT),
        "training_seconds": draw(st.floats(0, 1e6)),
        "hardware": draw(HARDWARE),
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "sha256": {},
        **draw(st.fixed_dictionaries({}, optional={"emissions": EMISSIONS})),
    }


@st.composite
def token_classifiers(draw):
    """The hfloop.json of a release of recipes/ner.py."""
    labels = draw(names())
    split = draw(st.sampled_from(["test", "validation"]))
    config = {"seed": 42, "train_file": draw(st.none() | NAME), "validation_file": None, "test_file": None}
    config |= {"dataset_name": None, "model_name_or_path": draw(NAME), "learning_rate": draw(SHARE)}
    hub_id = draw(st.none() | st.just("someone/people"))
    base = draw(st.none() | st.sampled_from(["someone/bert", "sentence-transformers/all-MiniLM-L6-v2"]))
    text = "Marisol Quennevar\nLisbon | `x`"
    spans = st.fixed_dictionaries(
        {"start": st.integers(0, 8), "end": st.integers(9, 28), "label": st.sampled_from(labels), "score": SHARE}
    )
    curve = [
        {"step": number, "epoch": number, "train_loss": draw(st.floats(0, 9)), "validation_f1": draw(SHARE)}
        for number in range(1, draw(st.integers(2, 4)))
    ]
    measured = [label for label in labels if draw(st.booleans())]
    return a_run(draw, "ner", config) | {
        "family": "token-classification",
        "labels": labels,
        "window_tokens": draw(COUNT),
        "base_model": {"name": base or draw(NAME), "hub_id": base, "parameters": draw(COUNT)},
        "mention_habits": draw(st.booleans()),
        "habits_trial": {"with_habits": 0.5, "without": 0.25},
        "best_epoch": draw(st.integers(1, len(curve))),
        "epochs": len(curve),
        "curve": curve,
        "data": {
            "name": hub_id or draw(NAME),
            "hub_id": hub_id,
            "splits": {
                each: {
                    "source": draw(NAME),
                    "documents": draw(COUNT),
                    "words": draw(COUNT),
                    "spans": {label: draw(COUNT) for label in labels},
                    "sha256": draw(SHA256),
                }
                for each in ("train", "validation", "test")
            },
            "repairs": draw(st.dictionaries(st.sampled_from(["edge_blanks", "cut_words"]), COUNT)),
            "warnings": draw(names(0, 2)),
        },
        "report": {
            "split": split,
            "protocol": draw(NAME),
            **{figure: draw(SHARE) for figure in ("precision", "recall", "f1")},
            "f1_interval": [draw(SHARE), draw(SHARE)],
            "support": draw(COUNT),
            "per_label": {
                label: {**{figure: draw(SHARE) for figure in ("precision", "recall", "f1")}, "support": draw(COUNT)}
                for label in measured
            },
            "errors": {kind: draw(COUNT) for kind in ("correct", "boundary", "type", "missed", "spurious")},
            "documents": draw(COUNT),
            "seqeval": {"f1": draw(SHARE)},
            "coverage": draw(SHARE),
        },
        "limits": draw(names(0, 3)),
        "example": {
            "text": text,
            "spans": draw(st.lists(spans, max_size=4)),
            "aggregation_strategy": "simple",
            "stride": draw(COUNT),
            "hfloop_output": "\n".join(draw(names(0, 3))),
            "transformers_output": "\n".join(draw(names(0, 3))),
        },
    }


VALUE = st.one_of(st.floats(-1e6, 1e6), st.floats(-1, 1), st.just(0.0))
UNCERTAINTY = st.one_of(st.just(0.0), st.floats(1e-8, 1e4))
FIGURES = ("frechet_distance", "kernel_distance", "precision", "recall", "inception_score")


@st.composite
def generators(draw):
    """The hfloop.json of a release of a GAN's recipe."""
    extractor = draw(st.sampled_from(["digits-v1", "facebook/dinov2-base", "inception"]))
    num_classes = draw(st.none() | st.integers(2, 4))
    classes = draw(names(num_classes, num_classes)) if num_classes else None
    hub_id = draw(st.none() | st.just("someone/faces"))
    cut_from = draw(st.none() | st.sampled_from(["my images", "datasets/someone/faces"]))
    curve = [{"step": 10 * n, "images": draw(COUNT), "frechet_distance": draw(st.floats(0, 1e4))} for n in (1, 2)]
    config = {"seed": 42, "train_data": draw(st.none() | NAME), "test_data": None, "skip_corrupt": draw(st.booleans())}

    def measured(name):
        return {
            "metric": f"{name}/{extractor}",
            "value": draw(VALUE),
            "uncertainty": draw(UNCERTAINTY),
            "uncertainty_kind": draw(st.sampled_from(["standard error", "standard deviation"])),
        }

    return a_run(draw, "dcgan", config) | {
        "family": "image-generation",
        "method": {
            "name": draw(st.sampled_from(["GAN", "cGAN with projection"])),
            "summary": "A network.",
            "paper": "A paper",
            "citation": "@article{paper,\n  year = {2014}\n}",
            "url": "https://example.org",
        },
        "generator": {"class": "G", "module": "modeling_g", "parameters": draw(COUNT)},
        "discriminator": {"class": "D", "module": "modeling_d", "parameters": draw(COUNT)},
        "latent_dim": draw(COUNT),
        "num_classes": num_classes,
        "best_step": 10,
        "images_seen": draw(COUNT),
        "curve": curve,
        "data": {
            "name": hub_id or draw(NAME),
            "hub_id": hub_id,
            "shape": [draw(st.sampled_from([1, 3])), 8, 8],
            "num_classes": num_classes,
            "class_names": classes,
            "splits": {
                split: {
                    "images": draw(COUNT),
                    "source": draw(st.one_of(NAME, st.just("digits:test"), st.just("datasets/a/b:test"))),
                    "sha256": draw(SHA256),
                }
                for split in ("train", "test")
            },
            "cut_from": cut_from,
            "warnings": draw(names(0, 2)),
        },
        "report": {
            "extractor": extractor,
            "extractor_sha256": draw(SHA256),
            "seed": 42,
            "images": {side: draw(COUNT) for side in ("generated", "real", "floor", "noise")},
            "floor": "training images",
            "figures": [
                {
                    "metric": f"{name}/{extractor}",
                    "generated": measured(name),
                    "floor": measured(name) if draw(st.booleans()) else None,
                    "ceiling": measured(name) if draw(st.booleans()) else None,
                }
                for name in FIGURES
            ],
            "classes": draw(st.booleans())
            and {
                "names": classes or ["0", "1"],
                "shares": {side: draw(st.lists(SHARE, min_size=k, max_size=k)) for side in ("generated", "real")},
                "mean_confidence": {"generated": draw(SHARE), "real": draw(SHARE)},
                "asked_class_share": draw(st.none() | SHARE),
                "label_share": draw(SHARE),
            }
            if (k := len(classes or ["0", "1"]))
            else None,
        },
        "samples": {"rows": 8, "columns": 8},
        "alarms": draw(names(0, 2)),
        "limits": draw(names(0, 3)),
        "example": {"class_labels": [0, 1, 0, 1] if num_classes else None, "output": draw(NAME)},
    }
