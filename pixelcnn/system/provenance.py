"""What a number depends on beside its spec: versions and the commit."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import numpy as np
import torch

import pixelcnn


def versions() -> dict[str, str]:
    """Versions of what the numbers of a run depend on."""
    return {
        "pixelcnn": pixelcnn.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a class of its own, which no checkpoint may hold
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }


def commit() -> str | None:
    """The commit of the source tree, with -dirty if tracked files differ; None outside a checkout."""
    try:
        # A package installed inside somebody else's checkout must not name their commit.
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return None  # installed from a package, or git is not there: the version must do


def _git(*arguments: str) -> str:
    folder = Path(__file__).parent
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
