"""Splits that keep near-duplicate documents on one side, so that a test measures what was not trained on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hfloop.errors import UserError
from hfloop.ner.documents import Document

SHINGLE_WORDS = 5
NEAR_DUPLICATE_SIMILARITY = 0.3  # Jaccard; one changed word in a row of shingles already costs five of them

_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Split:
    """Documents to learn from, to choose the best epoch by, and to report on; each in the order they were given."""

    train: list[Document]
    validation: list[Document]
    test: list[Document]


def split_documents(
    documents: Sequence[Document], seed: int, validation_share: float = 0.1, test_share: float = 0.2
) -> Split:
    """Split `documents` into parts whose sizes are near the shares, groups of near-duplicates staying whole.

    Which documents go where depends on their words and `seed`, not on their order.

    A part whose share is not 0 holds at least one document; one whose share is 0 holds none.

    Raises:
        UserError: fewer documents that are not near-duplicates of each other than parts.
    """
    validation, test = (
        max(1, round(share * len(documents))) if share else 0 for share in (validation_share, test_share)
    )
    targets = [max(1, len(documents) - validation - test), validation, test]
    groups = _enough_groups(documents, sum(target > 0 for target in targets), "parts")
    parts = _allocate(documents, groups, targets, seed)
    return Split(*([documents[index] for index in part] for part in parts))


def folds(documents: Sequence[Document], k: int, seed: int) -> list[list[int]]:
    """Indices of `documents` in `k` parts of nearly equal size, for cross-validation; groups stay whole.

    Raises:
        UserError: fewer than `k` documents that are not near-duplicates of each other.
    """
    groups = _enough_groups(documents, k, "folds")
    return _allocate(documents, groups, [len(documents) / k] * k, seed)


def leaked(train: Sequence[Document], test: Sequence[Document]) -> int:
    """How many documents of `test` are near-duplicates of a document of `train`, directly or through others."""
    groups = near_duplicate_groups([*train, *test])
    return sum(
        sum(index >= len(train) for index in group) for group in groups if any(index < len(train) for index in group)
    )


def near_duplicate_groups(documents: Sequence[Document]) -> list[list[int]]:
    """Indices of `documents` in groups: every document is in one, most are alone in theirs.

    Two documents are near-duplicates when the Jaccard similarity of their sets of 5-word shingles is at least 0.3
    (Broder 1997, "On the resemblance and containment of documents"); a text of fewer than 5 words is one shingle, so
    that it only equals the same words. A group is a connected component. Case and punctuation do not count. The
    similarity is exact: an inverted index of the shingles that occur twice finds every pair.
    """
    if not documents:
        return []
    shingles = _shingles(documents)
    sizes = np.array([len(hashes) for hashes in shingles])
    index = _InvertedIndex(shingles)
    group_of = np.full(len(documents), -1)
    groups: list[list[int]] = []
    for seed_document in range(len(documents)):
        if group_of[seed_document] >= 0:
            continue
        group = [seed_document]
        group_of[seed_document] = len(groups)
        for document in group:  # grows while it is walked
            others, shared = np.unique(index.sharers(document, group_of), return_counts=True)
            similarity = shared / (sizes[document] + sizes[others] - shared)
            near = others[similarity >= NEAR_DUPLICATE_SIMILARITY]
            group_of[near] = len(groups)
            group += near.tolist()
        groups.append(sorted(group))
    return groups


class _InvertedIndex:
    """From a document to the documents that share its shingles; shingles that occur once are left out."""

    def __init__(self, shingles: Sequence[_Hashes]) -> None:
        owners = np.repeat(np.arange(len(shingles)), [len(hashes) for hashes in shingles])
        _, ids, counts = np.unique(np.concatenate(shingles), return_inverse=True, return_counts=True)
        repeated = counts[ids] > 1
        order = np.argsort(ids[repeated], kind="stable")
        self._postings = owners[repeated][order]
        self._ends = np.cumsum(np.where(counts > 1, counts, 0))
        self._ids = ids[repeated]
        self._bounds = np.searchsorted(owners[repeated], np.arange(len(shingles) + 1))

    def sharers(self, document: int, group_of: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Each document that is in no group yet, once for every shingle that it shares with `document`."""
        ids = self._ids[self._bounds[document] : self._bounds[document + 1]]
        if len(ids) == 0:
            return ids
        owners = np.concatenate([self._postings[self._ends[id - 1] if id else 0 : self._ends[id]] for id in ids])
        return owners[group_of[owners] < 0]


def _words(document: Document) -> list[str]:
    """The words that the comparison sees; a text of punctuation alone stands for itself."""
    return re.findall(r"\w+", document.text.casefold()) or [document.text.strip()]


def _shingles(documents: Sequence[Document]) -> list[_Hashes]:
    """The distinct shingles of each document as 64-bit hashes; equal words give equal hashes within one call only."""
    vocabulary: dict[str, int] = {}
    word_ids = [[vocabulary.setdefault(word, len(vocabulary)) for word in _words(document)] for document in documents]
    random = np.random.default_rng(0)
    word_hashes = random.integers(2**64, size=(SHINGLE_WORDS, len(vocabulary)), dtype=np.uint64)
    return [_hashed_shingles(np.array(ids), word_hashes) for ids in word_ids]


def _hashed_shingles(words: npt.NDArray[np.int64], word_hashes: _Hashes) -> _Hashes:
    """Sums, modulo 2⁶⁴, of a random number for each word at each of the places of a shingle."""
    length = min(SHINGLE_WORDS, len(words))
    count = len(words) - length + 1
    hashes = sum(word_hashes[place, words[place : place + count]] for place in range(length))
    return np.unique(np.asarray(hashes, dtype=np.uint64))


def _enough_groups(documents: Sequence[Document], needed: int, parts: str) -> list[list[int]]:
    groups = near_duplicate_groups(documents)
    if len(groups) < needed:
        raise UserError(
            f"{len(documents)} documents count as {len(groups)} once near-duplicates are taken together, "
            f"too few for {needed} {parts}: bring more documents, or files that are split already."
        )
    return groups


def _allocate(
    documents: Sequence[Document], groups: list[list[int]], targets: Sequence[float], seed: int
) -> list[list[int]]:
    """Deal the groups out to parts, each to the one furthest from its target; only a target of 0 leaves a part empty.

    Large groups go first, so that the small ones even the sizes out; among equals the order is drawn by `seed`.
    """
    parts: list[list[int]] = [[] for _ in targets]
    wanted = [part for part, target in enumerate(targets) if target > 0]
    ordered = sorted(groups, key=lambda group: (-len(group), min(_draw(documents[index], seed) for index in group)))
    for place, group in enumerate(ordered):
        empty = [part for part in wanted if not parts[part]]
        open_parts = empty if len(ordered) - place <= len(empty) else wanted
        part = max(open_parts, key=lambda part: targets[part] - len(parts[part]))
        parts[part] += group
    return [sorted(part) for part in parts]


def _draw(document: Document, seed: int) -> bytes:
    """A random number that depends on the words and the seed alone."""
    return hashlib.blake2b(f"{seed} {' '.join(_words(document))}".encode(), digest_size=8).digest()
