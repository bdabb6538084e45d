"""Where a model that MLflow holds has the user's own files; asked without torch, too."""

from __future__ import annotations

from pathlib import Path

#: Folders of its artifacts with the user's files that define these parts of a variant, where that is so.
OWN = {"model": "own", "likelihood": "own_likelihood"}


def own_name(file: str) -> str:
    """What the user's file is called in the model: MLflow stumbles over names that no module can have."""
    path = Path(file)
    return path.name if path.stem.isidentifier() and path.stem.isascii() else "own_code.py"
