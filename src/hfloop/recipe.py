"""How a recipe starts and how it can end: one sentence and an exit code."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable

import torch

from hfloop.config import ConfigT, parse_config
from hfloop.errors import UserError
from hfloop.plain import speak_plainly
from hfloop.run import DryRunEnds
from hfloop.stopping import RunStopped, Terminated, sigterm_as_interrupt

logger = logging.getLogger("hfloop")


def recipe_main(main: Callable[[ConfigT], None], config_class: type[ConfigT]) -> None:
    """Parse the configuration, run the recipe, and turn every way it can end into one sentence and an exit code.

    Exit codes: 0 done, 2 something the user can mend, 130 and 143 stopped by SIGINT and SIGTERM. Of several processes
    only the main one survives a SIGTERM outside of training for long enough to say so.
    """
    speak_plainly()
    try:
        with sigterm_as_interrupt():
            main(parse_config(config_class))
        if torch.distributed.is_initialized():  # not within `main`: a model that outlives its group can hang
            torch.distributed.destroy_process_group()
    except DryRunEnds:
        sys.exit(0)
    except UserError as error:
        logger.error("error: %s", error)
        sys.exit(2)
    except RunStopped as stopped:
        logger.info("%s", stopped)
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt as interruption:
        logger.info(
            "interrupted; nothing was left half-written, and a run that has a checkpoint continues with "
            "--output_dir FOLDER --resume_from_checkpoint latest"
        )
        sys.exit(128 + (signal.SIGTERM if isinstance(interruption, Terminated) else signal.SIGINT))
