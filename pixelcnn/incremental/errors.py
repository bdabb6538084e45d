"""The two ways in which a network can lack a form: it says so, or the attempt to make it fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pixelcnn.system.errors import UserError, described


class NoForm(Exception):
    """A part of a network has no reach or no incremental form, by design; says which part."""


class BrokenForm(UserError):
    """A part of a network has a reach or an incremental form that fails; says which part, and how."""


@contextlib.contextmanager
def form_of(what: str) -> Iterator[None]:
    """Errors in the block become a BrokenForm of `what`, but for those that already speak of a form."""
    try:
        yield
    except (NoForm, BrokenForm):
        raise
    except Exception as error:
        raise BrokenForm(f"{what} fails: {described(error)}") from error
