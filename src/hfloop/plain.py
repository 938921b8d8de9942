"""What a command says on the terminal: its own sentences, without the libraries' chatter."""

from __future__ import annotations

import logging
import os
import sys


def speak_plainly() -> None:
    """Send hfloop's messages to stderr as plain lines; of the libraries, only errors.

    Every process of a launch calls this; only the first one speaks.
    """
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logger = logging.getLogger("hfloop")
    logger.propagate = False
    logger.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.ERROR)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
