"""hfloop: from a data file to a trained, honestly measured model that is ready to share."""

__version__ = "0.1.0"
