"""What the processes of a run agree on, so that none waits for another that has failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from safetensors import SafetensorError

from hfloop.errors import UserError

T = TypeVar("T")


def told_by_main_process(accelerator: Accelerator, work: Callable[[], T]) -> T:
    """What `work` gives in the main process, told to all, which wait for it.

    Raises:
        UserError: that of `work`, in every process.
    """
    told: list[Any] = [None]
    if accelerator.is_main_process:
        try:
            told = [work()]
        except UserError as error:
            told = [UserError(str(error))]  # plainly, since another process has to unpickle it
    (result,) = broadcast_object_list(told)
    if isinstance(result, UserError):
        raise result
    return result


def all_or_none(work: Callable[[], object]) -> None:
    """Do `work` in every process and wait for all; where one fails all do, so that none waits for it forever.

    Args:
        work: asks nothing of other processes.

    Raises:
        OSError: what the first process that failed has to say.
    """
    failure = None
    try:
        work()
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors name a full disk differently
        failure = str(error)
    failures = [each for each in gather_object([failure]) if each is not None]
    if failures:
        raise OSError(failures[0])
