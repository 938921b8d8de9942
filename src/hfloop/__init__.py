"""hfloop: from a data file to a trained, honestly measured, published and demoed model."""

__version__ = "0.1.0"
