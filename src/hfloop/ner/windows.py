"""Cut a document's tokens into windows a model can read, and put the windows' answers together again.

Nothing is truncated: every token of a document lies in at least one window. Windows count tokens and may cut a word;
a word is judged by its first piece, and the mean over overlapping windows tempers an answer given at a border.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

SHORTEST_PIECE = 16


def training_windows(length: int, window: int, offset: int) -> list[tuple[int, int]]:
    """Tile the tokens `0 … length - 1` with half-open windows, the first cut falling at `offset`.

    Drawing `offset` anew each epoch moves every border. A document that fits one window stays whole. A piece at either
    end shorter than 16 tokens (or a third of the window, if that is less) takes the rest from its neighbour.

    Args:
        length: number of tokens of the document.
        window: largest number of tokens in a window.
        offset: length of the first window, 1 to `window`.

    Raises:
        ValueError: `window` is not positive, `length` is negative, or `offset` is outside 1 … `window`.
    """
    _check_sizes(length, window)
    if not 1 <= offset <= window:
        raise ValueError(f"offset must be between 1 and the window of {window} tokens, not {offset}")
    if length <= window:
        return [(0, length)] if length else []
    shortest = min(SHORTEST_PIECE, window // 3)
    cuts = list(range(offset, length, window))
    cuts[0] = max(cuts[0], shortest)
    cuts[-1] = min(cuts[-1], length - shortest)
    return list(zip([0, *cuts], [*cuts, length], strict=True))


def inference_windows(length: int, window: int, overlap: int) -> list[tuple[int, int]]:
    """Cover the tokens `0 … length - 1` with half-open windows that overlap by at least `overlap` tokens.

    The fewest windows that suffice, each of exactly `window` tokens (or one of `length`, if the document is shorter),
    spread evenly: the first starts at 0, the last ends at `length`.

    Raises:
        ValueError: `window` is not positive, `length` is negative, or `overlap` is outside 0 … `window` - 1.
    """
    _check_sizes(length, window)
    if not 0 <= overlap < window:
        raise ValueError(f"overlap must be between 0 and {window - 1} (less than the window), not {overlap}")
    if length <= window:
        return [(0, length)] if length else []
    last_start = length - window
    steps = -(-last_start // (window - overlap))
    starts = [step * last_start // steps for step in range(steps + 1)]
    return [(start, start + window) for start in starts]


def merge_windows(
    windows: Iterable[tuple[int, int]], probabilities: Iterable[npt.NDArray[np.floating]], length: int
) -> npt.NDArray[np.float32]:
    """Average, for each token, the label probabilities of all windows that saw it.

    Both iterables are read once, side by side, so a generator over a model's batches never holds more than one window.
    The sums are float64: windows that agree give their common answer to the last bit, however many they are.

    Args:
        windows: half-open `(start, end)` token ranges that cover the document.
        probabilities: for each window, an array of shape `(end - start, labels)`.
        length: number of tokens of the document, at least 1.

    Returns:
        An array of shape `(length, labels)`.

    Raises:
        ValueError: the windows leave a token uncovered, or there are not as many arrays as windows.
    """
    seen = np.zeros(length, dtype=np.int64)
    sums: npt.NDArray[np.float64] | None = None
    for (start, end), window_probabilities in zip(windows, probabilities, strict=True):
        if sums is None:
            sums = np.zeros((length, window_probabilities.shape[1]))
        sums[start:end] += window_probabilities
        seen[start:end] += 1
    if sums is None or not seen.all():
        raise ValueError(f"the windows leave {np.count_nonzero(seen == 0)} of {length} tokens uncovered")
    return (sums / seen[:, None]).astype(np.float32)


def _check_sizes(length: int, window: int) -> None:
    if window <= 0:
        raise ValueError(f"window must be positive, not {window}")
    if length < 0:
        raise ValueError(f"length must not be negative, not {length}")
