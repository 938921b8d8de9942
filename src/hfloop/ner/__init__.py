"""Named-entity recognition on whole documents: formats, windows, labels, decoding, extraction, scoring."""
