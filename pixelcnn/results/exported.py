"""What an exported model says of itself: readable without torch, and so apart from `evaluation.export`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from pixelcnn.system.errors import UserError

FORMAT = 1
#: What a description holds at least.
ENTRIES = {"spec", "image", "data_sha256", "epoch", "prior"}
#: The entry of the file's metadata. One, since safetensors writes several in no fixed order.
ENTRY = "pixelcnn"


def description_of(path: Path) -> dict[str, Any]:
    """The description in an exported model, as plain data.

    Raises:
        UserError: if it is missing, damaged or not of this format.
    """
    with opened(path, "numpy") as (description, _):
        return description


@contextlib.contextmanager
def opened(path: Path, framework: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """The description in an exported model, and the file, whose tensors are read as the framework's.

    Raises:
        UserError: if it is missing, damaged or not of this format.
    """
    if not path.is_file():
        raise UserError(f"{path}: no model there; `pixelcnn evaluate` writes it")
    try:
        with safe_open(path, framework=framework) as file:
            description = json.loads((file.metadata() or {}).get(ENTRY, "{}"))
            known = isinstance(description, dict) and description.get("format") == FORMAT
            if not known or ENTRIES - description.keys():
                raise UserError(f"{path}: not a model of format {FORMAT}")
            yield description, file
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path}: damaged, or no safetensors file: {error}") from error
