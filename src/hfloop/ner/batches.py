"""What each optimizer step trains on: a pure function of the data, the seed and the step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hfloop.errors import UserError
from hfloop.ner.encoding import IGNORED
from hfloop.ner.windows import training_windows

_POOL_BATCHES = 8  # windows of similar length share a batch, chosen among this many batches' worth


@dataclass(frozen=True)
class TrainingDocument:
    """A tokenized document and the label of each of its tokens, both of shape `(tokens,)`."""

    token_ids: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]


Window = tuple[int, int, int]  # document, first token, last token + 1


class Collator:
    """Turns windows into padded tensors, with the tokenizer's special tokens around each window.

    Args:
        prefix: ids before each window, such as `[CLS]`.
        suffix: ids after it, such as `[SEP]`.
        pad_token_id: fills the rest.
    """

    def __init__(self, prefix: Sequence[int], suffix: Sequence[int], pad_token_id: int) -> None:
        self.prefix = np.array(prefix, dtype=np.int64)
        self.suffix = np.array(suffix, dtype=np.int64)
        self.pad_token_id = pad_token_id

    def inputs(self, windows: Sequence[npt.NDArray[np.int64]]) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask`, each of shape `(windows, tokens)`."""
        width = len(self.prefix) + max(map(len, windows)) + len(self.suffix)
        input_ids = np.full((len(windows), width), self.pad_token_id, dtype=np.int64)
        attention_mask = np.zeros((len(windows), width), dtype=np.int64)
        for row, tokens in enumerate(windows):
            whole = np.concatenate([self.prefix, tokens, self.suffix])
            input_ids[row, : len(whole)] = whole
            attention_mask[row, : len(whole)] = 1
        return {"input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(attention_mask)}

    def labels(self, windows: Sequence[npt.NDArray[np.int64]]) -> Tensor:
        """Labels of shape `(windows, tokens)`, special and padding tokens ignored."""
        width = len(self.prefix) + max(map(len, windows)) + len(self.suffix)
        labels = np.full((len(windows), width), IGNORED, dtype=np.int64)
        for row, window in enumerate(windows):
            labels[row, len(self.prefix) : len(self.prefix) + len(window)] = window
        return torch.from_numpy(labels)


class TrainingBatches:
    """Windows over documents, cut at fresh random places each epoch, shuffled, and grouped by similar length.

    A batch is what one optimizer step sees over all processes and accumulation steps. Since batch and order depend on
    (seed, step) alone, neither a resume nor the number of processes changes what is learned.

    Args:
        documents: the training set.
        window: tokens of a window, without special tokens.
        batch_size: windows per optimizer step, over all processes.
        num_train_epochs: passes over the documents.
        seed: of cuts and order.
        num_processes: each must get at least one window of every batch.

    Raises:
        UserError: there are fewer windows than processes.
    """

    def __init__(
        self,
        documents: Sequence[TrainingDocument],
        *,
        window: int,
        batch_size: int,
        num_train_epochs: int,
        seed: int,
        num_processes: int = 1,
    ) -> None:
        self.documents = documents
        self.window = window
        self.batch_size = batch_size
        self.num_train_epochs = num_train_epochs
        self.seed = seed
        self.num_processes = num_processes
        self._epoch_batches = lru_cache(maxsize=1)(self._make_epoch)
        self._epoch_ends = list(accumulate(len(self._make_epoch(epoch)) for epoch in range(num_train_epochs)))

    @property
    def total_steps(self) -> int:
        """Optimizer steps of all epochs."""
        return self._epoch_ends[-1]

    def epoch_of(self, step: int) -> int:
        """The epoch, counted from 0, that a step belongs to."""
        return bisect_right(self._epoch_ends, step)

    def ends_epoch(self, step: int) -> bool:
        """Whether a step is the last of its epoch."""
        return step + 1 in self._epoch_ends

    def __getitem__(self, step: int) -> list[Window]:
        """The windows of one optimizer step, longest first."""
        epoch = self.epoch_of(step)
        first = self._epoch_ends[epoch - 1] if epoch else 0
        return self._epoch_batches(epoch)[step - first]

    def microbatches(self, step: int, accumulation_steps: int, process_index: int = 0) -> list[list[Window]]:
        """This process's share of a step: up to `accumulation_steps` lists of windows, none of them empty."""
        batch = self[step]
        parts = np.array_split(np.arange(len(batch)), self.num_processes * accumulation_steps)
        mine = parts[process_index :: self.num_processes]
        return [[batch[index] for index in part] for part in mine if len(part)]

    def labelled_tokens(self, step: int) -> int:
        """Tokens of a step that carry a label, over all processes: what the step's loss is divided by."""
        return sum(
            int(np.count_nonzero(self.documents[document].labels[start:end] != IGNORED))
            for document, start, end in self[step]
        )

    def tensors(
        self, windows: Sequence[Window], collator: Collator, device: torch.device
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The model's inputs for some windows, and their labels, all of shape `(windows, tokens)`, on `device`."""
        inputs = collator.inputs([self.documents[document].token_ids[start:end] for document, start, end in windows])
        labels = collator.labels([self.documents[document].labels[start:end] for document, start, end in windows])
        return {name: tensor.to(device) for name, tensor in inputs.items()}, labels.to(device)

    def _make_epoch(self, epoch: int) -> list[list[Window]]:
        generator = np.random.default_rng([self.seed, epoch])
        windows: list[Window] = []
        for index, document in enumerate(self.documents):
            offset = int(generator.integers(1, self.window + 1))
            pieces = training_windows(len(document.token_ids), self.window, offset)
            windows += [(index, start, end) for start, end in pieces]
        if len(windows) < self.num_processes:
            raise UserError(
                f"the training set makes {len(windows)} windows of {self.window} tokens, too few for "
                f"{self.num_processes} processes; launch fewer."
            )
        windows = [windows[place] for place in generator.permutation(len(windows))]
        pool = self.batch_size * _POOL_BATCHES
        windows = [
            window
            for start in range(0, len(windows), pool)
            for window in sorted(windows[start : start + pool], key=_length, reverse=True)
        ]
        batches = [list(part) for part in _split_evenly(windows, self.batch_size, self.num_processes)]
        return [batches[place] for place in generator.permutation(len(batches))]


def _split_evenly(windows: list[Window], batch_size: int, at_least: int) -> list[list[Window]]:
    """Consecutive batches of nearly equal size, `batch_size` at most unless one would fall below `at_least`."""
    count = -(-len(windows) // batch_size)
    if len(windows) // count < at_least:
        count = max(1, len(windows) // batch_size)
    return [[windows[index] for index in part] for part in np.array_split(np.arange(len(windows)), count)]


def _length(window: Window) -> int:
    return window[2] - window[1]
