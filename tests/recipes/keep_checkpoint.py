"""Run a recipe and keep the run's last checkpoint, in `kept`, which a run that finishes removes.

python keep_checkpoint.py RECIPE FLAGS
"""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

from hfloop.release import Release
from hfloop.run import Run

finish = Run.finish


def keep_and_finish(run: Run, release: Release) -> Path:
    """What takes the place of `Run.finish`."""
    if run.accelerator.is_main_process:
        shutil.copytree(run.output_dir / "checkpoints" / f"step-{run.completed_steps}", run.output_dir / "kept")
    return finish(run, release)


Run.finish = keep_and_finish  # type: ignore[method-assign]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
