"""Annotated documents in and out of the formats that people have them in: files by content, and Hub datasets."""

from hfloop.ner.formats.hub import read_hub, read_hub_dataset, split_names
from hfloop.ner.formats.registry import FORMATS, Reading, read_documents, read_file, write_documents

__all__ = [
    "FORMATS",
    "Reading",
    "read_documents",
    "read_file",
    "read_hub",
    "read_hub_dataset",
    "split_names",
    "write_documents",
]
