"""The errors that a user can mend: the command line prints their message and no traceback."""

from __future__ import annotations


class UserError(Exception):
    """What was wrong, where, and what was expected, in one message.

    Raised for bad input: a config key, a file, a checksum, a checkpoint, an argument.
    """


class ConfigError(UserError):
    """A benchmark description that cannot be run; the message names the key."""


class DataError(UserError):
    """A dataset that is missing, damaged or not what the config says."""


class Interrupted(Exception):
    """Work that a signal stopped, with its state saved: the same command resumes it."""


class RunFailed(UserError):
    """A run that ended without a result, such as a loss that became NaN."""


def described(error: BaseException) -> str:
    """What an error says, in one line: of one that no user's mistake was expected to raise the type, too."""
    said, kind = " ".join(str(error).split()), type(error).__name__
    if isinstance(error, UserError):
        return said
    return f"{kind}: {said}" if said else kind
