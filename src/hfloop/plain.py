"""What a command says on the terminal: its own sentences, without the libraries' chatter."""

from __future__ import annotations

import logging
import os
import sys


def speak_plainly() -> None:
    """Send hfloop's messages to stderr as plain lines; of the libraries, only errors.

    Every process of a launch calls this; the first one speaks, and the first of each further machine says its errors.
    """
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries; what comes of them we say
    logging.raiseExceptions = False  # a line that does not fit into log.txt any more is no reason for a traceback
    logger = logging.getLogger("hfloop")
    logger.propagate = False
    first, first_here = (os.environ.get(rank, "0") == "0" for rank in ("RANK", "LOCAL_RANK"))
    logger.setLevel(logging.INFO if first else logging.ERROR if first_here else logging.CRITICAL)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
