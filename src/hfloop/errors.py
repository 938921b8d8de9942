"""One kind of error for everything a user can mend, and how a command turns it into one sentence."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable


class UserError(Exception):
    """Something the user can mend: the message is one sentence that names the file, field or flag and the mend."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean X?)"`` for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean `{close[0]}`?)" if close else ""


def first_line(error: Exception) -> str:
    """What a library said, its first line without the full stop; the error's class where it said nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def one_line(error: Exception) -> str:
    """All of what a library said, on one line and without its full stop."""
    return " ".join(str(error).split()).rstrip(".")


def exit_on_user_error(command: Callable[[], None]) -> None:
    """Run `command`; a :class:`UserError` becomes one sentence on stderr and exit code 2, without a traceback."""
    try:
        command()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:
            sys.stderr.write("interrupted; nothing was left half-written\n")
        raise
    except BrokenPipeError:  # the reader of a pipe (`hfloop … | head`) left: not an error of ours
        sys.stderr.close()
        sys.exit(141)
