"""What each optimizer step trains on: a pure function of the data, the seed and the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

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
    (seed, step) alone, neither a resume nor the number of processes changes what is learned. Every epoch has as many
    steps as the first one's tokens fill full windows; cuts at random places make more and shorter windows of the same
    tokens, so that a batch may hold half as many windows again as `batch_size`, but hardly more tokens.

    Args:
        documents_of: the training documents of an epoch, counted from 0; a pure function.
        window: tokens of a window, without special tokens.
        batch_size: full windows per optimizer step, over all processes.
        seed: of cuts and order.
        num_processes: each gets at least one window of every batch.
    """

    def __init__(
        self,
        documents_of: Callable[[int], Sequence[TrainingDocument]],
        *,
        window: int,
        batch_size: int,
        seed: int,
        num_processes: int = 1,
    ) -> None:
        self.window = window
        self.seed = seed
        self.num_processes = num_processes
        self._documents_of = lru_cache(maxsize=1)(documents_of)
        self._batches_of = lru_cache(maxsize=1)(self._make_batches)
        windows = sum(-(-len(document.token_ids) // window) for document in self._documents_of(0))
        self.steps_per_epoch = max(1, -(-windows // batch_size))

    def epoch_of(self, step: int) -> int:
        """The epoch, counted from 0, that a step belongs to."""
        return step // self.steps_per_epoch

    def ends_epoch(self, step: int) -> bool:
        """Whether a step is the last of its epoch."""
        return (step + 1) % self.steps_per_epoch == 0

    def __getitem__(self, step: int) -> list[Window]:
        """The windows of one optimizer step, longest first."""
        epoch, step_of_epoch = divmod(step, self.steps_per_epoch)
        return self._batches_of(epoch)[step_of_epoch]

    def microbatches(self, step: int, accumulation_steps: int, process_index: int = 0) -> list[list[Window]]:
        """This process's share of a step: up to `accumulation_steps` lists of windows, none of them empty."""
        batch = self[step]
        parts = np.array_split(np.arange(len(batch)), self.num_processes * accumulation_steps)
        mine = parts[process_index :: self.num_processes]
        return [[batch[index] for index in part] for part in mine if len(part)]

    def labelled_tokens(self, step: int) -> int:
        """Tokens of a step that carry a label, over all processes: what the step's loss is divided by."""
        documents = self._documents_of(self.epoch_of(step))
        return sum(
            int(np.count_nonzero(documents[document].labels[start:end] != IGNORED))
            for document, start, end in self[step]
        )

    def tensors(
        self, step: int, windows: Sequence[Window], collator: Collator, device: torch.device
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The model's inputs for some windows of a step, and their labels, of shape `(windows, tokens)`."""
        documents = self._documents_of(self.epoch_of(step))
        inputs = collator.inputs([documents[document].token_ids[start:end] for document, start, end in windows])
        labels = collator.labels([documents[document].labels[start:end] for document, start, end in windows])
        return {name: tensor.to(device) for name, tensor in inputs.items()}, labels.to(device)

    def _make_batches(self, epoch: int) -> list[list[Window]]:
        generator = np.random.default_rng([self.seed, epoch])
        windows: list[Window] = []
        for index, document in enumerate(self._documents_of(epoch)):
            offset = int(generator.integers(1, self.window + 1))
            pieces = training_windows(len(document.token_ids), self.window, offset)
            windows += [(index, start, end) for start, end in pieces]
        windows = [windows[place] for place in generator.permutation(len(windows))]
        # where windows are few, some come twice rather than that a step, or a process, has none
        windows = [windows[place % len(windows)] for place in range(max(len(windows), self._fewest_windows))]
        pool = _POOL_BATCHES * -(-len(windows) // self.steps_per_epoch)
        windows = [
            window
            for start in range(0, len(windows), pool)
            for window in sorted(windows[start : start + pool], key=_length, reverse=True)
        ]
        batches = [
            [windows[place] for place in part]
            for part in np.array_split(np.arange(len(windows)), self.steps_per_epoch)
        ]
        return [batches[place] for place in generator.permutation(len(batches))]

    @property
    def _fewest_windows(self) -> int:
        return self.steps_per_epoch * self.num_processes


def _length(window: Window) -> int:
    return window[2] - window[1]
