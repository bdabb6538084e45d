"""The entropy coder: constriction's ANS stack, imported only when something is coded."""

from __future__ import annotations

from typing import Any

from pixelcnn.system.errors import UserError


def constriction() -> Any:
    """The library.

    Raises:
        UserError: if it is not installed, as on a machine that only trains.
    """
    try:
        import constriction as library
    except ImportError as error:
        raise UserError(
            f"coding needs constriction, which cannot be imported ({error}); pip install constriction"
        ) from error
    return library


def family() -> Any:
    """Distributions by tables of probabilities.

    In integers of 24 bits, by the same few operations on each row wherever it stands. No level has less than
    2^-24, so each can be coded, however surely a model excludes it.
    """
    return constriction().stream.model.Categorical(perfect=False)


def stack(words: Any = None) -> Any:
    """A coder: empty, or of the words of one."""
    make = constriction().stream.stack.AnsCoder
    return make() if words is None else make(words)
